package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/internal/keyfile"
	"gorewind/internal/term"
	"gorewind/wire"
)

// A connection is how a client command reaches a daemon.
type connection struct {
	Connect string `default:"tcp://127.0.0.1:9002" placeholder:"ENDPOINT" help:"Where the daemon takes requests, its --router. Default: ${default}."`
	keys
	Patience time.Duration `default:"5s" placeholder:"TIME" help:"Give up when no daemon answers for so long. Default: ${default}."`
}

// dial connects, or says why it could not.
func (c *connection) dial(ctx context.Context) (*client.Client, error) {
	curve, err := c.curve()
	if err != nil {
		return nil, err
	}
	dialing, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	waits := time.AfterFunc(time.Second, c.tellOfSilence)
	defer waits.Stop()
	cl, err := client.Dial(dialing, client.Options{Endpoint: c.Connect, Curve: curve})
	if errors.Is(err, client.ErrHandshake) {
		return nil, notLetIn(err, "--router")
	}
	if errors.Is(err, client.ErrEndpoint) {
		return nil, exit.Misused(fmt.Errorf("--connect: %w", err))
	}
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%w, or give its endpoint with --connect", err)
	}
	return cl, err
}

// tellOfSilence tells a person what a command waits for. The error at the end of
// --patience is what programs see.
func (c *connection) tellOfSilence() {
	if term.IsTerminal(os.Stderr) && c.Patience > time.Second {
		fmt.Fprintf(os.Stderr, "gorewind: no answer from %s yet; trying for %v (--patience)\n", c.Connect, c.Patience)
	}
}

// notLetIn adds to an error of a handshake what to do about it. The endpoint has to be
// that of a flag of gorewind serve.
func notLetIn(err error, flag string) error {
	return fmt.Errorf("%w; see whether this is its %s, and --client-key and --server-key are what its operator gave you", err, flag)
}

// keys are how a client command shows who it is.
type keys struct {
	ClientKey string `placeholder:"FILE" help:"Show this CURVE key, a file NAME.key_secret of gorewind keygen. Default: none."`
	ServerKey string `placeholder:"FILE" help:"The daemon's public CURVE key, a file NAME.key or the key itself. Default: none."`
}

// curve returns what a client needs for CURVE, nil if it is not asked for.
func (k *keys) curve() (*client.Curve, error) {
	switch {
	case k.ClientKey == "" && k.ServerKey == "":
		return nil, nil
	case k.ClientKey == "" || k.ServerKey == "":
		return nil, exit.UsageError("--client-key and --server-key go together; give both, or neither where the daemon asks for none")
	}
	pair, err := keyfile.ReadPair(k.ClientKey)
	if err != nil {
		return nil, exit.Misused(fmt.Errorf("--client-key: %w", err))
	}
	of, err := keyfile.ReadPublic(k.ServerKey)
	if err != nil {
		return nil, exit.Misused(fmt.Errorf("--server-key: %w", err))
	}
	return &client.Curve{Public: pair.Public, Secret: pair.Secret, Server: of}, nil
}

var errStopped = errors.New("stopped by a signal")

// talk has a command talk to a daemon until it is done, or a signal comes, or no
// daemon answers any more.
func (c *connection) talk(own cures, do func(context.Context, *client.Client) error) error {
	return c.converse(nil, own, do)
}

// stay is talk for a command that lasts: it waits for a daemon that has gone, and
// says so.
func (c *connection) stay(stderr io.Writer, own cures, do func(context.Context, *client.Client) error) error {
	return c.converse(stderr, own, do)
}

func (c *connection) converse(stderr io.Writer, own cures, do func(context.Context, *client.Client) error) error {
	ctx, stop := untilSignal()
	defer stop()
	cl, err := c.dial(ctx)
	if err != nil && ctx.Err() != nil {
		return errStopped
	}
	if err != nil {
		return err
	}
	defer cl.Close()
	ctx, giveUp := context.WithCancelCause(ctx)
	watching := make(chan struct{})
	go func() { // ends with ctx
		defer close(watching)
		c.watch(ctx, cl, giveUp, stderr)
	}()
	err = do(ctx, cl)
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = interrupted(ctx, own)
	}
	giveUp(nil)
	<-watching
	return explain(err, own)
}

// interrupted returns why a command's context has ended. Of a write that waits for
// its answer then, nobody knows what came of it.
func interrupted(ctx context.Context, own cures) error {
	why := errStopped
	if gone, ok := context.Cause(ctx).(*goneError); ok {
		why = gone
	}
	if do, ok := own[wire.OutcomeUnknown]; ok {
		return exit.With(exit.Unknown, fmt.Errorf("%w before the answer came, and nobody knows whether it took effect; %s", why, do))
	}
	return why
}

// A goneError: no daemon has answered for as long as there is patience.
type goneError struct{ *connection }

func (e *goneError) Error() string {
	return fmt.Sprintf("no daemon has answered at %s for %v (--patience)", e.Connect, e.Patience)
}

// watch asks every second whether the daemon is there. If it is not, it gives up
// or, with stderr, tells so and waits.
func (c *connection) watch(ctx context.Context, cl *client.Client, giveUp context.CancelCauseFunc, stderr io.Writer) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch silent := c.silent(ctx, cl); {
		case !silent:
		case stderr == nil:
			giveUp(&goneError{c})
			return
		default:
			fmt.Fprintf(stderr, "gorewind: no answer from %s; waiting for the daemon\n", c.Connect)
			if cl.Ping(ctx) == nil {
				fmt.Fprintf(stderr, "gorewind: %s answers again\n", c.Connect)
			}
		}
	}
}

// silent reports whether no daemon answers for as long as there is patience.
func (c *connection) silent(ctx context.Context, cl *client.Client) bool {
	asking, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	return errors.Is(cl.Ping(asking), context.DeadlineExceeded)
}

// linger returns a context for what is to be finished when ctx ends: it ends as
// long after that as there is patience.
func (c *connection) linger(ctx context.Context) (context.Context, context.CancelFunc) {
	lingering, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(c.Patience, cancel) })
	return lingering, func() { stop(); cancel() }
}

// untilSignal returns a context that ends with SIGTERM or SIGINT. A second one
// kills.
func untilSignal() (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// isInterrupted reports whether a command was stopped, or its daemon has gone.
func isInterrupted(err error) bool {
	var gone *goneError
	return errors.Is(err, errStopped) || errors.As(err, &gone)
}
