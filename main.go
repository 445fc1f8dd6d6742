// Gorewind is an event store that talks ZeroMQ.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"

	"gorewind/store"
	"gorewind/store/leveldb"
)

const version = "0.1.0"

// Exit statuses.
const (
	exitOK      = 0
	exitFailure = 1 // it could not do what it was asked to
	exitUsage   = 2 // it was not asked properly
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// cli is what the command line can say. Every flag is an environment variable
// too: GOREWIND_ and its name in capitals, with _ for -.
type cli struct {
	Version kong.VersionFlag `env:"-" help:"Print the version and exit."`

	Serve  serveCmd  `cmd:"" help:"Serve an event store over ZeroMQ until SIGTERM or SIGINT."`
	Verify verifyCmd `cmd:"" help:"Read all of a store that no daemon is using, and tell whether it is whole."`
	Repair repairCmd `cmd:"" help:"Repair a damaged store; without --accept-loss only if nothing would be lost."`
	Bench  benchCmd  `cmd:"" help:"Measure a daemon and, beside it, what this machine could do."`

	Ping pingCmd `cmd:"" help:"Ask a daemon for an answer, and say which store it serves."`
}

func run(args []string, stdout, stderr io.Writer) int {
	exited := -1
	parser, err := kong.New(&cli{},
		kong.Name("gorewind"),
		kong.Description("An event store that talks ZeroMQ: a ROUTER socket takes requests, a PUB socket broadcasts every event that is on disk."),
		kong.Vars{"version": "gorewind " + version},
		kong.DefaultEnvars("GOREWIND"),
		kong.Writers(stdout, stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(stderr, (*io.Writer)(nil)),
	)
	if err != nil {
		return fail(stderr, exitFailure, err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	kctx, err := parser.Parse(args)
	if exited >= 0 { // --help or --version
		return exited
	}
	if err != nil {
		return fail(stderr, exitUsage, fmt.Errorf("%w; see gorewind --help", err))
	}
	if err := kctx.Run(); err != nil {
		return fail(stderr, exitFailure, err)
	}
	return exitOK
}

// untilSignal returns a context that ends with SIGTERM or SIGINT. A second one
// kills.
func untilSignal() (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// advise adds to an error of the data directory what to do about it.
func advise(err error) error {
	do := "choose another with --data-dir"
	switch {
	case errors.Is(err, leveldb.ErrInUse):
		do = "stop the other one, or choose another with --data-dir"
	case errors.Is(err, fs.ErrPermission):
		do = "see whose it is, or choose another with --data-dir"
	case errors.Is(err, leveldb.ErrFormat):
		do = "use the version of gorewind that made it, or choose another with --data-dir"
	case errors.Is(err, store.ErrFull), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		do = "make room on its disk, then try again"
	case errors.Is(err, store.ErrUnavailable):
		do = "see to what the system refused, then try again"
	case errors.Is(err, store.ErrDamaged):
		do = "nothing was changed; restore a backup, or see with gorewind repair what can be had without one"
	}
	return fmt.Errorf("data directory: %w; %s", err, do)
}
