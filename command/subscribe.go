package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/alecthomas/kong"

	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/internal/render"
	"gorewind/wire"
)

type subscribeCmd struct {
	Prefix    string `arg:"" optional:"" help:"Only streams whose names begin with this. Default: all."`
	Subscribe string `default:"tcp://127.0.0.1:9003" short:"s" placeholder:"ENDPOINT" help:"Endpoint where the daemon broadcasts (its --pub). Default: ${default}."`
	keys
	Timeout time.Duration `aliases:"patience" env:"GOREWIND_TIMEOUT,GOREWIND_PATIENCE" default:"5s" placeholder:"TIME" help:"Give up if there is no connection within this time at the start. Default: ${default}."`
	limit
	eventOutput
}

// Help implements kong's.
func (*subscribeCmd) Help() string {
	return `Prints events as the daemon broadcasts them, from now on, until Ctrl-C or SIGTERM. Broadcasts have no time and no position: in a pipe each is a line with its stream, id and data. A subscriber that is slow or disconnected loses broadcasts; gaps in the ids of a stream are reported on standard error. To miss nothing, use gorewind follow.

Examples:

    gorewind subscribe
    gorewind subscribe account/ --json
`
}

// Validate implements kong's. It reports usage errors.
func (c *subscribeCmd) Validate() error {
	if len(c.Prefix) > wire.MaxStream {
		return fmt.Errorf("PREFIX has %d bytes; the limit is %d", len(c.Prefix), wire.MaxStream)
	}
	return cmp.Or(c.checkOutput(), c.checkLimit())
}

// Run prints broadcasts until a signal.
func (c *subscribeCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	ctx, stop := untilSignal()
	defer stop()
	curve, err := c.curve()
	if err != nil {
		return err
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	absent := fmt.Errorf("no broadcasts from %s; check that gorewind serve runs there and accepts --client-key and --server-key, or give its endpoint with --subscribe", c.Subscribe)
	timeout := time.AfterFunc(c.Timeout, func() { giveUp(absent) })
	defer timeout.Stop()
	was := false // connected; only changes are reported
	o := client.SubscribeOptions{Endpoint: c.Subscribe, Curve: curve, OnConnection: func(up bool) {
		switch {
		case was && !up:
			fmt.Fprintf(stderr, "gorewind: lost the connection to %s; broadcasts are missed until it is back\n", c.Subscribe)
		case up && !timeout.Stop():
			fmt.Fprintf(stderr, "gorewind: reconnected to %s\n", c.Subscribe)
		}
		was = was || up
	}}
	l := &render.Live{Printer: c.printer(kctx.Stdout), Written: func(client.Event) error { return nil }}
	err = l.Show(ctx, func(ctx context.Context) iter.Seq2[client.Event, error] {
		g := gapReporter{last: make(map[string]uint64), w: stderr}
		return c.limited(g.watch(client.Subscribe(ctx, o, c.Prefix)))
	})
	if errors.Is(err, client.ErrHandshake) {
		return refusedHint(err, "--pub")
	}
	if errors.Is(err, client.ErrEndpoint) {
		return exit.AsUsage(fmt.Errorf("--subscribe: %w", err))
	}
	if errors.Is(err, client.ErrHost) {
		return fmt.Errorf("%w, or give its endpoint with --subscribe", err)
	}
	if errors.Is(context.Cause(ctx), absent) {
		return absent
	}
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return stoppedAsMeant(ctx)
	}
	return err
}

// limited ends events after --limit of them.
func (c *subscribeCmd) limited(events iter.Seq2[client.Event, error]) iter.Seq2[client.Event, error] {
	return func(yield func(client.Event, error) bool) {
		shown := uint64(0)
		for e, err := range events {
			if shown++; !yield(e, err) || shown == c.most() {
				return
			}
		}
	}
}

// gapReporter reports broadcasts that were lost.
type gapReporter struct {
	last map[string]uint64 // id by stream, of at most gapStreams streams
	w    io.Writer
}

const gapStreams = 100_000

// watch passes events on and reports gaps.
func (g *gapReporter) watch(events iter.Seq2[client.Event, error]) iter.Seq2[client.Event, error] {
	return func(yield func(client.Event, error) bool) {
		for e, err := range events {
			if err == nil {
				g.see(e)
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (g *gapReporter) see(e client.Event) {
	last, seen := g.last[e.Stream]
	if seen && e.ID > last+1 {
		fmt.Fprintf(g.w, "gorewind: lost the broadcasts of events %d to %d of the stream %q; get them with gorewind query %[3]q --after %[4]d --upto %[2]d\n",
			last+1, e.ID-1, e.Stream, last)
	}
	if !seen && len(g.last) >= gapStreams {
		clear(g.last) // one gap of each may go unreported
	}
	g.last[e.Stream] = e.ID
}
