package daemon

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"gorewind/internal/metrics"
	"gorewind/server"
)

// A supervisor is who started the daemon and asks in its environment to be told
// how it does: systemd, for a unit of Type=notify, or who speaks its protocol.
// Without one nothing is told.
type supervisor struct{ log *slog.Logger }

// tell tells it lines of NAME=value.
func (s supervisor) tell(lines ...string) {
	if _, err := systemd.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		s.log.Warn("cannot tell the service manager", "what", lines[0], "error", err)
	}
}

const (
	extendEvery = 5 * time.Second // while the store is opened
	extendBy    = 30 * time.Second
)

// opening asks for patience until done is called: a repair reads everything, and
// who is killed in the middle of one has to begin it again. It asks for no more when
// ctx ends, which would have the stop wait for as long: to be killed then loses
// nothing.
func (s supervisor) opening(ctx context.Context) (done func()) {
	extend := fmt.Sprintf("EXTEND_TIMEOUT_USEC=%d", extendBy.Microseconds())
	s.tell(extend, "STATUS=Opening the store")
	opened := make(chan struct{})
	var telling sync.WaitGroup
	telling.Go(func() { // ends with opened or ctx
		for ticks := time.Tick(extendEvery); ; {
			select {
			case <-ticks:
				s.tell(extend)
			case <-ctx.Done():
				s.tell("STATUS=Stopping when the store is open")
				return
			case <-opened:
				return
			}
		}
	})
	return func() { close(opened); telling.Wait() }
}

// repairing tells of a repair.
func (s supervisor) repairing(what string, done, of int) {
	s.tell(fmt.Sprintf("STATUS=Repairing the database: %s, %d %%", what, 100*done/max(of, 1)))
}

// failed says that the store was not opened, in the place of what was tried last.
func (s supervisor) failed() { s.tell("STATUS=The store cannot be opened; the log says why") }

// serving says that srv is ready, then, for a watchdog, that the daemon is alive, as
// long as it is, and at ctx's end that it is stopping. Its caller ends ctx, and then
// waits with done for the last of that.
func (s supervisor) serving(ctx context.Context, srv *server.Server, daemon metrics.Daemon) (done func()) {
	b := bulletin{supervisor: s, daemon: daemon, status: fmt.Sprintf("STATUS=Serving %s, broadcasting on %s",
		strings.Join(srv.RouterAddrs(), ","), strings.Join(srv.PubAddrs(), ","))}
	limit, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn("the service manager's watchdog is not told that this goes on", "error", err)
	}
	var ticks <-chan time.Time
	if b.every = limit / 2; b.every > 0 {
		ticks = time.Tick(b.every)
	}
	s.tell("READY=1", b.status)
	var telling sync.WaitGroup
	telling.Go(func() { // ends with ctx
		for {
			select {
			case <-ticks:
				b.watchdog(ctx)
			case <-ctx.Done():
				s.tell("STOPPING=1", "STATUS=Stopping")
				return
			}
		}
	})
	return telling.Wait
}

// A bulletin is what a supervisor is told of a daemon that runs.
type bulletin struct {
	supervisor
	daemon metrics.Daemon
	status string
	every  time.Duration // the watchdog is told
	hangs  bool          // the broker did not answer
}

// watchdog tells the watchdog that the broker answers; or, to whoever looks at the
// status before that has it killed, that it does not.
func (b *bulletin) watchdog(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, b.every/2)
	defer cancel()
	switch err := b.daemon.Alive(asking); {
	case ctx.Err() != nil: // it is stopping
	case err != nil:
		b.hangs = true
		b.tell("STATUS=The broker does not answer")
	case b.hangs:
		b.hangs = false
		b.tell("WATCHDOG=1", b.status)
	default:
		b.tell("WATCHDOG=1")
	}
}
