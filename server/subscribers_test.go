package server

import (
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"gorewind/server/internal/zsock"
)

// TestOneLargeEventSilencesNobody: high-water marks were once lowered while messages
// were large. libzmq then took some peers and subscribers for full, for ever, that had
// sent or read a few messages before.
func TestOneLargeEventSilencesNobody(t *testing.T) {
	d := serve(t)
	sub := subscribe(t, d, "s")
	a := dial(t, zmq.DEALER, d.router())
	for range 20 {
		a.ask("PING").want("PONG")
	}
	b := dial(t, zmq.DEALER, d.router())
	for i := range 300 {
		b.ask("PUBLISH", "s", "x").want("PUBLISHED", id(i+1))
		sub.recv().want("s", id(i+1), "x")
	}
	large := strings.Repeat("x", 1<<20)
	for i := 300; i < 310; i++ {
		b.ask("PUBLISH", "s", large).want("PUBLISHED", id(i+1))
		sub.recv().want("s", id(i+1), large)
		a.ask("PING").want("PONG")
	}
}

// TestStalledSubscriberIsCutOff: a subscriber that never reads must not keep all large
// events in memory, and another one gets each of them.
func TestStalledSubscriberIsCutOff(t *testing.T) {
	d := serve(t)
	stalled := dial(t, zmq.SUB, d.PubAddrs()[0], tiny)
	if err := stalled.SetSubscribe(""); err != nil {
		t.Fatal(err)
	}
	sub := subscribe(t, d, "s")
	p := dial(t, zmq.DEALER, d.router())
	large := strings.Repeat("x", 1<<20)
	most := 0
	for i, after := 0, 0; after < 50 && i < 400; i++ {
		p.ask("PUBLISH", "s", large).want("PUBLISHED", id(i+1))
		sub.recv().want("s", id(i+1), large)
		most = max(most, d.loop.subs.Pinned.Unsent())
		if d.Stats.CutOff.Load() > 0 {
			after++
		}
	}
	if d.Stats.CutOff.Load() == 0 {
		t.Error("the stalled subscriber was not cut off")
	}
	if most > 3*zsock.MaxPinned {
		t.Errorf("want about %d bytes pinned at most, have %d", zsock.MaxPinned, most)
	}
	eventually(t, "the large frames are not let go of", func() bool { return d.loop.subs.Pinned.Unsent() <= zsock.MaxPinned })
}
