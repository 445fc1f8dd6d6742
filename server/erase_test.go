package server

import (
	"bytes"
	"hash/maphash"
	"slices"
	"strconv"
	"sync"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"gorewind/store/storetest"
	"gorewind/wire"
)

// unsentIDs returns the ids of the packed and unsent events of the only task, once its
// peer has been full for so long that it will take no more without reading.
func unsentIDs(l *loop) (ids []uint64) {
	for _, c := range l.conns {
		if c.backoff < lastRetry {
			continue
		}
		for t := c.toSend.first; t != nil; t = t.link.next {
			for rest := t.chunk.packed[t.sent:]; len(rest) > 0; {
				var frames [][]byte
				frames, rest = t.lane.envelope.Unpack(rest)
				if string(frames[0]) == wire.EVENT {
					ids = append(ids, uint64(eventID(frames)))
				}
			}
		}
	}
	return ids
}

// eventID returns the id of an EVENT, with or without meta.
func eventID(frames [][]byte) int {
	if len(frames) > 3 {
		return number(frames[4])
	}
	return number(frames[1])
}

// TestErasedIsNotSent: packed events that are unsent when one of them is erased are
// read again. The peer is full while the event is erased, and reads on after the
// erasure was answered.
func TestErasedIsNotSent(t *testing.T) {
	const n, size = 40_000, 100
	for name, query := range map[string][]string{
		"a stream":    nil,
		"backward":    {"order=desc"},
		"meta":        {"meta"},
		"a selection": {"match=prefix"},
		"a glob":      {"match=glob", "order=desc"},
		"a follower":  {"follow"},
	} {
		for _, erase := range []string{"REPLACE", "DELETE"} {
			t.Run(name+" "+erase, func(t *testing.T) {
				d := serve(t)
				follows := slices.Contains(query, "follow")
				z := dial(t, zmq.DEALER, d.router(), tiny)
				ask := append([]string{"QUERY", "s", "", ""}, query...)
				if follows {
					z.ask(ask...).want("LIVE")
					d.parkedAre(t, 1)
				}
				fill(t, d.store, "s", n, size)
				if !follows {
					z.send(ask...)
				}
				var unsent []uint64
				eventually(t, "no chunk is kept", func() bool {
					d.on(func(l *loop) {
						if unsent = nil; l.stats.Blocked.Load() == 1 {
							unsent = unsentIDs(l)
						}
					})
					return len(unsent) > 0
				})
				// The last one to go: a little room may yet be found.
				erased := unsent[len(unsent)-1]
				other := dial(t, zmq.REQ, d.router())
				if erase == "REPLACE" {
					other.ask("REPLACE", "s", id(int(erased)), "new").want("REPLACED", id(int(erased)))
				} else {
					other.ask("DELETE", "s", id(int(erased)), "").want("DELETED")
				}
				var want []int
				for i := 1; i <= n; i++ {
					want = append(want, i)
				}
				if unsent[0] > unsent[len(unsent)-1] {
					slices.Reverse(want)
				}
				var have []int
				for len(have) == 0 || have[len(have)-1] != want[n-1] {
					m := z.recvBytes()
					if string(m[0]) == "END" {
						break
					}
					i := eventID(m)
					have = append(have, i)
					if old := bytes.Equal(m[2], datum(i, size)); i == int(erased) && (old || erase == "DELETE") {
						t.Fatalf("event %d was sent after it was erased", i)
					}
				}
				if erase == "DELETE" { // libzmq still sends what it holds; after that, only what is left comes
					sent := len(have)
					for sent > 0 && have[sent-1] > int(erased) {
						sent--
					}
					if !slices.Equal(have[:sent], want[:sent]) {
						sent = 0
					}
					rest := slices.DeleteFunc(slices.Clone(want[sent:]), func(i int) bool { return i <= int(erased) })
					want = append(want[:sent:sent], rest...)
				}
				if !slices.Equal(want, have) {
					t.Errorf("want %d events, have %d", len(want), len(have))
				}
			})
		}
	}
}

// TestErasersDoNotStopOthers: only chunks that hold an erased event are read again.
func TestErasersDoNotStopOthers(t *testing.T) {
	d := serve(t)
	const n = 100_000
	fill(t, d.store, "s", n, 100)
	fill(t, d.store, "t", 1, 100)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(stop)
	wg.Go(func() { // until stop
		w := dial(t, zmq.DEALER, d.router(), noMark)
		for ahead := 0; ; ahead++ {
			select {
			case <-stop:
				return
			default:
			}
			w.send("REPLACE", "t", id(1), "x")
			if ahead >= 20 {
				w.recv()
			}
		}
	})
	z := dial(t, zmq.DEALER, d.router())
	z.send("QUERY", "s", "", "")
	z.wantEvents(nil, 1, n, 100)
	if have := d.Stats.EventsSent.Load(); have != n {
		t.Errorf("want %d events read, have %d", n, have)
	}
	// A query of the erased stream still ends.
	z.send("QUERY", "t", "", "")
	z.recv().want("EVENT", id(1), "x")
	z.recv().want("END")
}

// TestErasureIsSeen: a query after the answer sees nothing older.
func TestErasureIsSeen(t *testing.T) {
	d := serve(t)
	r, _ := storetest.Rand(t)
	const events, rounds = 200, 300
	fill(t, d.store, "s", events, 10)
	var mu sync.Mutex // protects answered
	answered := make([]int, events+1)
	var wg sync.WaitGroup
	defer wg.Wait()
	order := make([]int, rounds)
	for i := range order {
		order[i] = 1 + r.IntN(events)
	}
	wg.Go(func() { // until all rounds are over
		w := dial(t, zmq.DEALER, d.router())
		for round, at := range order {
			w.ask("REPLACE", "s", id(at), strconv.Itoa(round+1)).want("REPLACED", id(at))
			mu.Lock()
			answered[at] = round + 1
			mu.Unlock()
		}
	})
	z := dial(t, zmq.DEALER, d.router())
	for done := false; !done; {
		mu.Lock()
		before := slices.Clone(answered)
		mu.Unlock()
		done = before[order[rounds-1]] == rounds
		z.send("QUERY", "s", "", "")
		for i := 1; i <= events; i++ {
			m := z.recv().frames
			if round, _ := strconv.Atoi(m[2]); before[i] > 0 && (round < before[i] || m[1] != id(i)) {
				t.Fatalf("event %d: want that of round %d or later, have %q", i, before[i], m)
			}
		}
		z.recv().want("END")
	}
}

func TestReplaceAndDeleteAreRefused(t *testing.T) {
	d := serve(t)
	fill(t, d.store, "s", 5, 1)
	z := dial(t, zmq.DEALER, d.router())
	r := z.ask("REPLACE", "s", id(6), "x")
	r.wantError(wire.UnknownID)
	r.wantParam("stream", "73")
	r.wantParam("id", "0000000000000006")
	z.ask("REPLACE", "never", id(1), "x").wantError(wire.UnknownID)
	z.ask("REPLACE", "s", "x", "x").wantError(wire.Malformed)
	r = z.ask("DELETE", "s", id(6), "")
	r.wantError(wire.UnknownID)
	r.wantParam("id", "0000000000000006")
	r = z.ask("DELETE", "s", "", id(4))
	r.wantError(wire.Conflict)
	r.wantParam("last", "0000000000000005")
	z.ask("DELETE", "never", "", "").want("DELETED")
	z.ask("DELETE", "s", id(2), id(5)).want("DELETED")
	z.ask("DELETE", "s", id(2), "").want("DELETED")
	r = z.ask("QUERY", "s", id(1), "")
	r.wantError(wire.UnknownID)
	r.wantParam("stream", "73")
	r.wantParam("id", "0000000000000001")
	r = z.ask("QUERY", "s", id(3), id(9))
	r.wantError(wire.UnknownID)
	r.wantParam("id", "0000000000000009")
	z.send("QUERY", "s", id(2), "")
	z.wantEvents(nil, 3, 5, 1)
	z.send("QUERY", "s", id(1), "", "nearest")
	z.wantEvents(nil, 3, 5, 1)
}

// TestErasuresAreForgotten: a chunk that is older than the remembered erasures counts
// as stale.
func TestErasuresAreForgotten(t *testing.T) {
	e := erasures{seed: maphash.MakeSeed()}
	for range keptErasures {
		e.record([]byte("s"), span{1, 1})
	}
	never := func(erasure) bool { return false }
	if e.since(0, never) {
		t.Error("want all remembered")
	}
	e.record([]byte("t"), span{5, 7})
	if !e.since(0, never) {
		t.Error("want the first forgotten")
	}
	if e.since(1, never) {
		t.Error("want the others remembered")
	}
	held := span{6, 6}
	if of := func(x erasure) bool { return x.stream == e.hash([]byte("t")) && held.overlaps(x.span) }; !e.since(keptErasures, of) || e.since(keptErasures+1, of) {
		t.Error("want the last one after those before it, and not after itself")
	}
	if held.overlaps(span{7, 9}) || held.overlaps(span{1, 5}) || !held.with(7).overlaps(span{7, 9}) {
		t.Error("spans overlap where they do not")
	}
}
