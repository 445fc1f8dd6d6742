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
	return `Prints the cursor of a consumer: the id of the last event that it has committed or, for the whole store, the position; 0 if there is none.

Examples:

    gorewind cursor mailer account/17
    gorewind cursor mailer ''
`
}

// Validate implements kong's. It reports usage errors.
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

// consumer holds the arguments that name a cursor.
type consumer struct {
	Consumer string `arg:"" help:"Name of the consumer; its first commit creates it."`
	Stream   string `arg:"" help:"Name of the stream; \"\" means the whole store, with positions for ids."`
}

// check reports usage errors.
func (c *consumer) check() error {
	switch {
	case c.Consumer == "":
		return errors.New("which consumer? Give CONSUMER")
	case len(c.Consumer) > wire.MaxConsumer:
		return fmt.Errorf("CONSUMER has %d bytes; the limit is %d", len(c.Consumer), wire.MaxConsumer)
	case len(c.Stream) > wire.MaxStream:
		return fmt.Errorf("STREAM has %d bytes; the limit is %d", len(c.Stream), wire.MaxStream)
	}
	return nil
}
