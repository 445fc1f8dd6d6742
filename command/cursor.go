package command

import (
	"context"
	"fmt"

	"github.com/alecthomas/kong"

	"gorewind/client"
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
	return c.talk(nil, func(ctx context.Context, cl *client.Client) error {
		at, err := cl.Cursor(ctx, c.Consumer, c.Stream)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintln(kctx.Stdout, at)
		return err
	})
}
