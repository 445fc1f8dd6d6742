package zsock

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/server/internal/pack"
)

// TestOneTurnOfReceiveEnds: a buffer nearly always fills in the middle of a message.
// Before, Receive then went on until no message was left: under a flood no limit held,
// and nothing else got a turn.
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
	r := newReceiver(router, Limits{Frames: 16_384, Bytes: 9 << 20})
	defer r.Close()
	got := 0
	for drained := false; !drained; {
		before := got
		drained, err = r.Receive(1024, func() {}, func(m Message) {
			if len(m.Frames) != 3 || string(m.Frames[1]) != data || m.Cut {
				t.Fatalf("message %d has %d frames", got, len(m.Frames))
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

// TestManySmallFramesCount: a high-water mark counts messages, and a message of a
// thousand frames takes far more memory than its bytes. Before, thousands of those
// waited for a peer that did not read.
func TestManySmallFramesCount(t *testing.T) {
	router, err := zmq.NewSocket(zmq.ROUTER)
	if err != nil {
		t.Fatal(err)
	}
	defer router.Close()
	dealer, err := zmq.NewSocket(zmq.DEALER)
	if err != nil {
		t.Fatal(err)
	}
	defer dealer.Close()
	const endpoint, id, frames = "inproc://many-frames", "reader", 1000
	const mark, maxUnsent = 8000, 8 << 20
	if err := errors.Join(router.SetSndhwm(mark), router.SetRouterMandatory(1), dealer.SetIdentity(id),
		dealer.SetRcvtimeo(10*time.Second), router.Bind(endpoint), dealer.Connect(endpoint)); err != nil {
		t.Fatal(err)
	}
	p := NewPeer()
	defer p.Release()
	d := direct{router: raw(router), maxUnsent: maxUnsent}
	packed := pack.Envelope{}.Pack(nil, slices.Repeat([][]byte{make([]byte, 8)}, frames))
	sent, state := 0, SentAll
	for ; state == SentAll && sent < mark; sent++ {
		if _, state, err = d.Send([]byte(id), p, false, packed); err != nil {
			t.Fatal(err)
		}
	}
	sent--
	if most := maxUnsent/(64*frames) + 1; state != PeerFull || sent > most {
		t.Fatalf("want the peer full after %d messages at most, have %v after %d", most, state, sent)
	}
	for range sent {
		if message, err := dealer.RecvMessageBytes(0); err != nil || len(message) != frames {
			t.Fatalf("have %d frames, %v", len(message), err)
		}
	}
	if p.Unsent() != 0 {
		t.Errorf("everything was read, and %d bytes count", p.Unsent())
	}
}

// TestRawIsTheSocket: the fast transport relies on the layout of pebbe's Socket. If
// this fails, pebbe has changed it; the daemon then falls back to the plain transport.
func TestRawIsTheSocket(t *testing.T) {
	if !Fast() {
		t.Error("the first field of pebbe's Socket is not that of libzmq")
	}
}
