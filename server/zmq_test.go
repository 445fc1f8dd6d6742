package server

import (
	"errors"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"
)

// TestOneTurnOfReceiveEnds: a buffer nearly always fills in the middle of a
// message, and receive then went on until there were no more: under a flood no
// bound held, and nothing else got a turn.
func TestOneTurnOfReceiveEnds(t *testing.T) {
	router, err := zmq.NewSocket(zmq.ROUTER)
	if err != nil {
		t.Fatal(err)
	}
	dealer, err := zmq.NewSocket(zmq.DEALER)
	if err != nil {
		t.Fatal(err)
	}
	defer router.Close()
	defer dealer.Close()
	const endpoint, sent = "inproc://one-turn", 100
	if err := errors.Join(router.SetRcvhwm(0), dealer.SetSndhwm(0), router.Bind(endpoint), dealer.Connect(endpoint)); err != nil {
		t.Fatal(err)
	}
	data := strings.Repeat("x", receiveBuffer/3)
	for i := range sent {
		if _, err := dealer.SendMessage("PING", data, i); err != nil {
			t.Fatal(err)
		}
	}
	r := newReceiver(router, maxRequestFrames, maxRequestOctets, false)
	defer r.close()
	got := 0
	for drained := false; !drained; {
		before := got
		drained, err = r.receive(burst, func() {}, func(m message) {
			if len(m.frames) != 3 || string(m.frames[1]) != data || m.cut {
				t.Fatalf("message %d has %d frames", got, len(m.frames))
			}
			got++
		})
		if err != nil {
			t.Fatal(err)
		}
		if got-before > 5 {
			t.Fatalf("want what fits a buffer and the rest of a message, have %d messages in one turn", got-before)
		}
	}
	if got != sent {
		t.Errorf("want %d messages, have %d", sent, got)
	}
}
