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

// A supervisor reports the daemon's state to the service manager that started it: systemd, for a
// unit of Type=notify, or another that speaks its protocol. The environment names it; without
// one, nothing is sent.
type supervisor struct{ log *slog.Logger }

// tell sends lines of NAME=value.
func (s supervisor) tell(lines ...string) {
	if _, err := systemd.SdNotify(false, strings.Join(lines, "\n")); err != nil {
		s.log.Warn("cannot notify the service manager", "what", lines[0], "error", err)
	}
}

const (
	extendEvery = 5 * time.Second // while the store is opened
	extendBy    = 30 * time.Second
)

// opening extends the start timeout until done is called: a repair reads the whole store, and
// starts over if it is killed. Once ctx ends, it extends no more, since the stop would have to
// wait as long. A kill at that point loses nothing.
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
				s.tell("STATUS=Stopping once the store is open")
				return
			case <-opened:
				return
			}
		}
	})
	return func() { close(opened); telling.Wait() }
}

// repairing reports the progress of a repair.
func (s supervisor) repairing(what string, done, of int) {
	s.tell(fmt.Sprintf("STATUS=Repairing the database: %s, %d %%", what, 100*done/max(of, 1)))
}

// failed reports that the store cannot be opened. It replaces the status of the last attempt.
func (s supervisor) failed() { s.tell("STATUS=Cannot open the store; see the log") }

// serving reports that srv is ready, then feeds the watchdog while the daemon is alive, and
// reports the stop when ctx ends. The caller ends ctx, and waits with done for that last
// report.
func (s supervisor) serving(ctx context.Context, srv *server.Server, daemon metrics.Daemon) (done func()) {
	b := reporter{supervisor: s, daemon: daemon, status: fmt.Sprintf("STATUS=Serving %s, broadcasting on %s",
		strings.Join(srv.RouterAddrs(), ","), strings.Join(srv.PubAddrs(), ","))}
	limit, err := systemd.SdWatchdogEnabled(false)
	if err != nil {
		s.log.Warn("cannot notify the watchdog of the service manager", "error", err)
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

// A reporter reports the state of a running daemon to the watchdog.
type reporter struct {
	supervisor
	daemon metrics.Daemon
	status string
	every  time.Duration // interval of reports
	hangs  bool          // the broker does not answer
}

// watchdog reports that the broker answers. If it does not, the status says so until the
// watchdog kills the daemon.
func (b *reporter) watchdog(ctx context.Context) {
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
