// Package daemon implements gorewind serve. It wires the broker to a store, to the metrics and
// to the service manager, and runs them until it is told to stop. Its errors and logs name the
// options by their flags.
//
// Run owns every goroutine that it starts, and waits for all of them before it returns.
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
	DataDir       string   // directory of the store; created if missing
	InMemory      bool     // keep events in memory only, and lose them on exit
	MaxEventBytes int      // largest size of an event
	Security      Security
	HTTP          HTTP
	Profile       string // a directory for profiles of this process; empty: none
	Log           *slog.Logger
}

// A daemon is one Run.
type daemon struct{ Options }

// Run serves until ctx is done, which is a clean stop, or the store gives up. Its errors say
// what to do and carry exit statuses.
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

	// A daemon that cannot serve must not create or change anything. So it checks the
	// directory first, then binds the sockets, then opens the store.
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

// tune sets parameters of Go's runtime, unless the environment does.
func tune() {
	// Most memory is LevelDB's buffers, which hold no pointers. Collecting twice as
	// often costs little, and bounds what a flood of requests adds.
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50)
	}
	// The broker's loop and the committer spend most time in libzmq or the kernel. Go
	// gives their processors away meanwhile, and they then wait to get one back. With
	// two more processors, two CPUs handle 8 % more events.
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 2)
	}
}

// bind creates the broker.
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

// serve serves a store until ctx is done, and reports to the service manager.
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

// gaveUp returns the error to report if the store gave up.
func (d *daemon) gaveUp(cause error) error {
	switch {
	case errors.Is(cause, store.ErrUnavailable):
		return fmt.Errorf("data directory %s: %w; fix the disk, then start the daemon again; nothing acknowledged is lost", d.DataDir, cause)
	case errors.Is(cause, store.ErrDamaged):
		return exit.With(exit.Damaged, fmt.Errorf("data directory %s: %w; restore a backup, or run gorewind verify and gorewind repair, which say what can be repaired", d.DataDir, cause))
	}
	return nil
}

// logStop reports the stop in the log and over HTTP when ctx ends. why waits for that report,
// or cancels it if ctx has not ended, and returns the reason of the stop.
func logStop(ctx context.Context, log *slog.Logger, web *metrics.Server) (why func() string) {
	reported := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(reported)
		web.Stopping()
		log.Info("stopping", "reason", reason(ctx))
	})
	return func() string {
		if !cancel() {
			<-reported
		}
		return reason(ctx)
	}
}

func reason(ctx context.Context) string {
	switch cause := context.Cause(ctx); {
	case cause == nil:
		return "failure"
	case errors.Is(cause, store.ErrUnavailable):
		return "disk failure"
	case errors.Is(cause, store.ErrDamaged):
		return "damaged store"
	}
	return "signal"
}

// where says where the store is.
func (d *daemon) where() string {
	if d.InMemory {
		return "memory"
	}
	return d.DataDir
}

// open opens the store. The store calls progress during a repair, and giveUp when its disk
// keeps failing.
func (d *daemon) open(giveUp func(error), progress func(what string, done, of int)) (*leveldb.DB, error) {
	if d.InMemory {
		d.Log.Warn("EVENTS ARE KEPT IN MEMORY ONLY and lost when this process ends")
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
