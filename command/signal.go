package command

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"

	"gorewind/internal/exit"
)

// errStopped is the error of a command that a signal stopped before its end.
var errStopped = errors.New("stopped by a signal")

// untilSignal returns a context that ends on SIGTERM or SIGINT; stoppedBy returns its cause. A
// second signal kills the process. stop releases its resources.
func untilSignal() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	ended := make(chan struct{})
	go func() { // ends with ctx
		defer close(ended)
		select {
		case s := <-signals:
			signal.Stop(signals)
			cancel(exit.With(exit.OfSignal(s), errStopped))
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
		<-ended
	}
}

// stoppedBy returns an errStopped with the exit status of the signal that ended ctx, a context
// from untilSignal or derived from one.
func stoppedBy(ctx context.Context) error {
	if why := context.Cause(ctx); errors.Is(why, errStopped) {
		return why
	}
	return errStopped
}

// stoppedAsMeant is stoppedBy for a command that runs until a signal. It prints nothing. SIGTERM
// is a success; Ctrl-C keeps its status, so that it ends a script too.
func stoppedAsMeant(ctx context.Context) error {
	why := stoppedBy(ctx)
	if exit.StatusOf(why) != exit.Interrupted {
		return nil
	}
	return exit.With(exit.Interrupted, exit.ErrSilent)
}
