// Package client talks to a Gorewind server. Its words are those of the protocol:
// each command is a method of Client.
//
//	c, err := client.Dial(ctx, client.Options{Endpoint: "tcp://127.0.0.1:9002"})
//	id, err := c.Publish(ctx, "account/17", []byte("opened"))
//	for event, err := range c.Query(ctx, "account/17", client.QueryOptions{}) {
//		…
//	}
//
// A Client has one connection, which any number of goroutines share: each request
// has an envelope of its own, and none waits for another. When the connection
// breaks, or when nothing is heard for Options.Timeout, the Client opens another
// by itself, for as long as it takes, and the context of a call bounds how long
// that waits. What was under way then:
//
//   - What reads (Query, Follow, Streams, Log, Cursor, Wait, Info, Ping) is asked again,
//     from the place that it had reached. Follow yields each event once.
//   - An Append with a key is sent again under it, until it is answered, and so is
//     a Commit without Rewind.
//   - Other writes fail with the code OUTCOME-UNKNOWN: they may have taken effect.
//   - What had not been sent is sent over the new connection.
//
// A refusal of the server is a *wire.Error; see IsCode, AsConflict and AsBehind.
// When a context ends before the answer, the call returns the context's error, and
// of a write nobody knows whether it took effect. What lasts is ended with a CANCEL
// then, and so it is when a caller leaves the loop over an answer.
//
// A Client stays with one store: should the endpoint come to serve another one,
// or one that was restored, every call fails with the code OTHER-STORE, because
// ids and cursors that were learnt before mean nothing there. And it stays as long
// as its key is known: should a server refuse that, every call fails with
// ErrHandshake, because waiting does not bring the key back. A server that is full
// is waited for.
package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// Options of Dial.
type Options struct {
	// Endpoint of the server's ROUTER, such as tcp://127.0.0.1:9002.
	Endpoint string
	// Timeout is how long a server that owes an answer may say nothing at all
	// before its connection is given up; it is asked with a PING before. A server
	// tells followers every 10 s that it is there: with less than that, a Follow
	// of which nothing comes reconnects again and again. Default: 30 s.
	Timeout time.Duration
	// Curve is for a server that asks for keys. Default: none.
	Curve *Curve

	ipv6 bool // the endpoint has only addresses of IPv6
}

const defaultTimeout = 30 * time.Second

// A Client is a connection to a server. It is safe for concurrent use.
//
// One goroutine owns the connection's socket. It is started by Dial and ends
// before Close returns.
type Client struct {
	zctx  *zmq.Context
	loop  *loop
	out   *outbox
	done  chan struct{} // closed when the loop has ended
	store string        // ID.GENERATION

	closing sync.Once
	failed  error // of Close
}

// Dial connects to a server and waits for its first answer. ctx bounds only that
// wait. Close must follow.
func Dial(ctx context.Context, o Options) (*Client, error) {
	if o.Timeout < 0 {
		return nil, fmt.Errorf("the timeout is %v; give a positive one, or 0 for %v", o.Timeout, defaultTimeout)
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	var err error
	if o.ipv6, err = resolve(ctx, o.Endpoint); err != nil {
		return nil, err
	}
	zctx, err := zmq.NewContext()
	if err != nil {
		return nil, fmt.Errorf("zeromq: %w", err)
	}
	c := &Client{zctx: zctx, done: make(chan struct{})}
	if c.out, err = newOutbox(); err != nil {
		return nil, errors.Join(fmt.Errorf("wake-up: %w", err), zctx.Term())
	}
	c.loop = newLoop(o, zctx, c.out)
	if err := c.loop.open(time.Now()); err != nil {
		c.out.close()
		return nil, errors.Join(err, c.out.release(), zctx.Term())
	}
	go func() { // ends after Close
		defer close(c.done)
		c.loop.run()
	}()
	select {
	case <-c.loop.ready:
		c.store = c.loop.store
		return c, nil
	case <-c.loop.refused:
		err := c.Close()
		return nil, &refusedError{o.Endpoint, c.loop.refusal, err}
	case <-ctx.Done():
		err := errors.Join(ctx.Err(), c.Close())
		if c.loop.refusal != nil {
			return nil, &refusedError{o.Endpoint, c.loop.refusal, err}
		}
		return nil, &unansweredError{o.Endpoint, c.loop.why, err}
	}
}

// Close ends the connection. Calls that are under way, and later ones, return
// ErrClosed, or the code OUTCOME-UNKNOWN where they write and were sent. It returns
// when nothing of the Client is left, and an error only where libzmq could not end.
func (c *Client) Close() error {
	c.closing.Do(func() {
		c.out.post(func() { c.loop.stopping = true })
		<-c.done
		c.failed = errors.Join(c.out.release(), c.zctx.Term())
	})
	return c.failed
}
