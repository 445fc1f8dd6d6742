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
	New    bool `env:"-" help:"Only what is stored from now on. Default: false."`
	Commit bool `env:"-" help:"Commit for --consumer what was shown, each time that it has been written. Default: false."`
	eventOutput
}

// Help implements kong's.
func (*followCmd) Help() string {
	return `It shows what is stored and then what comes, each event once and in order, until Ctrl-C or SIGTERM, or until --limit. When the daemon is stopped or started again it waits, says so, and goes on where it was; it ends with an error where its key is refused.

What is shown is as with query. It is written as soon as nothing more has come, and once a second at least; --commit commits it then. After a crash of this command, --consumer begins with what was not committed, so that an event may be shown again but none is left out.

Examples:

    gorewind follow account/17
    gorewind follow --glob 'account/*' --new
    gorewind follow --prefix --tail 10
    gorewind follow orders --consumer mailer --commit --json | ./send-mail
    gorewind follow orders --limit 1 --raw
`
}

// Validate implements kong's: what it refuses was not asked properly.
func (c *followCmd) Validate() error {
	switch {
	case c.Commit && c.Consumer == "":
		return errors.New("--commit for whom? Give --consumer")
	case c.Tail != nil && (c.New || c.Commit):
		return errors.New("--tail leaves out what comes before; --new does so, too, and --commit would commit it: leave one of them out")
	case c.New && (c.After != nil || c.Consumer != "" || !c.Since.IsZero()):
		return errors.New("--new says where to begin, as --after, --since and --consumer do; leave the others out")
	}
	return cmp.Or(c.checkOutput(), c.check())
}

// Run shows events until a signal comes.
func (c *followCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	own := c.hints()
	own[wire.Behind] = "somebody else commits for this consumer; give each its own --consumer"
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

// last returns the id after which everything is new, or the position.
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

// commit says that the consumer has come to an event, if that is wanted; also when
// a signal has come since.
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
		return errors.New("no daemon answers: what was shown last is not committed, and will be shown again")
	}
	return err
}
