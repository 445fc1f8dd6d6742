package command

import (
	"cmp"
	"context"
	"errors"
	"io"
	"iter"

	"github.com/alecthomas/kong"

	"gorewind/client"
	"gorewind/internal/render"
	"gorewind/wire"
)

type followCmd struct {
	connection
	selection
	New    bool `env:"-" help:"Only events stored from now on. Default: false."`
	Commit bool `env:"-" help:"Move the cursor of --consumer after each write of output. Default: false."`
	eventOutput
}

// Help implements kong's.
func (*followCmd) Help() string {
	return `Prints stored events and then new ones as they arrive, each once and in order, until --limit, Ctrl-C or SIGTERM. If the daemon stops or restarts, follow says so, waits, and continues where it was. It fails if the daemon refuses its key.

The output has the form of query. It is written when no further event is waiting, and at least once a second; --commit then moves the cursor. After a crash, --consumer starts again from the last committed event: an event may be printed twice, but none is skipped.

Examples:

    gorewind follow account/17
    gorewind follow --glob 'account/*' --new
    gorewind follow --prefix --tail 10
    gorewind follow orders --consumer mailer --commit --json | ./send-mail
    gorewind follow orders --limit 1 --raw
`
}

// Validate implements kong's. It reports usage errors.
func (c *followCmd) Validate() error {
	switch {
	case c.Commit && c.Consumer == "":
		return errors.New("--commit needs --consumer; give the name of the consumer")
	case c.Tail != nil && (c.New || c.Commit):
		return errors.New("--tail skips earlier events, and cannot be combined with --new or --commit; leave one of them out")
	case c.New && (c.After != nil || c.Consumer != "" || !c.Since.IsZero()):
		return errors.New("--new, --after, --since and --consumer all say where to start; give one")
	}
	return cmp.Or(c.checkOutput(), c.check())
}

// Run prints events until a signal.
func (c *followCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	own := c.hints()
	own[wire.Behind] = "another process commits for this consumer; give each process its own --consumer"
	return c.withReconnectingClient(stderr, own, func(ctx context.Context, cl *client.Client) error {
		o := c.options()
		o.Meta = c.meta()
		switch {
		case c.New || c.Tail != nil && *c.Tail == 0:
			last, err := c.last(ctx, cl)
			if err != nil {
				return err
			}
			o.After, o.Nearest, o.Consumer = last, true, ""
		case c.Tail != nil:
			if _, err := c.beginTail(ctx, cl, &o); err != nil {
				return err
			}
		}
		l := &render.Live{Printer: c.printer(kctx.Stdout), Written: func(last client.Event) error {
			return c.commit(ctx, cl, last)
		}}
		err := l.Show(ctx, func(ctx context.Context) iter.Seq2[client.Event, error] {
			return cl.Follow(ctx, c.Stream, o)
		})
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			return stoppedAsMeant(ctx)
		}
		return err
	})
}

// last returns the id of the last event or, for several streams, the last position.
func (c *followCmd) last(ctx context.Context, cl *client.Client) (uint64, error) {
	if c.Prefix || c.Glob {
		info, err := cl.Info(ctx)
		return info.Position, err
	}
	for e, err := range cl.Query(ctx, c.Stream, client.QueryOptions{Desc: true, Limit: 1, Store: c.Store}) {
		return e.ID, err
	}
	return 0, nil
}

// commit moves the consumer's cursor to an event if --commit is given. A signal does not
// interrupt it.
func (c *followCmd) commit(ctx context.Context, cl *client.Client, last client.Event) error {
	if !c.Commit {
		return nil
	}
	to := client.Commit{Consumer: c.Consumer, Stream: c.Stream, ID: last.ID}
	if c.Prefix || c.Glob {
		to.Stream, to.ID = "", last.Position
	}
	lingering, cancel := c.linger(ctx)
	defer cancel()
	err := cl.Commit(lingering, to)
	if lingering.Err() != nil && errors.Is(err, lingering.Err()) {
		return errors.New("no answer from the daemon: the last events are not committed, and will be printed again")
	}
	return err
}
