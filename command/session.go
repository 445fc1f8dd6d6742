package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/internal/keyfile"
	"gorewind/internal/term"
	"gorewind/wire"
)

// connection holds the flags with which a client command reaches a daemon.
type connection struct {
	address
	Timeout time.Duration `aliases:"patience" env:"GOREWIND_TIMEOUT,GOREWIND_PATIENCE" default:"5s" placeholder:"TIME" help:"Give up if the daemon does not answer within this time. Default: ${default}."`
}

// address holds the flags that say which daemon a client command talks to, and as whom.
type address struct {
	Connect string `default:"tcp://127.0.0.1:9002" short:"s" placeholder:"ENDPOINT" help:"Endpoint where the daemon takes requests (its --router). Default: ${default}."`
	keys
}

// flags returns the flags of a command that has them among its own.
func (c *connection) flags() *connection { return c }

// dial connects to the daemon. Its errors say which flag to check.
func (c *connection) dial(ctx context.Context) (*client.Client, error) {
	curve, err := c.curve()
	if err != nil {
		return nil, err
	}
	dialing, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	waits := time.AfterFunc(time.Second, c.warnIfSlow)
	defer waits.Stop()
	cl, err := client.Dial(dialing, client.Options{Endpoint: c.Connect, Curve: curve})
	if errors.Is(err, client.ErrHandshake) {
		return nil, refusedHint(err, "--router")
	}
	if errors.Is(err, client.ErrEndpoint) {
		return nil, exit.AsUsage(fmt.Errorf("--connect: %w", err))
	}
	if err != nil && ctx.Err() == nil {
		return nil, fmt.Errorf("%w, or give its endpoint with --connect", err)
	}
	return cl, err
}

// warnIfSlow tells a user at a terminal what the command waits for. Programs see the error
// at the end of the timeout.
func (c *connection) warnIfSlow() {
	if term.IsTerminal(os.Stderr) && c.Timeout > time.Second {
		fmt.Fprintf(os.Stderr, "gorewind: no answer from %s yet; trying for %v\n", c.Connect, c.Timeout)
	}
}

// refusedHint adds to a failed handshake what to check. flag is the flag of gorewind serve
// that sets the endpoint.
func refusedHint(err error, flag string) error {
	return fmt.Errorf("%w; check that this is its %s, and that --client-key and --server-key are the keys that its operator gave you", err, flag)
}

// keys holds the flags with which a client command authenticates.
type keys struct {
	ClientKey string `placeholder:"FILE" help:"Authenticate with this CURVE key: a file NAME.key_secret from gorewind keygen. Default: none."`
	ServerKey string `placeholder:"FILE" help:"Public CURVE key of the daemon: a file NAME.key, or the key itself. Default: none."`
}

// curve reads the keys for CURVE. It returns nil if no flag names one.
func (k *keys) curve() (*client.Curve, error) {
	switch {
	case k.ClientKey == "" && k.ServerKey == "":
		return nil, nil
	case k.ClientKey == "" || k.ServerKey == "":
		return nil, exit.UsageError("--client-key and --server-key go together; give both, or neither if the daemon does not use CURVE")
	}
	pair, err := keyfile.ReadPair(k.ClientKey)
	if err != nil {
		return nil, exit.AsUsage(fmt.Errorf("--client-key: %w", err))
	}
	of, err := keyfile.ReadPublic(k.ServerKey)
	if err != nil {
		return nil, exit.AsUsage(fmt.Errorf("--server-key: %w", err))
	}
	return &client.Curve{Public: pair.Public, Secret: pair.Secret, Server: of}, nil
}

// withClient connects and calls do. It gives up on a signal, or when the daemon stops
// answering. own overrides commonHints.
func (c *connection) withClient(own hints, do func(context.Context, *client.Client) error) error {
	return c.runWithClient(nil, own, do)
}

// withReconnectingClient is withClient for a long-running command: when the daemon stops
// answering, it says so on stderr and waits until the daemon is back.
func (c *connection) withReconnectingClient(stderr io.Writer, own hints, do func(context.Context, *client.Client) error) error {
	return c.runWithClient(stderr, own, do)
}

// runWithClient is withClient if stderr is nil, else withReconnectingClient.
func (c *connection) runWithClient(stderr io.Writer, own hints, do func(context.Context, *client.Client) error) error {
	ctx, stop := untilSignal()
	defer stop()
	cl, err := c.dial(ctx)
	if err != nil && ctx.Err() != nil {
		return stoppedBy(ctx)
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

// interrupted returns why a command's context has ended. A write that was waiting for its
// answer has an unknown outcome: own has a hint for that if the command writes.
func interrupted(ctx context.Context, own hints) error {
	why := stoppedBy(ctx)
	if gone := (*unansweredError)(nil); errors.As(context.Cause(ctx), &gone) {
		why = gone
	}
	if do, ok := own[wire.OutcomeUnknown]; ok {
		return exit.With(exit.Unknown, fmt.Errorf("%w; outcome unknown: the write may or may not have been applied; %s", why, do))
	}
	return why
}

// unansweredError says that the daemon has not answered within the timeout.
type unansweredError struct{ *connection }

func (e *unansweredError) Error() string {
	return fmt.Sprintf("no answer from %s for %v", e.Connect, e.Timeout)
}

// watch pings the daemon every second. If the daemon does not answer, watch gives up or, with
// stderr, says so and waits.
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
			giveUp(&unansweredError{c})
			return
		default:
			fmt.Fprintf(stderr, "gorewind: no answer from %s; waiting for the daemon\n", c.Connect)
			if cl.Ping(ctx) == nil {
				fmt.Fprintf(stderr, "gorewind: %s answers again\n", c.Connect)
			}
		}
	}
}

// silent reports whether the daemon fails to answer within the timeout.
func (c *connection) silent(ctx context.Context, cl *client.Client) bool {
	asking, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	return errors.Is(cl.Ping(asking), context.DeadlineExceeded)
}

// linger returns a context for work that must be finished after ctx ends. It ends one
// timeout after ctx does.
func (c *connection) linger(ctx context.Context) (context.Context, context.CancelFunc) {
	lingering, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(c.Timeout, cancel) })
	return lingering, func() { stop(); cancel() }
}

// isInterrupted reports whether a signal stopped the command, or the daemon stopped
// answering.
func isInterrupted(err error) bool {
	var gone *unansweredError
	return errors.Is(err, errStopped) || errors.As(err, &gone)
}
