package docs

import (
	"bytes"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// A relay is a TCP proxy before a ROUTER that can lose an answer.
type relay struct {
	t        *testing.T
	endpoint string
	daemon   string // its address
	// Before an APPENDED goes on to the client it says so here. What is sent back says
	// whether it may; if not, nothing goes on over that connection any more.
	appended chan chan<- bool
	wg       sync.WaitGroup
}

func newRelay(t *testing.T, router string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &relay{
		t:        t,
		endpoint: "tcp://" + l.Addr().String(),
		daemon:   strings.TrimPrefix(router, "tcp://"),
		appended: make(chan chan<- bool),
	}
	t.Cleanup(func() { l.Close(); r.wg.Wait() })
	r.wg.Go(func() { // ends when l is closed
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			r.wg.Go(func() { r.pass(client) }) // ends with the client or the daemon
		}
	})
	return r
}

func (r *relay) pass(client net.Conn) {
	defer client.Close()
	daemon, err := net.Dial("tcp", r.daemon)
	if err != nil {
		return // it is gone; the client tries again
	}
	r.wg.Go(func() { // ends with the client or the daemon
		io.Copy(daemon, client)
		daemon.Close()
	})
	buffer := make([]byte, 64<<10)
	for passes := true; ; {
		n, err := daemon.Read(buffer)
		if err != nil {
			return
		}
		if bytes.Contains(buffer[:n], []byte("APPENDED")) {
			passes = r.may() && passes
		}
		if passes {
			client.Write(buffer[:n])
		}
	}
}

// may asks whether an APPENDED may go on.
func (r *relay) may() bool {
	answer := make(chan bool, 1)
	select {
	case r.appended <- answer:
		return <-answer
	case <-r.t.Context().Done():
		return true
	}
}

// gaps passes broadcasts on, save every third, or none.
type gaps struct {
	endpoint string
	none     atomic.Bool // goes on
}

func newGaps(t *testing.T, pub string) *gaps {
	t.Helper()
	from, to := newSocket(t, zmq.SUB), newSocket(t, zmq.PUB)
	err := errors.Join(from.SetRcvtimeo(50*time.Millisecond), from.SetSubscribe(""), from.Connect(pub), to.Bind("tcp://127.0.0.1:*"))
	if err != nil {
		t.Fatal(err)
	}
	g := new(gaps)
	if g.endpoint, err = to.GetLastEndpoint(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { <-done })
	go func() { // ends with the test
		defer close(done)
		for n := 1; t.Context().Err() == nil; {
			broadcast, err := from.RecvMessageBytes(0)
			if err != nil {
				continue // nothing came
			}
			if n++; n%3 != 0 && !g.none.Load() {
				to.SendMessage(broadcast)
			}
		}
	}()
	return g
}

// newSocket returns a socket that is closed when the test is over.
func newSocket(t *testing.T, kind zmq.Type) *zmq.Socket {
	t.Helper()
	s, err := zmq.NewSocket(kind)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.SetLinger(0); err != nil {
		t.Fatal(err)
	}
	return s
}
