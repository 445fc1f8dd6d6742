package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/wire"
)

var errStopped = errors.New("stopped by a signal")

// talk has a command talk to a daemon until it is done, or a signal comes, or no
// daemon answers any more.
func (c *connection) talk(own cures, do func(context.Context, *client.Client) error) error {
	return c.converse(nil, own, do)
}

// stay is talk for a command that lasts: it waits for a daemon that has gone, and
// says so.
func (c *connection) stay(stderr io.Writer, own cures, do func(context.Context, *client.Client) error) error {
	return c.converse(stderr, own, do)
}

func (c *connection) converse(stderr io.Writer, own cures, do func(context.Context, *client.Client) error) error {
	ctx, stop := untilSignal()
	defer stop()
	cl, err := c.dial(ctx)
	if err != nil && ctx.Err() != nil {
		return errStopped
	}
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, giveUp := context.WithCancelCause(ctx)
	watching := make(chan struct{})
	go func() { // ends with ctx
		defer close(watching)
		c.watch(ctx, cl, giveUp, stderr)
	}()
	err = do(ctx, cl)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = interrupted(ctx, own)
	}
	giveUp(nil)
	<-watching
	return explain(err, own)
}

// interrupted returns why a command's context has ended. Of a write that waits for
// its answer then, nobody knows what came of it.
func interrupted(ctx context.Context, own cures) error {
	why := errStopped
	if gone, ok := context.Cause(ctx).(*goneError); ok {
		why = gone
	}
	if do, ok := own[wire.OutcomeUnknown]; ok {
		return exit.With(exit.Unknown, fmt.Errorf("%w before the answer came, and nobody knows whether it took effect; %s", why, do))
	}
	return why
}

// A goneError: no daemon has answered for as long as there is patience.
type goneError struct{ *connection }

func (e *goneError) Error() string {
	return fmt.Sprintf("no daemon has answered at %s for %v (--patience)", e.Connect, e.Patience)
}

// watch asks every second whether the daemon is there. If it is not, it gives up
// or, with stderr, tells so and waits.
func (c *connection) watch(ctx context.Context, cl *client.Client, giveUp context.CancelCauseFunc, stderr io.Writer) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch silent := c.silent(ctx, cl); {
		case !silent:
		case stderr == nil:
			giveUp(&goneError{c})
			return
		default:
			fmt.Fprintf(stderr, "gorewind: no answer from %s; waiting for the daemon\n", c.Connect)
			if cl.Ping(ctx) == nil {
				fmt.Fprintf(stderr, "gorewind: %s answers again\n", c.Connect)
			}
		}
	}
}

// silent reports whether no daemon answers for as long as there is patience.
func (c *connection) silent(ctx context.Context, cl *client.Client) bool {
	asking, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	return errors.Is(cl.Ping(asking), context.DeadlineExceeded)
}

// linger returns a context for what is to be finished when ctx ends: it ends as
// long after that as there is patience.
func (c *connection) linger(ctx context.Context) (context.Context, context.CancelFunc) {
	lingering, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(c.Patience, cancel) })
	return lingering, func() { stop(); cancel() }
}
