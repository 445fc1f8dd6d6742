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
	ID     *id  `arg:"" help:"The last event that the consumer has dealt with; in the whole store a position."`
	Rewind bool `env:"-" help:"The cursor may go back; with the id 0 it is removed. Default: false."`
}

// Help implements kong's.
func (*commitCmd) Help() string {
	return `It has the daemon remember how far a consumer has come. gorewind query and gorewind follow begin after that with --consumer, and gorewind wait waits for it.

Examples:

    gorewind commit mailer account/17 1
    gorewind commit mailer '' 3
    gorewind commit mailer '' 0 --rewind
`
}

// Validate implements kong's: what it refuses was not asked properly.
func (c *commitCmd) Validate() error {
	if c.ID != nil && *c.ID == 0 && !c.Rewind {
		return errors.New("the id 0 is before the first event; with --rewind it removes the cursor")
	}
	return c.check()
}

// Run moves a cursor.
func (c *commitCmd) Run(kctx *kong.Context) error {
	own := hints{
		wire.Behind:         "to go back, give --rewind",
		wire.OutcomeUnknown: "see with gorewind cursor where it is, and run it again",
		wire.UnknownID:      "give one that was given already",
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
