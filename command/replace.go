package command

import (
	"context"
	"fmt"

	"github.com/alecthomas/kong"

	"gorewind/client"
	"gorewind/wire"
)

type replaceCmd struct {
	connection
	Stream string `arg:"" help:"Name of the stream."`
	ID     id     `arg:"" help:"Id of the event."`
	input
}

// Help implements kong's.
func (*replaceCmd) Help() string {
	return `Replaces the data of an event; the old data is then purged from disk. The event keeps its id, position and time. Subscribers and followers are not notified.

Examples:

    gorewind replace account/17 1 '{"name": "erased"}'
    gorewind replace account/17 0x1 < event.json
`
}

// Validate implements kong's. It reports usage errors.
func (c *replaceCmd) Validate() error { return checkStream(c.Stream) }

// Run replaces an event.
func (c *replaceCmd) Run(kctx *kong.Context) error {
	data, err := c.read()
	if err != nil {
		return err
	}
	own := hints{wire.OutcomeUnknown: "run it again, unless another writer has replaced the event since"}
	return c.withClient(own, func(ctx context.Context, cl *client.Client) error {
		if err := fits(ctx, cl, data); err != nil {
			return err
		}
		if err := cl.Replace(ctx, c.Stream, uint64(c.ID), data); err != nil {
			return err
		}
		_, err := fmt.Fprintf(kctx.Stdout, "replaced event %d of %q\n", c.ID, c.Stream)
		return err
	})
}
