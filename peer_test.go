package main

import (
	"errors"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/wire"
)

// A peer is a DEALER with a limit of patience.
type peer struct {
	t testing.TB
	*zmq.Socket
}

func dial(t testing.TB, endpoint string) *peer {
	t.Helper()
	s, err := zmq.NewSocket(zmq.DEALER)
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(s.SetLinger(0), s.SetRcvtimeo(20*time.Second), s.SetSndtimeo(20*time.Second),
		s.SetSndhwm(0), s.SetRcvhwm(0), s.Connect(endpoint))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return &peer{t, s}
}

func (p *peer) send(r wire.Request) {
	p.t.Helper()
	if _, err := p.SendMessage(r.Frames()); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) receive() (wire.Reply, error) {
	frames, err := p.RecvMessageBytes(0)
	if err != nil {
		return nil, err
	}
	return wire.ParseReply(frames)
}

func (p *peer) ask(r wire.Request) wire.Reply {
	p.t.Helper()
	p.send(r)
	reply, err := p.receive()
	if err != nil {
		p.t.Fatal(err)
	}
	return reply
}

// events returns the data of a stream's events after an id, in order, having
// checked that their ids have no gap.
func (p *peer) events(stream string, after uint64) (data []string) {
	p.t.Helper()
	p.send(wire.Query{Stream: []byte(stream), After: wire.Bound{ID: after, Given: true}})
	for {
		reply, err := p.receive()
		if err != nil {
			p.t.Fatal(err)
		}
		switch r := reply.(type) {
		case wire.Event:
			data = append(data, string(r.Data))
			if want := after + uint64(len(data)); r.ID != want {
				p.t.Fatalf("stream %q: want id %d, have %d", stream, want, r.ID)
			}
		case wire.End:
			return data
		default:
			p.t.Fatalf("stream %q: %v", stream, reply)
		}
	}
}
