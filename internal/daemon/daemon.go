// Package daemon is what gorewind serve does once its flags are parsed: it wires the broker
// to a store, to the metrics and to whoever started it, and runs them until it is told to
// stop. What it says names the flags, since that is how its users know its options.
//
// Run owns every goroutine that it starts, and has awaited them all when it returns.
package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"gorewind/internal/advice"
	"gorewind/internal/exit"
	"gorewind/internal/metrics"
	"gorewind/internal/version"
	"gorewind/server"
	"gorewind/store"
	"gorewind/store/leveldb"
)

// Options of Run.
type Options struct {
	Router, Pub   []string // endpoints for requests and for broadcasts; at least one of each
	DataDir       string   // where the events are; made if it does not exist
	InMemory      bool     // keep events in memory only, and lose them at the end
	MaxEventBytes int      // how large an event may be
	Security      Security
	HTTP          HTTP
	Profile       string // a directory for profiles of this process; empty: none
	Log           *slog.Logger
}

// A daemon is what Run runs.
type daemon struct{ Options }

// Run serves until ctx is done, which is a clean stop, or the store gives up. Its errors
// say what to do, and have exit statuses.
func Run(ctx context.Context, o Options) error {
	d := &daemon{o}
	return d.run(ctx)
}

func (d *daemon) run(ctx context.Context) (failed error) {
	tune()
	if d.Profile != "" {
		stop, err := profile(d.Profile)
		if err != nil {
			return err
		}
		defer func() { failed = errors.Join(failed, stop()) }()
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)

	// Nothing may be made or changed if it turns out that this cannot serve: so
	// the directory is looked at first, then the sockets are bound, then the
	// store is opened.
	if !d.InMemory {
		if err := leveldb.Probe(d.DataDir); err != nil {
			return advice.ForDataDir(d.DataDir, err)
		}
	}
	srv, err := d.bind()
	if err != nil {
		return err
	}
	defer srv.Close()
	ctx, finish := context.WithCancel(ctx)
	defer d.Security.watch(ctx, srv, d.Log)()
	defer finish()
	web, err := d.HTTP.listen(d.Log)
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, web.Close()) }()
	manager := supervisor{d.Log}
	opened := manager.opening(ctx)
	events, err := d.open(giveUp, manager.repairing)
	opened()
	if err != nil {
		manager.failed()
		return err
	}
	defer func() { failed = errors.Join(failed, events.Close()) }()
	return d.serve(ctx, srv, web, events)
}

// tune sets what Go's runtime does, where nobody has.
func tune() {
	// Most memory is LevelDB's buffers, which hold no pointers: collecting twice
	// as often costs little, and keeps what a flood adds small.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	// The broker's loop and the committer are mostly in libzmq or the kernel, where
	// Go takes their processors away if others want one, and then has them wait for
	// it: two more make a twelfth more events on two CPUs.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 2)
	}
}

// bind makes the broker.
func (d *daemon) bind() (*server.Server, error) {
	maxFiles, err := leveldb.ReserveFiles(leveldb.FileReserve)
	if err != nil {
		d.Log.Warn("cannot raise the limit of open files", "error", err)
	}
	options := server.Options{
		Router: d.Router, Pub: d.Pub, MaxFiles: int(min(maxFiles, 1<<30)), MaxEvent: d.MaxEventBytes, Version: version.Number, Log: d.Log,
	}
	if err := d.Security.Secure(&options); err != nil {
		return nil, err
	}
	srv, err := server.New(options)
	if errors.Is(err, server.ErrEndpoint) {
		err = exit.AsUsage(err)
	}
	return srv, err
}

// serve serves a store until ctx is done, and tells whoever watches.
func (d *daemon) serve(ctx context.Context, srv *server.Server, web *metrics.Server, events *leveldb.DB) error {
	watching, finish := context.WithCancel(ctx)
	defer finish()
	daemon := metrics.Daemon{Broker: srv, Stats: &srv.Stats, Store: events}
	web.Watch(daemon)
	info := events.Info()
	d.Log.Info("serving", "router", strings.Join(srv.RouterAddrs(), ","), "pub", strings.Join(srv.PubAddrs(), ","), "http", cmp.Or(web.Addr(), "none"),
		"data", d.where(), "store", info.ID, "generation", info.Generation, "position", info.LastPosition,
		"max_event_bytes", d.MaxEventBytes, "version", version.Number, "pid", os.Getpid())
	told := supervisor{d.Log}.serving(watching, srv, daemon)
	logged := logStop(ctx, d.Log, web)
	began := time.Now()
	err := srv.Run(ctx, events)
	why := logged()
	finish()
	told()
	st := &srv.Stats
	d.Log.Info("stopped", "position", events.Info().LastPosition, "reason", why, "served", time.Since(began).Round(time.Millisecond),
		"published", st.Published.Load(), "sent", st.EventsSent.Load(), "broadcast", st.Broadcast.Load(), "given_up", st.GivenUp.Load())
	return cmp.Or(err, d.gaveUp(context.Cause(ctx)))
}

// gaveUp returns what to say of why the store gave up, if that is the cause.
func (d *daemon) gaveUp(cause error) error {
	switch {
	case errors.Is(cause, store.ErrUnavailable):
		return fmt.Errorf("data directory %s: %w; see to the disk, then start it again: nothing acknowledged is lost by that", d.DataDir, cause)
	case errors.Is(cause, store.ErrDamaged):
		return exit.With(exit.Damaged, fmt.Errorf("data directory %s: %w; restore a backup, or see with gorewind verify and gorewind repair what can be done", d.DataDir, cause))
	}
	return nil
}

// logStop says so when the daemon is to stop, in the log and over HTTP. What it
// returns waits for that, or has it forgotten, and says why the daemon stops.
func logStop(ctx context.Context, log *slog.Logger, web *metrics.Server) (why func() string) {
	said := make(chan struct{})
	forget := context.AfterFunc(ctx, func() {
		defer close(said)
		web.Stopping()
		log.Info("stopping", "reason", reason(ctx))
	})
	return func() string {
		if !forget() {
			<-said
		}
		return reason(ctx)
	}
}

func reason(ctx context.Context) string {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return "failure"
	case errors.Is(cause, store.ErrUnavailable):
		return "the disk has failed"
	case errors.Is(cause, store.ErrDamaged):
		return "the store is damaged"
	}
	return "signal"
}

// where says where the events are.
func (d *daemon) where() string {
	if d.InMemory {
		return "memory"
	}
	return d.DataDir
}

// open opens the store, which calls progress while it is repaired, and giveUp when
// its disk has failed for long.
func (d *daemon) open(giveUp func(error), progress func(what string, done, of int)) (*leveldb.DB, error) {
	if d.InMemory {
		d.Log.Warn("EVENTS ARE KEPT IN MEMORY ONLY: every one of them is lost when this process ends")
		return leveldb.OpenMemory(leveldb.Options{Log: d.Log})
	}
	s, err := leveldb.Open(d.DataDir, leveldb.Options{Log: d.Log, GaveUp: giveUp, Progress: progress})
	if errors.Is(err, store.ErrDamaged) {
		return nil, exit.With(exit.Damaged, advice.ForData(err))
	}
	if err != nil {
		return nil, advice.ForDataDir(d.DataDir, err)
	}
	return s, nil
}
