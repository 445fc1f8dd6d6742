package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"

	"github.com/alecthomas/kong"

	"gorewind/client"
	"gorewind/internal/term"
	"gorewind/store"
	"gorewind/wire"
)

type streamsCmd struct {
	connection
	Name      string `arg:"" optional:"" name:"prefix" help:"How the names begin, with --glob a pattern for them; all streams without it."`
	Prefix    bool   `env:"-" xor:"match" help:"PREFIX is a prefix, as it is without this, too. Default: false."`
	Glob      bool   `env:"-" xor:"match" help:"Only streams that match PREFIX: * is one or more bytes without the separator, ** one or more of any. Default: false."`
	Separator string `env:"-" placeholder:"BYTE" help:"The separator of the parts of names in globs. Default: /."`
	After     string `env:"-" placeholder:"NAME" help:"Only names after this one, which need not exist. Default: from the first."`
	limit
	output
}

// Help implements kong's.
func (*streamsCmd) Help() string {
	return `It shows the streams that hold events, in byte order, each with the id of its last event. In a pipe each is one line: its name and that id with a tab between them; with --raw the name alone.

Examples:

    gorewind streams
    gorewind streams account/ --json
    gorewind streams --glob 'account/*'
`
}

// Validate implements kong's: what it refuses was not asked properly.
func (c *streamsCmd) Validate() error {
	switch {
	case len(c.Name) > wire.MaxStream:
		return fmt.Errorf("PREFIX has %d octets; it may have %d", len(c.Name), wire.MaxStream)
	case len(c.After) > wire.MaxStream:
		return fmt.Errorf("--after has %d octets; it may have %d", len(c.After), wire.MaxStream)
	case c.Separator != "" && !c.Glob:
		return errors.New("--separator means nothing without --glob")
	case len(c.Separator) > 1:
		return fmt.Errorf("--separator has %d bytes; give one", len(c.Separator))
	}
	if _, err := c.selected(); err != nil {
		return err
	}
	return c.checkLimit()
}

// selected returns what selects the streams to be shown.
func (c *streamsCmd) selected() (*store.Selection, error) {
	if !c.Glob {
		return store.Prefix([]byte(c.Name)), nil
	}
	separator := byte(wire.DefaultSeparator)
	if c.Separator != "" {
		separator = c.Separator[0]
	}
	s, err := store.Glob(separator, []byte(c.Name))
	if err != nil {
		return nil, fmt.Errorf("%q is not a valid glob: %w", c.Name, err)
	}
	return s, nil
}

// names yields the streams to be shown. The daemon selects by prefixes, so that the rest of a
// pattern is compared here.
func (c *streamsCmd) names(ctx context.Context, cl *client.Client) iter.Seq2[client.Stream, error] {
	return func(yield func(client.Stream, error) bool) {
		s, err := c.selected()
		if err != nil {
			yield(client.Stream{}, err)
			return
		}
		for _, prefix := range s.Prefixes() {
			for stream, err := range cl.Streams(ctx, string(prefix), c.After) {
				if (err != nil || s.Matches([]byte(stream.Name))) && !yield(stream, err) {
					return
				}
			}
		}
	}
}

// tellNothing says that there is no such stream, to whom it may look like a failure.
func (c *streamsCmd) tellNothing(stdout, stderr io.Writer) {
	switch glob := !c.Glob && strings.Contains(c.Name, "*"); {
	case glob:
		fmt.Fprintf(stderr, "gorewind: no stream has a name that begins with %q; add --glob to make it a pattern\n", c.Name)
	case term.IsTerminal(stdout):
		fmt.Fprintln(stderr, "gorewind: there is no such stream")
	}
}

// Run shows streams.
func (c *streamsCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	return c.withClient(nil, func(ctx context.Context, cl *client.Client) (err error) {
		p := c.printer(kctx.Stdout)
		defer func() { err = p.Flush(err) }()
		shown := uint64(0)
		for s, err := range c.names(ctx, cl) {
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
		if shown == 0 {
			c.tellNothing(kctx.Stdout, stderr)
		}
		return nil
	})
}
