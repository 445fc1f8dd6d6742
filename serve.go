package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"gorewind/internal/advice"
	"gorewind/internal/config"
	"gorewind/internal/exit"
	"gorewind/internal/metrics"
	"gorewind/internal/version"
	"gorewind/server"
	"gorewind/store"
	"gorewind/store/leveldb"
)

type serveCmd struct {
	Router        []string `default:"tcp://127.0.0.1:9002" placeholder:"ENDPOINT" help:"Bind for requests. May be given several times. Default: ${default}."`
	Pub           []string `default:"tcp://127.0.0.1:9003" placeholder:"ENDPOINT" help:"Bind for broadcasts. May be given several times. Default: ${default}."`
	DataDir       string   `default:"data" placeholder:"DIR" help:"Where the events are; made if it does not exist. Default: ${default}."`
	InMemory      bool     `help:"Keep events in memory only and LOSE them at the end. Default: false."`
	MaxEventBytes int      `default:"1048576" placeholder:"N" help:"How large an event may be, at most 4194304. Default: ${default}."`
	LogLevel      string   `default:"info" enum:"debug, info, warn, error" placeholder:"LEVEL" help:"Log from this level on: ${enum}. Default: ${default}."`
	LogFormat     string   `default:"text" enum:"text, json" placeholder:"FORMAT" help:"How to log: ${enum}. Default: ${default}."`
	security
	httpOptions
	Profile string `placeholder:"DIR" help:"Leave profiles of processor time and allocations here, cpu.pprof and allocs.pprof. Default: none."`
}

// Help implements kong's.
func (*serveCmd) Help() string {
	return `
It logs where it serves when it does, and stops cleanly on SIGTERM or SIGINT.

Examples:

    gorewind serve
    gorewind serve --data-dir /var/lib/gorewind/data --router ipc:///run/gorewind/router
    gorewind serve --router tcp://127.0.0.1:9002 --router tcp://192.0.2.1:9002
    gorewind serve --config gorewind.toml --log-format json
`
}

// Validate implements kong's: what it refuses was not asked properly.
func (c *serveCmd) Validate(kctx *kong.Context) error {
	// One of these two may be in a file, and the other be given for once.
	dataDir, inMemory := config.OriginOf(kctx, config.FlagNamed(kctx, "data-dir")), config.OriginOf(kctx, config.FlagNamed(kctx, "in-memory"))
	switch {
	case c.InMemory && dataDir != config.ByDefault && dataDir >= inMemory:
		return errors.New("--in-memory keeps nothing in a --data-dir, and both are given; leave one of them out")
	case c.DataDir == "":
		return errors.New("--data-dir is empty; give a directory")
	}
	o := server.Options{MaxEvent: c.MaxEventBytes}
	c.security.limit(&o)
	return cmp.Or(c.security.check(), c.httpOptions.check(), o.Check())
}

// Run serves until a signal comes.
func (c *serveCmd) Run(kctx *kong.Context, stderr io.Writer) (failed error) {
	log := c.logger(stderr)
	for _, v := range config.UnknownVariables(kctx.Model) {
		log.Warn("no flag has this environment variable; it is ignored", "variable", v.Name, "nearest", v.Nearest)
	}
	tune()
	if c.Profile != "" {
		stop, err := profile(c.Profile)
		if err != nil {
			return err
		}
		defer func() { failed = errors.Join(failed, stop()) }()
	}
	ctx, stop := untilSignal()
	defer stop()
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)

	// Nothing may be made or changed if it turns out that this cannot serve: so
	// the directory is looked at first, then the sockets are bound, then the
	// store is opened.
	if !c.InMemory {
		if err := leveldb.Probe(c.DataDir); err != nil {
			return advice.ForDataDir(c.DataDir, err)
		}
	}
	srv, err := c.bind(log)
	if err != nil {
		return err
	}
	defer srv.Close()
	ctx, finish := context.WithCancel(ctx)
	defer c.security.watch(ctx, srv, log)()
	defer finish()
	web, err := c.httpOptions.listen(log)
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, web.Close()) }()
	manager := supervisor{log}
	opened := manager.opening(ctx)
	events, err := c.open(log, giveUp, manager.repairing)
	opened()
	if err != nil {
		manager.failed()
		return err
	}
	defer func() { failed = errors.Join(failed, events.Close()) }()
	return c.serve(ctx, log, srv, web, events)
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
func (c *serveCmd) bind(log *slog.Logger) (*server.Server, error) {
	maxFiles, err := leveldb.ReserveFiles(leveldb.FileReserve)
	if err != nil {
		log.Warn("cannot raise the limit of open files", "error", err)
	}
	options := server.Options{
		Router: c.Router, Pub: c.Pub, MaxFiles: int(min(maxFiles, 1<<30)), MaxEvent: c.MaxEventBytes, Version: version.Number, Log: log,
	}
	if err := c.security.secure(&options); err != nil {
		return nil, err
	}
	srv, err := server.New(options)
	if errors.Is(err, server.ErrEndpoint) {
		err = exit.Misused(err)
	}
	return srv, err
}

// serve serves a store until ctx is done, and tells whoever watches.
func (c *serveCmd) serve(ctx context.Context, log *slog.Logger, srv *server.Server, web *metrics.Server, events *leveldb.DB) error {
	watching, finish := context.WithCancel(ctx)
	defer finish()
	daemon := metrics.Daemon{Broker: srv, Stats: &srv.Stats, Store: events}
	web.Watch(daemon)
	info := events.Info()
	log.Info("serving", "router", strings.Join(srv.RouterAddrs(), ","), "pub", strings.Join(srv.PubAddrs(), ","), "http", cmp.Or(web.Addr(), "none"),
		"data", c.where(), "store", info.ID, "generation", info.Generation, "position", info.LastPosition,
		"max_event_bytes", c.MaxEventBytes, "version", version.Number, "pid", os.Getpid())
	told := supervisor{log}.serving(watching, srv, daemon)
	logged := logStop(ctx, log, web)
	began := time.Now()
	err := srv.Run(ctx, events)
	why := logged()
	finish()
	told()
	st := &srv.Stats
	log.Info("stopped", "position", events.Info().LastPosition, "reason", why, "served", time.Since(began).Round(time.Millisecond),
		"published", st.Published.Load(), "sent", st.EventsSent.Load(), "broadcast", st.Broadcast.Load(), "given_up", st.GivenUp.Load())
	return cmp.Or(err, c.gaveUp(context.Cause(ctx)))
}

// gaveUp returns what to say of why the store gave up, if that is the cause.
func (c *serveCmd) gaveUp(cause error) error {
	switch {
	case errors.Is(cause, store.ErrUnavailable):
		return fmt.Errorf("data directory %s: %w; see to the disk, then start it again: nothing acknowledged is lost by that", c.DataDir, cause)
	case errors.Is(cause, store.ErrDamaged):
		return exit.With(exit.Damaged, fmt.Errorf("data directory %s: %w; restore a backup, or see with gorewind verify and gorewind repair what can be done", c.DataDir, cause))
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
func (c *serveCmd) where() string {
	if c.InMemory {
		return "memory"
	}
	return c.DataDir
}

// open opens the store, which calls progress while it is repaired, and giveUp when
// its disk has failed for long.
func (c *serveCmd) open(log *slog.Logger, giveUp func(error), progress func(what string, done, of int)) (*leveldb.DB, error) {
	if c.InMemory {
		log.Warn("EVENTS ARE KEPT IN MEMORY ONLY: every one of them is lost when this process ends")
		return leveldb.OpenMemory(leveldb.Options{Log: log})
	}
	s, err := leveldb.Open(c.DataDir, leveldb.Options{Log: log, GaveUp: giveUp, Progress: progress})
	if errors.Is(err, store.ErrDamaged) {
		return nil, exit.With(exit.Damaged, advice.ForData(err))
	}
	if err != nil {
		return nil, advice.ForDataDir(c.DataDir, err)
	}
	return s, nil
}

func (c *serveCmd) logger(w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.LogLevel)) // kong has checked it
	o := &slog.HandlerOptions{Level: level}
	if c.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}
