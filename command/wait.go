package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/alecthomas/kong"

	"gorewind/client"
	"gorewind/internal/exit"
)

type waitCmd struct {
	address
	ConnectTimeout time.Duration `aliases:"patience" env:"GOREWIND_TIMEOUT,GOREWIND_PATIENCE" default:"5s" placeholder:"TIME" help:"Give up if the daemon does not answer within this time. Default: ${default}."`
	consumer
	ID      id            `arg:"" help:"Id of the event to wait for, which may be yet to come; for the whole store, a position."`
	Timeout time.Duration `env:"-" placeholder:"TIME" help:"Give up after this time, such as 30s, with exit status 4. Default: never."`
}

// Help implements kong's.
func (*waitCmd) Help() string {
	return `Waits until a consumer has committed an event or a later one, and prints its cursor. This lets a script read its own write: publish, wait for the consumer, then read what it made.

Examples:

    gorewind wait mailer account/17 1 --timeout 30s
    id=$(gorewind publish orders new) && gorewind wait billing orders "$id" --timeout 1m
`
}

// Validate implements kong's. It reports usage errors.
func (c *waitCmd) Validate() error {
	if c.Timeout < 0 {
		return fmt.Errorf("--timeout is %v; give a positive one", c.Timeout)
	}
	return c.check()
}

// Run waits.
func (c *waitCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	conn := connection{c.address, c.ConnectTimeout}
	return conn.withReconnectingClient(stderr, nil, func(ctx context.Context, cl *client.Client) error {
		waiting := ctx
		if c.Timeout > 0 {
			var cancel context.CancelFunc
			waiting, cancel = context.WithTimeout(ctx, c.Timeout)
			defer cancel()
		}
		at, err := cl.Wait(waiting, c.Consumer, c.Stream, uint64(c.ID))
		if errors.Is(err, context.DeadlineExceeded) {
			return exit.With(exit.Timeout, fmt.Errorf("timeout: the consumer %q has not committed %d within %v; gorewind cursor shows where it is", c.Consumer, c.ID, c.Timeout))
		}
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(kctx.Stdout, at)
		return err
	})
}
