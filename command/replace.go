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
	Stream string `arg:"" help:"The stream."`
	ID     id     `arg:"" help:"The event."`
	input
}

// Help implements kong's.
func (*replaceCmd) Help() string {
	return `It puts other data in the place of an event's, which then leaves the disk. The event's id, position and time stay. Subscribers and followers do not hear of it.

Examples:

    gorewind replace account/17 1 '{"name": "erased"}'
    gorewind replace account/17 0x1 < event.json
`
}

// Validate implements kong's: what it refuses was not asked properly.
func (c *replaceCmd) Validate() error { return checkStream(c.Stream) }

// Run replaces an event.
func (c *replaceCmd) Run(kctx *kong.Context) error {
	data, err := c.read()
	if err != nil {
		return err
	}
	own := hints{wire.OutcomeUnknown: "run it again, unless somebody else has replaced the event since"}
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
