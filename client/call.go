package client

import (
	"context"
	"errors"
	"time"

	"gorewind/wire"
)

// A call is a request under way.
type call struct {
	frames [][]byte // nil once it was sent
	// take is called by the loop with each part of the answer, or with an error
	// instead, which is the last thing.
	take  func(wire.Reply, error) verdict
	lasts bool // CANCEL ends it

	// The loop's:
	number uint64    // of its envelope
	heard  time.Time // when it was sent, or the last part of the answer came
	live   bool      // LIVE came: from then on the server is heard every 10 s
}

// A verdict is what the loop is to do after a part of an answer.
type verdict int

const (
	more   verdict = iota // hand over what follows
	last                  // nothing follows
	enough                // have the server end it, and hand over what still comes
	refuse                // have the server end it, and drop what still comes
)

// newCall makes a call of a request.
func newCall(r wire.Request, take func(wire.Reply, error) verdict) *call {
	c := &call{frames: r.Frames(), take: take}
	switch r.(type) {
	case wire.Query, wire.Streams, wire.Log, wire.Wait:
		c.lasts = true
	}
	return c
}

// start has the loop send a request as soon as it can.
func (c *Client) start(k *call) {
	if !c.out.post(func() { c.loop.add(k) }) {
		k.take(nil, ErrClosed)
	}
}

// drop ends a call of which nobody waits for the answer. When it returns, the
// loop looks neither at its frames nor calls take.
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

// ask sends a request and returns its one answer; an ERROR is an error.
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
	case a := <-answers: // it came in the meantime
		return a.reply, a.err
	default:
		return nil, ctx.Err()
	}
}

// persist asks until it is answered or there is no use in that, and reports whether an
// answer was lost meanwhile.
func (c *Client) persist(ctx context.Context, r wire.Request) (reply wire.Reply, lost bool, err error) {
	reply, err = c.ask(ctx, r)
	for transient(err) {
		lost = lost || errors.Is(err, errLost)
		reply, err = c.ask(ctx, r)
	}
	return reply, lost, err
}

// read asks what may be asked again.
func read[R wire.Reply](ctx context.Context, c *Client, r wire.Request) (R, error) {
	reply, _, err := c.persist(ctx, r)
	return expect[R](reply, err)
}

// rewrite asks what may be asked again and changes something. Once it was sent it may
// have done so, also where it is not asked again in the end.
func rewrite[R wire.Reply](ctx context.Context, c *Client, r wire.Request) (R, error) {
	reply, lost, err := c.persist(ctx, r)
	if lost && ended(err) {
		err = wire.Errorf(wire.OutcomeUnknown, "send the same again to the same store, or look whether it took effect", "%v", err)
	}
	return expect[R](reply, err)
}

// write asks what must not be asked again.
func write[R wire.Reply](ctx context.Context, c *Client, r wire.Request) (R, error) {
	reply, err := c.ask(ctx, r)
	if errors.Is(err, errLost) {
		err = wire.Errorf(wire.OutcomeUnknown, "look whether it took effect, or use APPEND with a key, which is safe to repeat", "%v", err)
	}
	return expect[R](reply, err)
}

// expect returns the reply that was asked for.
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
