// Package client is the Go client of a Gorewind server. Each command of the protocol is a method
// of Client.
//
//	c, err := client.Dial(ctx, client.Options{Endpoint: "tcp://127.0.0.1:9002"})
//	id, err := c.Publish(ctx, "account/17", []byte("opened"))
//	for event, err := range c.Query(ctx, "account/17", client.QueryOptions{}) {
//		…
//	}
//
// A Client has one connection, which any number of goroutines can share: each request has its
// own envelope, and none waits for another. When the connection breaks, or the server is silent
// for Options.Timeout, the Client reconnects by itself, for as long as it takes; the context of
// a call bounds how long the call waits. Requests in flight at that moment:
//
//   - Reads (Query, Follow, Streams, Log, Cursor, Wait, Info, Ping) are sent again and
//     continue where they were. Follow yields each event once.
//   - An Append with a key, and a Commit without Rewind, is sent again until it is
//     answered.
//   - Other writes fail with the code OUTCOME-UNKNOWN: the write may or may not have been
//     applied.
//   - Requests not yet sent are sent over the new connection.
//
// An ERROR of the server is a *wire.Error; see IsCode, AsConflict and AsBehind. When a context
// ends before the answer, the call returns the context's error; the outcome of a write is then
// unknown. A CANCEL ends a long-running request, also when a caller leaves the loop over its
// answer.
//
// A Client stays with one store. If the endpoint later serves another store, or a restored one,
// every call fails with the code OTHER-STORE, because earlier ids and cursors mean nothing
// there. If a server refuses the Client's key, every call fails with ErrHandshake, because
// waiting does not help. If a server is full, the Client waits.
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
	// Timeout is how long a server that owes an answer may be silent before the Client
	// drops the connection. The Client sends a PING before that. A server sends followers a
	// sign of life every 10 s; with a shorter Timeout, a Follow without new events
	// reconnects again and again. Default: 30 s.
	Timeout time.Duration
	// Curve holds the keys for a server that requires CURVE. Default: none.
	Curve *Curve

	ipv6 bool // the endpoint has only addresses of IPv6
}

const defaultTimeout = 30 * time.Second

// A Client is a connection to a server. It is safe for concurrent use.
//
// One goroutine owns the connection's socket. Dial starts it, and Close waits for it to end.
type Client struct {
	zctx  *zmq.Context
	loop  *loop
	out   *outbox
	done  chan struct{} // closed when the loop has ended
	store string        // ID.GENERATION

	closing sync.Once
	failed  error // of Close
}

// Dial connects to a server and waits for its first answer. ctx bounds only that wait. It
// fails at once with ErrHost if the endpoint's host does not resolve. The caller must call
// Close.
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

// Close closes the connection and releases all resources. Pending and later calls return
// ErrClosed, or the code OUTCOME-UNKNOWN for writes that were sent. Close fails only if libzmq
// cannot shut down.
func (c *Client) Close() error {
	c.closing.Do(func() {
		c.out.post(func() { c.loop.stopping = true })
		<-c.done
		c.failed = errors.Join(c.out.release(), c.zctx.Term())
	})
	return c.failed
}
