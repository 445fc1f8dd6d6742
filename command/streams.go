package command

import (
	"cmp"
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
	Name   string `arg:"" optional:"" name:"prefix" help:"Beginning of the names; with --glob, a pattern for them. Default: all streams."`
	Prefix bool   `env:"-" xor:"match" help:"Take PREFIX as the beginning of names; this is the default. Default: false."`
	Glob   bool   `env:"-" xor:"match" help:"Take PREFIX as a pattern: * is one or more bytes other than the separator, ** one or more of any. Default: false."`
	separator
	After string `env:"-" placeholder:"NAME" help:"Only names after this one, which need not exist. Default: from the first."`
	limit
	output
}

// Help implements kong's.
func (*streamsCmd) Help() string {
	return `Lists the streams that hold events, in byte order, each with the id of its last event. In a pipe each is one line with the name, a tab and that id; with --raw, the name alone.

Examples:

    gorewind streams
    gorewind streams account/ --json
    gorewind streams --glob 'account/*'
`
}

// Validate implements kong's. It reports usage errors.
func (c *streamsCmd) Validate() error {
	switch {
	case len(c.Name) > wire.MaxStream:
		return fmt.Errorf("PREFIX has %d bytes; the limit is %d", len(c.Name), wire.MaxStream)
	case len(c.After) > wire.MaxStream:
		return fmt.Errorf("--after has %d bytes; the limit is %d", len(c.After), wire.MaxStream)
	case c.Separator != "" && !c.Glob:
		return errors.New("--separator needs --glob")
	}
	_, err := c.selected()
	return cmp.Or(c.checkSeparator(), err, c.checkLimit())
}

// selected returns the selection of streams to list.
func (c *streamsCmd) selected() (*store.Selection, error) {
	if !c.Glob {
		return store.Prefix([]byte(c.Name)), nil
	}
	s, err := store.Glob(c.separates(), []byte(c.Name))
	if err != nil {
		return nil, errors.New(flagged.Replace(fmt.Sprintf("%q is not a valid glob: %v", c.Name, err)))
	}
	return s, nil
}

// names yields the selected streams. The daemon selects only by prefix, so the rest of a pattern is
// matched here.
func (c *streamsCmd) names(ctx context.Context, cl *client.Client, s *store.Selection) iter.Seq2[client.Stream, error] {
	return func(yield func(client.Stream, error) bool) {
		for _, prefix := range s.Prefixes() {
			for stream, err := range cl.Streams(ctx, string(prefix), c.After) {
				if (err != nil || s.Matches([]byte(stream.Name))) && !yield(stream, err) {
					return
				}
			}
		}
	}
}

// tellNothing explains an empty answer to a user, who may take it for a failure.
func (c *streamsCmd) tellNothing(stdout, stderr io.Writer) {
	switch glob := !c.Glob && strings.Contains(c.Name, "*"); {
	case glob:
		fmt.Fprintf(stderr, "gorewind: no stream has a name that begins with %q; to use it as a pattern, add --glob\n", c.Name)
	case term.IsTerminal(stdout):
		fmt.Fprintln(stderr, "gorewind: no such stream")
	}
}

// Run lists streams.
func (c *streamsCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	selected, err := c.selected()
	if err != nil {
		return err
	}
	return c.withClient(nil, func(ctx context.Context, cl *client.Client) (err error) {
		p := c.printer(kctx.Stdout)
		defer func() { err = p.Flush(err) }()
		shown := uint64(0)
		for s, err := range c.names(ctx, cl, selected) {
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
