package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"gorewind/backup"
	"gorewind/client"
	"gorewind/internal/term"
)

type queryCmd struct {
	connection
	selection
	UpTo   *id      `env:"-" name:"upto" placeholder:"ID" help:"Only events up to and including this id or position. Default: to the last."`
	Until  timeFlag `env:"-" placeholder:"TIME" help:"Only events stored before this time. Default: to the last."`
	Desc   bool     `env:"-" help:"Print the last event first. Default: false."`
	Follow bool     `env:"-" short:"f" help:"Then print new events as they arrive, like gorewind follow. Default: false."`
	eventOutput
}

// Help implements kong's.
func (*queryCmd) Help() string {
	return `Prints the stored events and ends. On a terminal the output is formatted for reading. In a pipe each event is one line with its time, position, stream, id and data, separated by tabs. Bytes that do not print are written as \t, \n, \r, \\, or \x and two hex digits.

Ids and positions are decimal, or hex as in 0x11, or the 16 hex digits of the protocol's errors. Exactly 16 hex digits are always hex.

Examples:

    gorewind query account/17
    gorewind query account/17 --after 1 --limit 10
    gorewind query account/17 --desc --limit 1 --raw
    gorewind query account/17 --tail 10
    gorewind query --glob 'account/*' --since 90m --json
    gorewind query --prefix > everything.tsv
`
}

// Validate implements kong's. It reports usage errors.
func (c *queryCmd) Validate() error {
	if c.Follow && (c.UpTo != nil || !c.Until.IsZero() || c.Desc) {
		return errors.New("--follow never ends, and cannot be combined with --upto, --until or --desc; leave one of them out")
	}
	switch {
	case c.Tail == nil || c.Follow:
	case *c.Tail == 0:
		return errors.New("--tail is 0; give 1 or more, or leave it out for all")
	case c.Desc || c.Limit != nil:
		return errors.New("--tail N already prints the last N events, in order; leave out --desc and --limit")
	}
	return cmp.Or(c.checkOutput(), c.check())
}

// Run prints events.
func (c *queryCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	if c.Follow {
		f := followCmd{connection: c.connection, selection: c.selection, eventOutput: c.eventOutput}
		return f.Run(kctx, stderr)
	}
	return c.withClient(c.hints(), func(ctx context.Context, cl *client.Client) (err error) {
		o := c.options()
		o.UpTo, o.Until, o.Desc, o.Meta = c.UpTo.bound(), c.Until.Time, c.Desc, c.meta()
		if c.Tail != nil {
			last, err := c.beginTail(ctx, cl, &o)
			if err != nil {
				return err
			}
			if last == 0 {
				c.tellNothing(kctx.Stdout, stderr)
				return nil
			}
			o.UpTo = client.Some(last) // exclude events stored meanwhile
		}
		p, shown, line := c.printer(kctx.Stdout), uint64(0), c.progress(kctx.Stdout, stderr)
		defer func() { err = p.Flush(err) }()
		defer line.Clear()
		for e, err := range cl.Query(ctx, c.Stream, o) {
			if err != nil {
				return err
			}
			if err := p.Event(e); err != nil {
				return err
			}
			if shown++; shown%progressEvery == 0 {
				c.show(line, shown)
			}
		}
		if shown == 0 {
			c.tellNothing(kctx.Stdout, stderr)
		}
		return nil
	})
}

// progressEvery is after how many events the progress is shown: it costs more than an event.
const progressEvery = 256

// progress returns what shows how far a query is whose events go into a file. In a pipe,
// somebody else may be on the terminal, such as less.
func (c *queryCmd) progress(stdout, stderr io.Writer) *term.Progress {
	if !term.IsRegular(stdout) {
		return new(term.Progress)
	}
	line := term.NewProgress(stderr)
	c.show(line, 0)
	return line
}

// show shows on a line how many events there are so far.
func (c *queryCmd) show(line *term.Progress, events uint64) {
	of := int64(term.Endless)
	if c.Limit != nil {
		of = int64(min(c.most(), 1<<62))
	}
	line.Show("reading", int64(events), of, backup.Events)
}

// tellNothing explains an empty answer to a user, who may take it for a failure.
func (c *queryCmd) tellNothing(stdout, stderr io.Writer) {
	if term.IsTerminal(stdout) || c.looksLikeGlob() {
		fmt.Fprintln(stderr, "gorewind:", c.nothing())
	}
}

// looksLikeGlob reports whether STREAM was probably meant as a pattern. A script is told too, since
// it would take the empty answer for a valid one.
func (c *queryCmd) looksLikeGlob() bool {
	return !c.Prefix && !c.Glob && strings.Contains(c.Stream, "*")
}

// nothing returns the explanation of an empty answer.
func (c *queryCmd) nothing() string {
	switch {
	case c.Prefix || c.Glob:
		return "no such event in the selected streams"
	case c.looksLikeGlob():
		return fmt.Sprintf("no such event in the stream %q; to use the name as a pattern, add --glob", c.Stream)
	}
	return fmt.Sprintf("no such event in the stream %q; gorewind streams lists the streams", c.Stream)
}
