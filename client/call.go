package client

import (
	"context"
	"errors"
	"time"

	"gorewind/wire"
)

// A call is a request that is queued or in flight.
type call struct {
	frames [][]byte // nil once sent
	// The loop calls take with each part of the answer, or with an error, which is the
	// last call.
	take  func(wire.Reply, error) verdict
	lasts bool // CANCEL ends it

	// Used by the loop only:
	number uint64    // in its envelope
	heard  time.Time // when it was sent, or the last part of the answer arrived
	live   bool      // LIVE arrived: from then on the server sends something every 10 s
}

// A verdict tells the loop what to do after a part of an answer.
type verdict int

const (
	more   verdict = iota // deliver what follows
	last                  // nothing follows
	enough                // cancel it, and deliver what still arrives
	refuse                // cancel it, and drop what still arrives
)

// newCall returns a call for a request.
func newCall(r wire.Request, take func(wire.Reply, error) verdict) *call {
	c := &call{frames: r.Frames(), take: take}
	switch r.(type) {
	case wire.Query, wire.Streams, wire.Log, wire.Wait:
		c.lasts = true
	}
	return c
}

// start queues a call in the loop.
func (c *Client) start(k *call) {
	if !c.out.post(func() { c.loop.add(k) }) {
		k.take(nil, ErrClosed)
	}
}

// drop ends a call whose answer is no longer wanted. When drop returns, the loop no longer uses
// the call's frames nor calls take.
func (c *Client) drop(k *call) {
	done := make(chan struct{})
	if c.out.post(func() { c.loop.drop(k); close(done) }) {
		<-done
	}
}

type answer struct {
	reply wire.Reply
	err   error
}

// ask sends a request and returns its single reply. It returns an ERROR as an error.
func (c *Client) ask(ctx context.Context, r wire.Request) (wire.Reply, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	answers := make(chan answer, 1)
	k := newCall(r, func(r wire.Reply, err error) verdict {
		if refused, ok := r.(*wire.Error); ok {
			r, err = nil, refused
		}
		answers <- answer{r, err}
		return last
	})
	c.start(k)
	select {
	case a := <-answers:
		return a.reply, a.err
	case <-ctx.Done():
	}
	c.drop(k)
	select {
	case a := <-answers: // it arrived in the meantime
		return a.reply, a.err
	default:
		return nil, ctx.Err()
	}
}

// persist asks again after transient errors. lost reports whether an answer was lost on the way.
func (c *Client) persist(ctx context.Context, r wire.Request) (reply wire.Reply, lost bool, err error) {
	reply, err = c.ask(ctx, r)
	for transient(err) {
		lost = lost || errors.Is(err, errLost)
		reply, err = c.ask(ctx, r)
	}
	return reply, lost, err
}

// read sends a request that changes nothing, so it may be sent again.
func read[R wire.Reply](ctx context.Context, c *Client, r wire.Request) (R, error) {
	reply, _, err := c.persist(ctx, r)
	return expect[R](reply, err)
}

// rewrite sends a write that may be sent again. If an answer was lost and the Client then ends,
// the outcome is unknown.
func rewrite[R wire.Reply](ctx context.Context, c *Client, r wire.Request) (R, error) {
	reply, lost, err := c.persist(ctx, r)
	if lost && ended(err) {
		err = wire.Errorf(wire.OutcomeUnknown, "send the same again to the same store, or check whether it took effect", "%v", err)
	}
	return expect[R](reply, err)
}

// write sends a write that must not be sent again.
func write[R wire.Reply](ctx context.Context, c *Client, r wire.Request) (R, error) {
	reply, err := c.ask(ctx, r)
	if errors.Is(err, errLost) {
		err = wire.Errorf(wire.OutcomeUnknown, "check whether it took effect, or use APPEND with a key, which is safe to repeat", "%v", err)
	}
	return expect[R](reply, err)
}

// expect returns the reply if it has the expected type.
func expect[R wire.Reply](reply wire.Reply, err error) (r R, _ error) {
	if err != nil {
		return r, err
	}
	r, ok := reply.(R)
	if !ok {
		return r, unexpected(reply)
	}
	return r, nil
}
