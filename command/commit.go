package command

import (
	"context"
	"errors"
	"fmt"

	"github.com/alecthomas/kong"

	"gorewind/client"
	"gorewind/wire"
)

type commitCmd struct {
	connection
	consumer
	ID     *id  `arg:"" help:"Id of the last event that the consumer has processed; for the whole store, a position."`
	Rewind bool `env:"-" help:"Allow the cursor to move back; with id 0, remove it. Default: false."`
}

// Help implements kong's.
func (*commitCmd) Help() string {
	return `Moves the cursor of a consumer: the daemon remembers how far the consumer has read. With --consumer, gorewind query and gorewind follow start after it; gorewind wait waits for it.

Examples:

    gorewind commit mailer account/17 1
    gorewind commit mailer '' 3
    gorewind commit mailer '' 0 --rewind
`
}

// Validate implements kong's. It reports usage errors.
func (c *commitCmd) Validate() error {
	if c.ID != nil && *c.ID == 0 && !c.Rewind {
		return errors.New("id 0 is before the first event; add --rewind to remove the cursor")
	}
	return c.check()
}

// Run moves a cursor.
func (c *commitCmd) Run(kctx *kong.Context) error {
	own := hints{
		wire.Behind:         "to move it back, add --rewind",
		wire.OutcomeUnknown: "check with gorewind cursor where it is, and run it again",
		wire.UnknownID:      "give the id of an event that was stored, deleted or not",
	}
	return c.withClient(own, func(ctx context.Context, cl *client.Client) error {
		err := cl.Commit(ctx, client.Commit{Consumer: c.Consumer, Stream: c.Stream, ID: uint64(*c.ID), Rewind: c.Rewind})
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(kctx.Stdout, *c.ID)
		return err
	})
}
