package command

import (
	"context"
	"fmt"

	"github.com/alecthomas/kong"

	"gorewind/client"
	"gorewind/wire"
)

type streamsCmd struct {
	connection
	Prefix string `arg:"" optional:"" help:"How the names begin; all streams without it."`
	After  string `env:"-" placeholder:"NAME" help:"Only names after this one, which need not exist. Default: from the first."`
	limit
	output
}

// Help implements kong's.
func (*streamsCmd) Help() string {
	return `It shows the streams that hold events, in byte order, each with the id of its last event. In a pipe each is one line: its name and that id with a tab between them; with --raw the name alone.

Examples:

    gorewind streams
    gorewind streams account/ --json
`
}

// Validate implements kong's: what it refuses was not asked properly.
func (c *streamsCmd) Validate() error {
	switch {
	case len(c.Prefix) > wire.MaxStream:
		return fmt.Errorf("PREFIX has %d octets; it may have %d", len(c.Prefix), wire.MaxStream)
	case len(c.After) > wire.MaxStream:
		return fmt.Errorf("--after has %d octets; it may have %d", len(c.After), wire.MaxStream)
	}
	return c.checkLimit()
}

// Run shows streams.
func (c *streamsCmd) Run(kctx *kong.Context) error {
	return c.withClient(nil, func(ctx context.Context, cl *client.Client) (err error) {
		p := c.printer(kctx.Stdout)
		defer func() { err = p.Flush(err) }()
		shown := uint64(0)
		for s, err := range cl.Streams(ctx, c.Prefix, c.After) {
			if err != nil {
				return err
			}
			if err := p.Stream(s); err != nil {
				return err
			}
			if shown++; shown == c.most() {
				return nil
			}
		}
		return nil
	})
}
