package server

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"gorewind/wire"
)

// wantParam checks a parameter of an ERROR.
func (r reply) wantParam(name, value string) {
	r.c.t.Helper()
	head, _, _ := strings.Cut(r.frames[len(r.frames)-1], " ;")
	if !slices.Contains(strings.Split(head, " "), name+"="+value) {
		r.c.t.Fatalf("want %s=%s, have %q", name, value, r.frames)
	}
}

func TestAppend(t *testing.T) {
	d := serve(t)
	z := dial(t, zmq.DEALER, d.router())
	sub := subscribe(t, d, "a", "b")
	none, zero := "", id(0)
	z.ask("APPEND", none, "a", zero, "2", "1", "2", "b", none, "1", "").want("APPENDED", id(2), id(1))
	for _, want := range [][]string{{"a", id(1), "1"}, {"a", id(2), "2"}, {"b", id(1), ""}} {
		if have := sub.next(); !slices.Equal(want, have) {
			t.Errorf("broadcast: want %q, have %q", want, have)
		}
	}
	r := z.ask("APPEND", none, "b", id(1), "1", "x", "a", id(1), "1", "x")
	r.wantError(wire.Conflict)
	r.wantParam("group", "1")
	r.wantParam("stream", "61")
	r.wantParam("last", "0000000000000002")
	z.ask("APPEND", none, "b", id(1), "1", "x", "a", id(2), "1", "x").want("APPENDED", id(2), id(3))

	z.ask("APPEND", "key", "a", id(3), "1", "once").want("APPENDED", id(4))
	z.ask("APPEND", "key", "a", id(3), "1", "once").want("APPENDED", id(4))
	z.ask("APPEND", "key", "a", id(3), "1", "else").wantError(wire.KeyReused)
	z.ask("APPEND", "key", "b", none, "1", "elsewhere").want("APPENDED", id(3))

	big := strings.Repeat("x", DefaultMaxEvent+1)
	r = z.ask("APPEND", none, "a", none, "1", "x", "b", none, "2", "x", big)
	r.wantError(wire.TooLarge)
	r.wantParam("limit", strconv.Itoa(DefaultMaxEvent))
	r.wantParam("group", "1")
	z.ask("REPLACE", "a", id(1), big).wantError(wire.TooLarge)
	z.ask("APPEND", none, "a", none, "0").wantError(wire.Malformed)
	z.ask("APPEND", none).wantError(wire.Malformed)
	z.ask("APPEND", none, "a", none, "2", "1").wantError(wire.Malformed)
	z.ask("APPEND", none, "a", none, "1", "1", "", "option").wantError(wire.BadOption)
	z.send("QUERY", "a", "", "")
	for i, data := range []string{"1", "2", "x", "once"} {
		z.recv().want("EVENT", id(i+1), data)
	}
	z.recv().want("END")
	largest := slices.Repeat([]string{strings.Repeat("y", 8<<20/10_000)}, 10_000)
	z.ask(append([]string{"APPEND", none, "c", zero, "10000"}, largest...)...).want("APPENDED", id(10_000))
}

// TestOneOfFiveWins: of clients that expect an empty stream at the same time, one
// succeeds.
func TestOneOfFiveWins(t *testing.T) {
	d := serve(t)
	var all []*client
	for range 5 {
		all = append(all, dial(t, zmq.DEALER, d.router()))
	}
	for round := range 50 {
		stream := "s" + strconv.Itoa(round)
		for _, z := range all {
			z.send("APPEND", "", stream, id(0), "1", "x")
		}
		won := 0
		for _, z := range all {
			if r := z.recv(); r.frames[0] == "APPENDED" {
				won++
			} else {
				r.wantError(wire.Conflict)
			}
		}
		if won != 1 {
			t.Fatalf("%d have won", won)
		}
	}
}

// TestOrderOfMixedWrites: each pipelined request of an envelope sees those before it.
func TestOrderOfMixedWrites(t *testing.T) {
	d := serve(t)
	z := dial(t, zmq.DEALER, d.router(), noMark)
	const rounds = 200
	for i := range rounds {
		s, k := "s"+strconv.Itoa(i), strconv.Itoa(i)
		z.send("PUBLISH", s, "1")
		z.send("APPEND", k, s, id(1), "2", "2", "3")
		z.send("REPLACE", s, id(2), "two")
		z.send("DELETE", s, id(1), id(3))
		z.send("APPEND", "", s, id(3), "1", "4")
		z.send("COMMIT", "c", s, id(4))
		z.send("CURSOR", "c", s)
		z.send("APPEND", "", s, id(3), "1", "late")
		z.send("QUERY", s, "", "")
		z.send("DELETE", s, "", id(3))
		z.send("DELETE", s, "", "")
		z.send("APPEND", "", s, id(0), "1", "5")
		z.send("STREAMS", s, "", "limit=1")
		z.send("WAIT", "c", s, id(4), "0")
		z.send("QUERY", s, id(4), "", "consumer=c")
		z.send("QUERY", s, "", "", "consumer=c")
	}
	for i := range rounds {
		s := "s" + strconv.Itoa(i)
		z.recv().want("PUBLISHED", id(1))
		z.recv().want("APPENDED", id(3))
		z.recv().want("REPLACED", id(2))
		z.recv().want("DELETED")
		z.recv().want("APPENDED", id(4))
		z.recv().want("COMMITTED", id(4))
		z.recv().want("CURSOR", id(4))
		z.recv().wantError(wire.Conflict)
		z.recv().want("EVENT", id(2), "two")
		z.recv().want("EVENT", id(3), "3")
		z.recv().want("EVENT", id(4), "4")
		z.recv().want("END")
		z.recv().wantError(wire.Conflict)
		z.recv().want("DELETED")
		z.recv().want("APPENDED", id(5))
		z.recv().want("STREAM", s, id(5))
		z.recv().want("END")
		z.recv().want("REACHED", id(4))
		z.recv().wantError(wire.BadOption)
		z.recv().want("EVENT", id(5), "5")
		z.recv().want("END")
	}
}

// TestManyLargeAppends: what waits for the store exceeds its limit by one request at
// most.
func TestManyLargeAppends(t *testing.T) {
	d := serve(t)
	data := strings.Repeat("x", 1<<20)
	const peers, each = 4, 4
	var all []*client
	for i := range peers {
		z := dial(t, zmq.DEALER, d.router(), noMark)
		for range each {
			z.send(append([]string{"APPEND", "", fmt.Sprint(i), "", "8"}, slices.Repeat([]string{data}, 8)...)...)
		}
		all = append(all, z)
	}
	for n := range each {
		for _, z := range all {
			d.on(func(l *loop) {
				if most := maxQueuedBytes + maxRequestBytes; l.queuedBytes > most {
					t.Errorf("%d bytes wait", l.queuedBytes)
				}
			})
			z.recv().want("APPENDED", id(8*(n+1)))
		}
	}
	if d.is(func(l *loop) bool { return l.queued != 0 || l.queuedBytes != 0 }) {
		t.Error("something is counted that waits")
	}
}

func TestStreams(t *testing.T) {
	d := serve(t)
	const n = 20_000
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("s%05d", i)+strings.Repeat(".", 240)) // more than what is on the way holds
	}
	z := dial(t, zmq.DEALER, d.router(), tiny)
	for batch := range slices.Chunk(all, 1000) {
		z.ask(appendTo("x", batch...)...)
	}
	z.send("STREAMS", "s", "")
	eventually(t, "a chunk is kept", func() bool {
		return d.is(func(l *loop) bool { return l.inHand.Load() == 0 && l.stats.Blocked.Load() == 1 })
	})
	for _, name := range all {
		z.recv().want("STREAM", name, id(1))
	}
	z.recv().want("END")
	z.send("STREAMS", "s0", all[3], "limit=2")
	z.recv().want("STREAM", all[4], id(1))
	z.recv().want("STREAM", all[5], id(1))
	z.recv().want("END")
	z.ask("STREAMS", "none", "").want("END")
	z.ask("STREAMS", "").wantError(wire.Malformed)
	z.ask("STREAMS", "", "", "frobnicate").wantError(wire.BadOption)
}
