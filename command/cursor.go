package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/alecthomas/kong"

	"gorewind/client"
	"gorewind/wire"
)

type cursorCmd struct {
	connection
	consumer
}

// Help implements kong's.
func (*cursorCmd) Help() string {
	return `It prints the id of the last event, or the position in the whole store, that a consumer has committed; 0 if there is none.

Examples:

    gorewind cursor mailer account/17
    gorewind cursor mailer ''
`
}

// Validate implements kong's: what it refuses was not asked properly.
func (c *cursorCmd) Validate() error { return c.check() }

// Run prints a cursor.
func (c *cursorCmd) Run(kctx *kong.Context) error {
	return c.withClient(nil, func(ctx context.Context, cl *client.Client) error {
		at, err := cl.Cursor(ctx, c.Consumer, c.Stream)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(kctx.Stdout, at)
		return err
	})
}

// A consumer says whose cursor is meant.
type consumer struct {
	Consumer string `arg:"" help:"The consumer, who begins to exist with the first commit."`
	Stream   string `arg:"" help:"The stream; \"\" is the whole store, where ids are positions."`
}

// check refuses what names no cursor.
func (c *consumer) check() error {
	switch {
	case c.Consumer == "":
		return errors.New("which consumer? Give CONSUMER")
	case len(c.Consumer) > wire.MaxConsumer:
		return fmt.Errorf("CONSUMER has %d octets; it may have %d", len(c.Consumer), wire.MaxConsumer)
	case len(c.Stream) > wire.MaxStream:
		return fmt.Errorf("STREAM has %d octets; it may have %d", len(c.Stream), wire.MaxStream)
	}
	return nil
}
