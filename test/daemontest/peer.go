package daemontest

import (
	"errors"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/wire"
)

// A Peer is a DEALER with a timeout.
type Peer struct {
	T testing.TB
	*zmq.Socket
}

// Dial connects a peer. The end of the test closes it.
func Dial(t testing.TB, endpoint string) *Peer {
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
	return &Peer{t, s}
}

// Request sends a request.
func (p *Peer) Request(r wire.Request) {
	p.T.Helper()
	if _, err := p.SendMessage(r.Frames()); err != nil {
		p.T.Fatal(err)
	}
}

// Reply returns the next reply.
func (p *Peer) Reply() (wire.Reply, error) {
	frames, err := p.RecvMessageBytes(0)
	if err != nil {
		return nil, err
	}
	return wire.ParseReply(frames)
}

// Ask sends a request and returns the next reply.
func (p *Peer) Ask(r wire.Request) wire.Reply {
	p.T.Helper()
	p.Request(r)
	reply, err := p.Reply()
	if err != nil {
		p.T.Fatal(err)
	}
	return reply
}

// Events returns the data of a stream's events after an id, in order. It checks that their ids
// have no gap.
func (p *Peer) Events(stream string, after uint64) (data []string) {
	p.T.Helper()
	p.Request(wire.Query{Stream: []byte(stream), After: wire.Bound{ID: after, Given: true}})
	for {
		reply, err := p.Reply()
		if err != nil {
			p.T.Fatal(err)
		}
		switch r := reply.(type) {
		case wire.Event:
			data = append(data, string(r.Data))
			if want := after + uint64(len(data)); r.ID != want {
				p.T.Fatalf("stream %q: want id %d, have %d", stream, want, r.ID)
			}
		case wire.End:
			return data
		default:
			p.T.Fatalf("stream %q: %v", stream, reply)
		}
	}
}
