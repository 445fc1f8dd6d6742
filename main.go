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

// What gorewind is, for the help and the manual page.
const (
	summary     = "an event store that talks ZeroMQ"
	description = "An event store that talks ZeroMQ: a ROUTER socket takes requests, a PUB socket broadcasts every event that is on disk."
)

// Exit statuses.
const (
	exitOK      = 0
	exitFailure = 1 // it could not do what it was asked to
	exitUsage   = 2 // it was not asked properly
	exitDamaged = 3 // serve: the store is damaged, and will be when it is started again
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// environmentPrefix begins the name of every environment variable that sets a flag.
const environmentPrefix = "GOREWIND"

// cli is what the command line can say. Every flag is an environment variable
// too: GOREWIND_ and its name in capitals, with _ for -; and its name is a key of
// the file that --config names. A tag env:"-" takes a flag out of both.
type cli struct {
	File    string           `name:"config" placeholder:"FILE" help:"Take flags that are not given from this TOML file, where a flag's name is its key. Default: none."`
	Version kong.VersionFlag `env:"-" help:"Print the version and exit."`

	Serve  serveCmd  `cmd:"" group:"serve" help:"Serve an event store over ZeroMQ until SIGTERM or SIGINT."`
	Config configCmd `cmd:"" group:"serve" help:"Print the values that flags have, and where each comes from."`

	Ping  pingCmd  `cmd:"" group:"use" help:"Ask a daemon for an answer, and say which store it serves."`
	Bench benchCmd `cmd:"" group:"use" help:"Measure a daemon and, beside it, what this machine could do."`

	Verify verifyCmd `cmd:"" group:"store" help:"Read all of a store that no daemon is using, and tell whether it is whole."`
	Repair repairCmd `cmd:"" group:"store" help:"Repair a damaged store; without --accept-loss only if nothing would be lost."`

	Completion completionCmd `cmd:"" group:"shell" help:"Print a script that has a shell complete commands and flags."`
	Complete   completeCmd   `cmd:"" hidden:"" passthrough:"" help:"Print what the last word may become."`
	Man        manCmd        `cmd:"" group:"shell" help:"Print the manual page."`
}

// groups are the headings of the commands in the help; those of one key follow one
// another in cli.
var groups = []kong.Group{
	{Key: "serve", Title: "Serving:"},
	{Key: "use", Title: "Using a daemon:"},
	{Key: "store", Title: "Looking after a store:"},
	{Key: "shell", Title: "At the shell:"},
}

// newParser returns what parses a command line, and the settings that it takes
// flags from which are not given there. exit is called after --help and --version.
func newParser(stdout, stderr io.Writer, exit func(status int)) (*kong.Kong, *settings, error) {
	s := new(settings)
	parser, err := kong.New(&cli{},
		kong.Name("gorewind"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.ExplicitGroups(groups),
		kong.Vars{"version": "gorewind " + version},
		kong.DefaultEnvars(environmentPrefix),
		kong.Resolvers(s),
		kong.WithBeforeResolve(s.load),
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
		kong.BindTo(stderr, (*io.Writer)(nil)),
	)
	return parser, s, err
}

func run(args []string, stdout, stderr io.Writer) int {
	exited := -1
	parser, s, err := newParser(stdout, stderr, func(status int) { exited = status })
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
	if err == nil {
		err = kctx.Run()
	} else {
		err = s.refused(err)
	}
	if err != nil {
		return fail(stderr, statusOf(err), err)
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
