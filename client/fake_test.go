package client_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/client"
	"gorewind/wire"
)

const testTimeout = 20 * time.Second

// anyPort is where a test's server binds.
const anyPort = "tcp://127.0.0.1:*"

// A request is what a fake is asked.
type request struct {
	wire.Request
	peer     string // one for each connection
	envelope string // one for each request, and its CANCEL
	reply    func(...wire.Reply)
}

// A raw is a reply that may be none.
type raw [][]byte

func (r raw) Frames() [][]byte { return r }

// A fake is a server that answers as a test wants it to.
type fake struct {
	endpoint string
	zctx     *zmq.Context
	done     chan struct{}
	stopping sync.Once
}

// serveFake serves an endpoint. answer is called for each request, by one
// goroutine; what it does not answer, and reports so, is answered by greet. prepare
// is called before the socket is bound.
func serveFake(t *testing.T, endpoint string, answer func(request) bool, prepare ...func(*zmq.Socket, *zmq.Context)) *fake {
	t.Helper()
	zctx, err := zmq.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	router, err := zctx.NewSocket(zmq.ROUTER)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range prepare {
		p(router, zctx)
	}
	if err := errors.Join(router.SetLinger(0), router.SetSndhwm(0), router.Bind(endpoint)); err != nil {
		t.Fatal(err)
	}
	f := &fake{zctx: zctx, done: make(chan struct{})}
	if f.endpoint, err = router.GetLastEndpoint(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends when stop ends the context
		defer close(f.done)
		defer router.Close()
		for {
			frames, err := router.RecvMessageBytes(0)
			if err != nil {
				return
			}
			envelope, body, err := wire.Split(frames[1:])
			if err != nil {
				t.Errorf("the client sent %q: %v", frames, err)
				return
			}
			parsed, refused := wire.ParseRequest(body)
			if refused != nil {
				t.Errorf("the client sent %q: %v", body, refused)
				return
			}
			r := request{parsed, string(frames[0]), string(bytes.Join(envelope, nil)), func(replies ...wire.Reply) {
				for _, r := range replies {
					if _, err := router.SendMessage(frames[0], envelope, r.Frames()); err != nil {
						t.Errorf("the fake cannot send: %v", err)
					}
				}
			}}
			if !answer(r) {
				greet(r, "5a")
			}
		}
	}()
	t.Cleanup(f.stop)
	return f
}

// stop ends the fake and its connections.
func (f *fake) stop() {
	f.stopping.Do(func() {
		_ = f.zctx.Term()
		<-f.done
	})
}

// greet answers what every client asks.
func greet(r request, store string) {
	switch q := r.Request.(type) {
	case wire.Info:
		r.reply(wire.InfoReply{Facts: []wire.Param{
			{Name: "protocol", Value: "1"}, {Name: "version", Value: "fake"}, {Name: "store", Value: store},
			{Name: "generation", Value: "1"}, {Name: "position", Value: "0"}, {Name: "max-event-bytes", Value: "1048576"},
		}})
	case wire.Ping:
		r.reply(wire.Pong(q))
	}
}

func dial(t *testing.T, endpoint string, timeout time.Duration) *client.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	defer cancel()
	c, err := client.Dial(ctx, client.Options{Endpoint: endpoint, Timeout: timeout})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

func patient(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
	t.Cleanup(cancel)
	return ctx
}

// receive returns what comes over a channel.
func receive[T any](t *testing.T, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(testTimeout):
		t.Fatal("nothing came")
	}
	return v
}

// eventsAfter returns n events of a stream with the ids after one.
func eventsAfter(id, n uint64, data []byte) (replies []wire.Reply) {
	for i := range n {
		replies = append(replies, wire.Event{ID: id + 1 + i, Data: data})
	}
	return replies
}
