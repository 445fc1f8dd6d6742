package server

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/store"
	"gorewind/store/leveldb"
	"gorewind/store/storetest"
	"gorewind/wire"
)

// appendTo is an APPEND of one event each to streams, without a key.
func appendTo(data string, streams ...string) []string {
	frames := []string{"APPEND", ""}
	for _, s := range streams {
		frames = append(frames, s, "", "1", data)
	}
	return frames
}

// parkedAre waits until n followers are parked in the hub.
func (d *daemon) parkedAre(t testing.TB, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("not %d followers are parked", n), func() bool {
		return d.is(func(l *loop) bool { return l.parked.len == n && l.inHand.Load() == 0 && l.reading == 0 })
	})
}

// noFollowers waits until the hub has no followers.
func (d *daemon) noFollowers(t testing.TB) {
	t.Helper()
	eventually(t, "the hub has followers", func() bool {
		return d.is(func(l *loop) bool {
			l.hub.mu.Lock()
			defer l.hub.mu.Unlock()
			return l.parked.len == 0 && len(l.hub.streams)+len(l.hub.selections) == 0 && l.inHand.Load() == 0
		})
	})
}

func TestFollow(t *testing.T) {
	d := serve(t)
	fill(t, d.store, "s", 3, 10)
	z := dial(t, zmq.DEALER, d.router())
	w := dial(t, zmq.DEALER, d.router())
	z.send("f", "", "QUERY", "s", id(1), "", "follow")
	z.wantEvent([]string{"f", ""}, 2, 10)
	z.wantEvent([]string{"f", ""}, 3, 10)
	z.recv().want("f", "", "LIVE")
	for i := 4; i < 50; i++ {
		if i%7 == 0 {
			d.parkedAre(t, 1)
		}
		w.ask("PUBLISH", "other", "x")
		w.ask("PUBLISH", "s", strconv.Itoa(i)).want("PUBLISHED", id(i))
		z.recv().want("f", "", "EVENT", id(i), strconv.Itoa(i))
	}
	z.ask("PING", "others go on").want("PONG", "others go on")
	z.send("f", "", "PING", "behind it")
	z.send("f", "", "CANCEL")
	z.recv().want("f", "", "END")
	z.recv().want("f", "", "PONG", "behind it")
	d.noFollowers(t)
}

func TestFollowWhatDoesNotExistYet(t *testing.T) {
	d := serve(t)
	z := dial(t, zmq.DEALER, d.router())
	z.send("a", "", "QUERY", "s", "", "", "follow", "limit=2")
	z.recv().want("a", "", "LIVE")
	z.send("b", "", "QUERY", "x", "", "", "follow", "match=prefix", "limit=3")
	z.recv().want("b", "", "LIVE")
	d.parkedAre(t, 2)
	w := dial(t, zmq.DEALER, d.router())
	w.ask(appendTo("1", "s", "xa", "s", "y", "s", "xb")...).want("APPENDED", id(1), id(1), id(2), id(1), id(3), id(1))
	z.recv().want("a", "", "EVENT", id(1), "1")
	z.recv().want("a", "", "EVENT", id(2), "1")
	z.recv().want("a", "", "END")
	positions := func(r reply, stream string, n int) {
		t.Helper()
		if f := r.frames; len(f) != 9 || f[2] != "EVENT" || f[4] != "1" || f[5] != stream || f[6] != id(n) || f[7] != f[3] {
			t.Fatalf("want event %d of %s, have %q", n, stream, f)
		}
	}
	positions(z.recv(), "xa", 1)
	positions(z.recv(), "xb", 1)
	w.ask(appendTo("1", "y", "xc")...)
	positions(z.recv(), "xc", 1)
	z.recv().want("b", "", "END")
	d.noFollowers(t)
}

// TestFollowSince: a follower with since in the future gets no event from before.
func TestFollowSince(t *testing.T) {
	d := serve(t)
	z := dial(t, zmq.DEALER, d.router())
	w := dial(t, zmq.DEALER, d.router())
	w.ask("PUBLISH", "s", "before")
	since := time.Now().Add(300 * time.Millisecond)
	z.ask("QUERY", "s", "", "", "follow", "meta", "since="+since.UTC().Format(wire.TimeForm)).want("LIVE")
	for time.Now().Before(since.Add(50 * time.Millisecond)) {
		w.ask("PUBLISH", "s", "x")
	}
	if at := z.recv().frames[6]; at < since.UTC().Format(wire.TimeForm) {
		t.Errorf("an event of %s came, before %v", at, since)
	}
}

// TestLiveAgain: an idle follower is sent LIVE from time to time; one that gets events
// is not.
func TestLiveAgain(t *testing.T) {
	d := serve(t)
	d.on(func(l *loop) { l.keepaliveEvery = 300 * time.Millisecond })
	z := dial(t, zmq.DEALER, d.router())
	began := time.Now()
	z.ask("QUERY", "s", "", "", "follow").want("LIVE")
	for range 3 {
		z.recv().want("LIVE")
	}
	if took := time.Since(began); took < 900*time.Millisecond {
		t.Errorf("LIVE came after %v", took/3)
	}
	w := dial(t, zmq.REQ, d.router())
	began = time.Now()
	last := began
	for i := 1; time.Since(began) < 2*time.Second; i++ {
		w.ask("PUBLISH", "s", "x").want("PUBLISHED", id(i))
		r := z.recv()
		for ; r.frames[0] == "LIVE"; r = z.recv() {
			if idle := time.Since(last); idle < 50*time.Millisecond { // longer pauses are the machine's
				t.Fatalf("LIVE came %v after an event", idle)
			}
			last = time.Now()
		}
		r.want("EVENT", id(i), "x")
		last = time.Now()
	}
	z.recv().want("LIVE")
}

// TestLiveWithoutEvents: events that wake a follower but are not for it do not replace
// LIVE.
func TestLiveWithoutEvents(t *testing.T) {
	d := serve(t)
	z := dial(t, zmq.DEALER, d.router())
	z.ask("QUERY", "s", "", "", "follow", "since="+time.Now().Add(time.Hour).UTC().Format(wire.TimeForm)).want("LIVE")
	d.parkedAre(t, 1)
	d.on(func(l *loop) { // the follower is never parked when keepalives are due
		l.keepaliveEvery, l.keepaliveAt = time.Millisecond, time.Now().Add(time.Hour)
	})
	w := dial(t, zmq.REQ, d.router())
	eventually(t, "LIVE does not come", func() bool {
		w.ask("PUBLISH", "s", "x")
		r, ok := z.try()
		if ok {
			r.want("LIVE")
		}
		return ok
	})
}

// A holed store's Tail reports damage once, after hole is closed.
type holed struct {
	store.Store
	hole chan struct{}
	seen atomic.Bool
}

func (h *holed) Tail(ctx context.Context, from uint64) iter.Seq2[[]store.Event, error] {
	if h.seen.Swap(true) {
		return h.Store.Tail(ctx, from)
	}
	return func(yield func([]store.Event, error) bool) {
		select {
		case <-h.hole:
			yield(nil, store.ErrDamaged)
		case <-ctx.Done():
			yield(nil, ctx.Err())
		}
	}
}

// TestFollowPastDamageOfOthers: events that the hub has skipped, followers read from
// the store to the end, however many chunks that takes.
func TestFollowPastDamageOfOthers(t *testing.T) {
	warmUp(t)
	checkLeaks(t)
	s, err := leveldb.OpenMemory(leveldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	h := &holed{Store: s, hole: make(chan struct{})}
	d := serveStore(t, h)
	z := dial(t, zmq.DEALER, d.router(), noMark)
	for _, option := range []string{"meta", "match=prefix"} {
		z.send(option, "", "QUERY", "s", "", "", "follow", option)
		z.recv().want(option, "", "LIVE")
	}
	d.parkedAre(t, 2)
	const n = 50_000 // more than a chunk of a selection
	fill(t, s, "s", n, 100)
	close(h.hole)
	eventually(t, "nothing was skipped", func() bool {
		l := d.loop
		l.hub.mu.Lock()
		defer l.hub.mu.Unlock()
		return l.hub.skips == 1
	})
	d.parkedAre(t, 2)
	dial(t, zmq.REQ, d.router()).ask("PUBLISH", "s", "x").want("PUBLISHED", id(n+1))
	last := map[string]int{}
	for range 2 * (n + 1) {
		m := z.recvBytes()
		e := string(m[0])
		if last[e]++; number(m[6]) != last[e] {
			t.Fatalf("%s: want event %d, have %.60q", e, last[e], m)
		}
	}
}

// TestFollowersAndWriters: each follower gets each event once and in order, whenever it
// begins and however many clients write.
func TestFollowersAndWriters(t *testing.T) {
	d := serve(t)
	r, _ := storetest.Rand(t)
	const writers, rounds, streams = 3, 2000, 5
	var wg sync.WaitGroup
	defer wg.Wait()
	for range writers {
		wg.Go(func() { // until it has written all
			z := dial(t, zmq.DEALER, d.router(), noMark)
			due := 0
			for i := range rounds {
				z.send("PUBLISH", "s"+strconv.Itoa(i%streams), "x")
				if due++; due == 50 || i == rounds-1 {
					for ; due > 0; due-- {
						z.recv()
					}
				}
			}
		})
	}
	const total = writers * rounds
	type follower struct {
		*client
		prefix bool
		stream string
	}
	var all []follower
	for i := range 30 {
		f := follower{dial(t, zmq.DEALER, d.router(), noMark), i%3 == 0, "s" + strconv.Itoa(i%streams)}
		if f.prefix {
			f.send("QUERY", "s", "", "", "follow", "match=prefix")
		} else {
			f.send("QUERY", f.stream, "", "", "follow")
		}
		all = append(all, f)
		if r.IntN(2) == 0 {
			d.alive(t)
		}
	}
	for i, f := range all {
		want, lives, last := total/streams, 0, 0
		if f.prefix {
			want = total
		}
		byStream := map[string]int{}
		for n := 0; n < want; {
			m := f.recv().frames
			if m[0] == "LIVE" {
				lives++
				continue
			}
			n++
			switch at := number([]byte(m[1])); {
			case f.prefix && at <= last:
				t.Fatalf("follower %d: position %d after %d", i, at, last)
			case f.prefix:
				if byStream[m[3]]++; number([]byte(m[4])) != byStream[m[3]] {
					t.Fatalf("follower %d: want event %d of %s, have %d", i, byStream[m[3]], m[3], number([]byte(m[4])))
				}
				last = at
			case at != n:
				t.Fatalf("follower %d: want event %d, have %d", i, n, at)
			}
		}
		if lives > 1 {
			t.Errorf("follower %d: %d times LIVE", i, lives)
		}
	}
}

// TestStalledFollowerLosesNothing: the daemon keeps only its place.
func TestStalledFollowerLosesNothing(t *testing.T) {
	d := serve(t)
	const n, size = 30_000, 300
	z := dial(t, zmq.DEALER, d.router(), tiny)
	envelopes := []string{"a", "b", "c"}
	last := map[string]int{}
	for _, e := range envelopes {
		z.send(e, "", "QUERY", "s", "", "", "follow")
		z.recv().want(e, "", "LIVE")
	}
	d.parkedAre(t, len(envelopes))
	fill(t, d.store, "s", n, size)
	take := func() {
		m := z.recvBytes()
		e := string(m[0])
		if last[e]++; number(m[3]) != last[e] {
			t.Fatalf("envelope %s: want event %d, have %.60q", e, last[e], m)
		}
	}
	for range 2 {
		eventually(t, "chunks are kept", func() bool {
			return d.is(func(l *loop) bool {
				return l.inHand.Load() == 0 && l.reading == 0 && l.stats.Blocked.Load() == 1
			})
		})
		for range n {
			take()
		}
	}
	for last["a"]+last["b"]+last["c"] < 3*n {
		take()
	}
	d.parkedAre(t, 3)
	dial(t, zmq.REQ, d.router()).ask("PUBLISH", "s", "more").want("PUBLISHED", id(n+1))
	for range 3 {
		take()
	}
}

// TestFollowersOfFullPeers: however many followers do not read, chunks of live events
// stay within their limit.
func TestFollowersOfFullPeers(t *testing.T) {
	d := serve(t)
	const peers, each = 2, 100
	var all []*client
	for range peers {
		z := dial(t, zmq.DEALER, d.router(), tiny)
		for i := range each {
			z.send(strconv.Itoa(i), "", "QUERY", "s", "", "", "follow")
		}
		for range each {
			z.recv()
		}
		all = append(all, z)
	}
	d.parkedAre(t, peers*each)
	w := dial(t, zmq.DEALER, d.router())
	var most atomic.Int64
	look := func() { d.on(func(l *loop) { most.Store(max(most.Load(), l.inHand.Load())) }) }
	big := strings.Repeat("x", 100<<10)
	const n = 8
	for i := range n {
		w.ask("PUBLISH", "s", big).want("PUBLISHED", id(i+1))
		look()
	}
	if have := most.Load(); have > maxChunkBytes {
		t.Errorf("chunks have %d bytes", have)
	}
	for _, z := range all {
		last := map[string]int{}
		for range each * n {
			m := z.recvBytes()
			e := string(m[0])
			if last[e]++; number(m[3]) != last[e] {
				t.Fatalf("follower %s: want event %d, have %.60q", e, last[e], m)
			}
		}
	}
}

// TestFollowersEnd: they may end at every stage, and leave nothing in the hub.
func TestFollowersEnd(t *testing.T) {
	for name, end := range map[string]func(d *daemon, z *client){
		"CANCEL": func(d *daemon, z *client) {
			z.send("a", "", "CANCEL")
			z.send("b", "", "CANCEL")
			for ends := 0; ends < 2; {
				if z.recv().frames[2] == "END" {
					ends++
				}
			}
		},
		"gone": func(d *daemon, z *client) { z.close() },
		"given up": func(d *daemon, z *client) {
			d.on(func(l *loop) {
				for _, c := range l.conns {
					l.giveUp(c, "test")
				}
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := serve(t)
			fill(t, d.store, "s", 20_000, 200)
			follow := func(read int) *client {
				z := dial(t, zmq.DEALER, d.router(), tiny)
				begun := d.Stats.Queries.Load() + 2
				z.send("a", "", "QUERY", "s", "", "", "follow")
				z.send("b", "", "QUERY", "s", "", "", "follow", "match=prefix")
				eventually(t, "queries do not begin", func() bool { return d.Stats.Queries.Load() == begun })
				for range read {
					z.recv()
				}
				return z
			}
			end(d, follow(0)) // reading, or full
			d.noFollowers(t)
			end(d, follow(100))
			d.noFollowers(t)
			z := follow(2 * 20_001)
			d.parkedAre(t, 2)
			end(d, z)
			d.noFollowers(t)
			z.close()
			z = follow(2 * 20_001)
			d.parkedAre(t, 2)
			var wg sync.WaitGroup
			wg.Go(func() { d.appendEach("s", 1000) }) // until it has written all
			end(d, z)
			wg.Wait()
			d.noFollowers(t)
			if have := d.Stats.QueriesRunning.Load(); have != 0 {
				t.Errorf("%d are left", have)
			}
		})
	}
}

// appendEach appends n events one after the other.
func (d *daemon) appendEach(stream string, n int) {
	for range n {
		store.Await(func(done func([]store.Result)) {
			d.store.Append([]store.Append{{Groups: []store.Group{{Stream: []byte(stream), Events: [][]byte{{'x'}}}}}}, done)
		})
	}
}

func TestStopEndsFollowers(t *testing.T) {
	d := serve(t)
	z := dial(t, zmq.DEALER, d.router())
	z.send("a", "", "QUERY", "s", "", "", "follow")
	z.recv()
	z.send("b", "", "WAIT", "c", "s", id(1), "60000")
	eventually(t, "the WAIT has not begun", func() bool { return d.is(func(l *loop) bool { return len(l.waits.byCursor) == 1 && l.reading == 0 }) })
	began := time.Now()
	d.stop()
	ended := map[string]bool{}
	for range 2 {
		m := z.recv()
		reply{z, m.frames[2:]}.wantError(wire.Stopping)
		ended[m.frames[0]] = true
	}
	if err := d.ended(); err != nil || len(ended) != 2 {
		t.Errorf("want a and b ended, have %v, %v", ended, err)
	}
	if took := time.Since(began); took > grace {
		t.Errorf("stopping took %v", took)
	}
}

// TestManyFollowersOfOnePeer: those beyond the limit wait, and begin when others end.
func TestManyFollowersOfOnePeer(t *testing.T) {
	d := serve(t)
	const n = maxRunning + 100
	z := dial(t, zmq.DEALER, d.router(), noMark)
	for i := range n {
		z.send(strconv.Itoa(i), "", "QUERY", "s"+strconv.Itoa(i), "", "", "follow")
	}
	for range maxRunning {
		if m := z.recv(); m.frames[2] != "LIVE" {
			t.Fatalf("want LIVE, have %q", m.frames)
		}
	}
	d.parkedAre(t, maxRunning)
	for i := range n { // those that have yet to begin, too
		z.send(strconv.Itoa(i), "", "CANCEL")
	}
	ends := 0
	for ends < n {
		switch m := z.recv(); m.frames[2] {
		case "END":
			ends++
		case "LIVE":
		default:
			t.Fatalf("want END, have %q", m.frames)
		}
	}
	d.noFollowers(t)
	eventually(t, "something waits", func() bool {
		return d.is(func(l *loop) bool {
			for _, c := range l.conns {
				if c.waiting != 0 || c.running != 0 || c.later.len != 0 || c.charged.Load() != 0 {
					return false
				}
			}
			return true
		})
	})
}

// BenchmarkAppend measures a client with 1 or 100 PUBLISHes under way, while others
// follow a stream each.
func BenchmarkAppend(b *testing.B) {
	for _, pipelined := range []int{1, 100} {
		for _, followers := range []int{0, 1000} {
			b.Run(fmt.Sprintf("pipelined=%d/followers=%d", pipelined, followers), func(b *testing.B) {
				benchmarkAppend(b, pipelined, followers)
			})
		}
	}
}

func benchmarkAppend(b *testing.B, pipelined, followers int) {
	s, err := leveldb.Open(b.TempDir(), leveldb.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	d := serveStore(b, s)
	defer func() { d.stop(); d.ended() }()
	z := dial(b, zmq.DEALER, d.router(), noMark)
	var reading sync.WaitGroup
	const peers = 4
	for k := range min(peers, followers) {
		f := dial(b, zmq.DEALER, d.router(), noMark)
		for i := k; i < followers; i += peers {
			f.send(strconv.Itoa(i), "", "QUERY", "s"+strconv.Itoa(i), "", "", "follow")
			f.recv()
		}
		reading.Go(func() { // until the server ends
			for {
				m, err := f.RecvMessageBytes(0)
				if err != nil || strings.HasPrefix(string(m[2]), "ERROR") {
					return
				}
			}
		})
	}
	b.ResetTimer()
	for i := range b.N + pipelined {
		if i < b.N {
			z.send("PUBLISH", "s"+strconv.Itoa(i%1000), "0123456789")
		}
		if i >= pipelined-1 && i-pipelined+1 < b.N {
			z.recvBytes()
		}
	}
	b.StopTimer()
	d.stop()
	reading.Wait()
}
