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
	Stream string `arg:"" help:"Stream to append to; its first event creates it."`
	input
	Lines  bool         `env:"-" help:"Append each line of standard input as an event. Default: false."`
	Expect *expectation `env:"-" placeholder:"ID|empty" help:"Append only if the last event of the stream has this id, or if the stream is empty. Default: none."`
	Key    string       `env:"-" placeholder:"KEY" help:"Idempotency key: append only once, however often the command runs with this key and data. Default: none."`
	textOrJSON
}

// Help implements kong's.
func (*publishCmd) Help() string {
	return `Prints the id of the event once it is on disk. With --lines, each APPEND takes many lines, in order; the output is the first and last id of each run of consecutive ids. With --json, the output is an object such as {"stream":"greetings","id":1}, with first and last instead of id for a run.

With --expect and --lines, no other writer's events come in between.

With --key and --lines, every 1000 lines (or fewer, once they reach 1 MiB) get the keys KEY/1, KEY/2 and so on. After an interruption, run the command again with the same lines: lines already stored are not stored again. A batch is sent when it is full or the input ends.

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

// Validate implements kong's. It reports usage errors.
func (c *publishCmd) Validate() error {
	switch {
	case c.Lines && len(c.Key) > maxLinesKey:
		return fmt.Errorf("--key has %d bytes; with --lines the limit is %d", len(c.Key), maxLinesKey)
	case len(c.Key) > wire.MaxKey:
		return fmt.Errorf("--key has %d bytes; the limit is %d", len(c.Key), wire.MaxKey)
	}
	return checkStream(c.Stream)
}

// checkStream refuses invalid names of streams.
func checkStream(name string) error {
	switch {
	case name == "":
		return errors.New("which stream? Give STREAM")
	case len(name) > wire.MaxStream:
		return fmt.Errorf("STREAM has %d bytes; the limit is %d", len(name), wire.MaxStream)
	}
	return nil
}

// Run appends events.
func (c *publishCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	if c.Lines {
		switch {
		case c.Data == nil && term.IsTerminal(os.Stdin):
			return exit.UsageError("no input; pipe lines in, or give - to type them")
		case c.Data != nil && *c.Data != "-":
			return exit.UsageError("--lines reads standard input; leave DATA out")
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
	unknown := fmt.Sprintf("check with gorewind query %q --desc --limit 10 before you repeat it; with --key a repetition is safe", c.Stream)
	if c.Key != "" {
		unknown = "run it again with the same --key and data; nothing is stored twice"
	}
	return hints{wire.OutcomeUnknown: unknown}
}

// publish appends one event and returns its id.
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
