package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/internal/render"
	"gorewind/internal/term"
	"gorewind/wire"
)

type publishCmd struct {
	connection
	Stream string `arg:"" help:"Where to; it begins to exist with its first event."`
	input
	Lines  bool         `env:"-" help:"Make an event of each line of the standard input. Default: false."`
	Expect *expectation `env:"-" placeholder:"ID|empty" help:"Store it only if this is the id of the stream's last event, or if the stream holds none. Default: none."`
	Key    string       `env:"-" placeholder:"KEY" help:"Store it once, however often this is run with the same key and data. Default: none."`
	textOrJSON
}

// Help implements kong's.
func (*publishCmd) Help() string {
	return `It prints the id of the event when that is on disk. With --lines many lines go into each APPEND, in order, and what is printed are the first and the last id of each run of ids without a gap. With --json it prints an object, such as {"stream":"greetings","id":1}, or with first and last in place of id.

With --expect and --lines nobody else's events come in between.

With --key and --lines every 1000 lines, or fewer of a mebibyte together, have the key KEY/1, KEY/2 and so on: run it again with the same lines after it was interrupted, and what is stored is not stored again. Such lines are stored when so many have come, or the input ends.

Examples:

    gorewind publish greetings 'Hello, world!'
    gorewind publish account/17 opened --expect empty
    gorewind publish greetings 'Hello again' --json
    gorewind publish orders --key order-4711 < order.json
    gorewind publish log --lines --key import-1 < access.log
    tail -f access.log | gorewind publish log --lines
    gorewind publish -- -stream- --data-that-begins-so
`
}

// Validate implements kong's: what it refuses was not asked properly.
func (c *publishCmd) Validate() error {
	switch {
	case c.Lines && len(c.Key) > maxLinesKey:
		return fmt.Errorf("--key has %d octets; with --lines it may have %d", len(c.Key), maxLinesKey)
	case len(c.Key) > wire.MaxKey:
		return fmt.Errorf("--key has %d octets; it may have %d", len(c.Key), wire.MaxKey)
	}
	return checkStream(c.Stream)
}

// checkStream refuses what is no stream's name.
func checkStream(name string) error {
	switch {
	case name == "":
		return errors.New("which stream? Give STREAM")
	case len(name) > wire.MaxStream:
		return fmt.Errorf("STREAM has %d octets; it may have %d", len(name), wire.MaxStream)
	}
	return nil
}

// Run stores events.
func (c *publishCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	if c.Lines {
		switch {
		case c.Data == nil && term.IsTerminal(os.Stdin):
			return exit.UsageError("there are no lines to store; pipe them in, or give - to type them")
		case c.Data != nil && *c.Data != "-":
			return exit.UsageError("--lines is for the standard input; leave DATA out")
		}
		return c.withClient(c.hints(), func(ctx context.Context, cl *client.Client) error {
			return c.lines(ctx, cl, kctx.Stdout, stderr)
		})
	}
	data, err := c.read()
	if err != nil {
		return err
	}
	return c.withClient(c.hints(), func(ctx context.Context, cl *client.Client) error {
		id, err := c.publish(ctx, cl, data)
		if err != nil {
			return err
		}
		if c.wantsJSON() {
			_, err = kctx.Stdout.Write(render.AppendStored(nil, render.Stored{ID: id}, c.Stream))
			return err
		}
		_, err = fmt.Fprintln(kctx.Stdout, id)
		return err
	})
}

// hints returns what to do if the outcome of the write is unknown.
func (c *publishCmd) hints() hints {
	unknown := fmt.Sprintf("see whether it is there with gorewind query %q --desc --limit 10 before you repeat it; with --key it could be repeated safely", c.Stream)
	if c.Key != "" {
		unknown = "run it again with the same --key and the same data, which stores nothing twice"
	}
	return hints{wire.OutcomeUnknown: unknown}
}

// publish stores one event.
func (c *publishCmd) publish(ctx context.Context, cl *client.Client, data []byte) (uint64, error) {
	if err := fits(ctx, cl, data); err != nil {
		return 0, err
	}
	if c.Key == "" && c.Expect == nil {
		return cl.Publish(ctx, c.Stream, data)
	}
	ids, err := cl.Append(ctx, client.Append{Key: c.Key, Groups: []client.Group{{
		Stream: c.Stream, Expected: c.Expect.bound(), Events: [][]byte{data},
	}}})
	if err != nil {
		return 0, err
	}
	return ids[0], nil
}
