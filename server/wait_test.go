package server

import (
	"strconv"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/wire"
)

// waitersAre waits until n WAITs have read their cursor.
func (d *daemon) waitersAre(t testing.TB, n int) {
	t.Helper()
	eventually(t, "some WAITs have not read their cursor", func() bool {
		return d.is(func(l *loop) bool {
			have := 0
			for _, ws := range l.waits.byCursor {
				have += len(ws)
			}
			return have == n && l.reading == 0 && l.inHand.Load() == 0
		})
	})
}

func TestConsumers(t *testing.T) {
	d := serve(t)
	fill(t, d.store, "s", 5, 1)
	z := dial(t, zmq.DEALER, d.router())
	z.ask("CURSOR", "c", "s").want("CURSOR", id(0))
	z.ask("COMMIT", "c", "s", id(3)).want("COMMITTED", id(3))
	z.ask("COMMIT", "c", "s", id(3)).want("COMMITTED", id(3))
	z.ask("CURSOR", "c", "s").want("CURSOR", id(3))
	z.ask("CURSOR", "other", "s").want("CURSOR", id(0))
	z.send("QUERY", "s", "", "", "consumer=c")
	z.wantEvents(nil, 4, 5, 1)
	r := z.ask("COMMIT", "c", "s", id(2))
	r.wantError(wire.Behind)
	r.wantParam("cursor", wire.Hex("", wire.ID(3)).Value)
	r = z.ask("COMMIT", "c", "s", id(6))
	r.wantError(wire.UnknownID)
	r.wantParam("id", wire.Hex("", wire.ID(6)).Value)
	r.wantParam("stream", "73")
	z.ask("COMMIT", "c", "s", id(2), "rewind").want("COMMITTED", id(2))
	z.ask("COMMIT", "c", "s", id(0), "rewind").want("COMMITTED", id(0))
	z.ask("CURSOR", "c", "s").want("CURSOR", id(0))
	z.ask("COMMIT", "c", "", id(2)).want("COMMITTED", id(2)) // a position
	z.ask("CURSOR", "c", "").want("CURSOR", id(2))
	z.send("QUERY", "", "", "", "match=prefix", "consumer=c", "limit=1")
	if m := z.recv().frames; len(m) != 7 || m[1] != id(3) || m[4] != id(3) {
		t.Errorf("want the event after position 2, have %q", m)
	}
	z.recv().want("END")
	z.ask("COMMIT", "", "s", id(1)).wantError(wire.Malformed)
	z.ask("COMMIT", "c", "", id(1000)).wantError(wire.UnknownID)
}

func TestWait(t *testing.T) {
	d := serve(t)
	fill(t, d.store, "s", 5, 1)
	z := dial(t, zmq.DEALER, d.router())
	w := dial(t, zmq.DEALER, d.router())
	z.ask("WAIT", "c", "s", id(0), "0").want("REACHED", id(0))
	z.ask("WAIT", "c", "s", id(1), "0").wantError(wire.Timeout)
	began := time.Now()
	z.ask("WAIT", "c", "s", id(1), "150").wantError(wire.Timeout)
	if took := time.Since(began); took < 150*time.Millisecond || took > 5*time.Second {
		t.Errorf("150 ms took %v", took)
	}
	z.send("e", "", "WAIT", "c", "s", id(3), "60000")
	z.send("e", "", "PING", "behind it")
	z.send("f", "", "PING")
	z.recv().want("f", "", "PONG")
	d.waitersAre(t, 1)
	w.ask("COMMIT", "c", "s", id(2)).want("COMMITTED", id(2))
	w.ask("COMMIT", "c", "", id(5)).want("COMMITTED", id(5))
	w.ask("COMMIT", "b", "s", id(5)).want("COMMITTED", id(5))
	d.waitersAre(t, 1)
	w.ask("COMMIT", "c", "s", id(4)).want("COMMITTED", id(4))
	z.recv().want("e", "", "REACHED", id(4))
	z.recv().want("e", "", "PONG", "behind it")
	z.ask("WAIT", "c", "s", id(4), "60000").want("REACHED", id(4))
	z.ask("WAIT", "c", "", id(5), "60000").want("REACHED", id(5))
	z.ask("WAIT", "c", "s", id(4), "x").wantError(wire.Malformed)
	d.waitersAre(t, 0)
}

// TestWaitRacesWithCommit: a WAIT never misses a COMMIT, whatever it is doing.
func TestWaitRacesWithCommit(t *testing.T) {
	d := serve(t)
	const n = 2000
	fill(t, d.store, "s", n, 1)
	z := dial(t, zmq.DEALER, d.router())
	w := dial(t, zmq.DEALER, d.router())
	for i := 1; i <= n; i++ {
		z.send("WAIT", "c", "s", id(i), "60000")
		w.send("COMMIT", "c", "s", id(i))
		z.recv().want("REACHED", id(i))
		w.recv().want("COMMITTED", id(i))
	}
}

func TestManyWaits(t *testing.T) {
	d := serve(t)
	fill(t, d.store, "s", 1, 1)
	const n = 5000
	z := dial(t, zmq.DEALER, d.router(), noMark)
	for i := range n {
		z.send(strconv.Itoa(i), "", "WAIT", "c"+strconv.Itoa(i%2), "s", id(1), "60000")
	}
	d.waitersAre(t, n)
	w := dial(t, zmq.DEALER, d.router())
	w.ask("COMMIT", "c0", "s", id(1)).want("COMMITTED", id(1))
	reached := func(parity int) {
		for range n / 2 {
			m := z.recv().frames
			if i, _ := strconv.Atoi(m[0]); i%2 != parity || m[2] != "REACHED" {
				t.Fatalf("want REACHED of c%d, have %q", parity, m)
			}
		}
	}
	reached(0)
	for i := 1; i < n; i += 2 {
		z.send(strconv.Itoa(i), "", "CANCEL")
		z.send(strconv.Itoa(i), "", "CANCEL") // of nothing
	}
	for range n / 2 {
		m := z.recv()
		reply{z, m.frames[2:]}.wantError(wire.Cancelled)
	}
	d.waitersAre(t, 0)
}

// TestWaitOfNoTimeBehindOthers: it ends at once, although others of its peer keep it
// from beginning.
func TestWaitOfNoTimeBehindOthers(t *testing.T) {
	d := serve(t)
	z := dial(t, zmq.DEALER, d.router(), noMark)
	for i := range maxRunning {
		z.send(strconv.Itoa(i), "", "WAIT", "c", "s", id(1), "60000")
	}
	z.ask("WAIT", "c", "s", id(1), "0").wantError(wire.Timeout)
}

// TestWaitsEndInTime: also those that have not begun.
func TestWaitsEndInTime(t *testing.T) {
	d := serve(t)
	z := dial(t, zmq.DEALER, d.router(), noMark)
	const n = maxRunning + 500
	for i := range n {
		z.send(strconv.Itoa(i), "", "WAIT", "c", "s", id(1), strconv.Itoa(100+i%300))
	}
	for range n {
		m := z.recv()
		reply{z, m.frames[2:]}.wantError(wire.Timeout)
	}
	d.waitersAre(t, 0)
	z.send("a", "", "WAIT", "c", "s", id(1), "60000")
	d.waitersAre(t, 1)
	z.close()
	d.waitersAre(t, 0)
	if d.is(func(l *loop) bool { return len(l.waits.deadlines) > 0 }) {
		t.Error("a deadline is left")
	}
}

// TestCancel: CANCEL ends the oldest request that it can, even one that has not begun.
// No request waits for a CANCEL.
func TestCancel(t *testing.T) {
	d := serve(t)
	fill(t, d.store, "s", 50_000, 100)
	z := dial(t, zmq.DEALER, d.router(), tiny)
	z.send("CANCEL") // of nothing
	z.ask("PING").want("PONG")
	z.send("QUERY", "s", "", "")
	z.send("PING", "1")
	z.send("QUERY", "s", "", "")
	z.send("CURSOR", "c", "s")
	z.send("STREAMS", "", "")
	z.send("WAIT", "c", "s", id(1), "60000")
	z.send("QUERY", "s", "", id(2))
	eventually(t, "not full", func() bool { return d.Stats.Blocked.Load() == 1 })
	for range 4 {
		z.send("CANCEL")
	}
	next := 1
	for {
		m := z.recvBytes()
		if string(m[0]) == "END" {
			break
		}
		if number(m[1]) != next {
			t.Fatalf("want event %d, have %.60q", next, m)
		}
		next++
	}
	if next > 40_000 {
		t.Errorf("%d events came", next)
	}
	z.recv().want("PONG", "1")
	z.recv().want("END")
	z.recv().want("CURSOR", id(0))
	z.recv().want("END")
	z.recv().wantError(wire.Cancelled)
	z.wantEvents(nil, 1, 2, 100)
	z.ask("CANCEL", "x").wantError(wire.BadOption)
}

// TestFloodOfCancels: it costs others nothing.
func TestFloodOfCancels(t *testing.T) {
	d := serve(t)
	z := dial(t, zmq.DEALER, d.router(), noMark)
	z.send("e", "", "QUERY", "s", "", "", "follow")
	z.recv()
	const n = 20_000
	for range n / 2 {
		z.send("e", "", "PING")
	}
	for range n / 2 {
		z.send("e", "", "QUERY", "s", "", "")
	}
	began := time.Now()
	for range n {
		z.send("e", "", "CANCEL")
	}
	for i := range n + 1 {
		want := "END"
		if i > 0 && i <= n/2 {
			want = "PONG"
		}
		z.recv().want("e", "", want)
	}
	t.Logf("%v", time.Since(began))
	d.alive(t)
}
