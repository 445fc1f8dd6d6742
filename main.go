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
	"reflect"
	"syscall"

	"github.com/alecthomas/kong"

	"gorewind/backup"
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
	exitUnmet   = 3 // CONFLICT or BEHIND: the store is not as was expected; nothing was changed
	exitTimeout = 4 // what was waited for has not happened in time
	exitUnknown = 5 // nobody knows whether it took effect
	exitDamaged = 6 // serve: the store is damaged, and will be when it is started again
)

// aboutStatuses says so to users.
const aboutStatuses = `0: it did what it was asked to. 1: it could not; the last thing on the standard error output says why, and what to do. 2: it was not asked properly: the command line, the environment or the file is wrong. 3: the store is not as was expected (CONFLICT, BEHIND), and nothing was changed. 4: what was waited for has not happened in time. 5: nobody knows whether it took effect. 6: the store is damaged and cannot be served, nor when it is started again.`

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// environmentPrefix begins the name of every environment variable that sets a flag.
const environmentPrefix = "GOREWIND"

// cli is what the command line can say. Every flag is an environment variable
// too: GOREWIND_ and its name in capitals, with _ for -; and its name is a key of
// the file that --config names. A tag env:"-" takes a flag out of both: those have
// it that say what one request is, since nobody wants a forgotten variable to answer
// delete's question.
type cli struct {
	File    string           `name:"config" placeholder:"FILE" help:"Take flags that are not given from this TOML file, where a flag's name is its key. Default: none."`
	Version kong.VersionFlag `env:"-" help:"Print the version and exit."`

	Serve  serveCmd  `cmd:"" group:"serve" help:"Serve an event store over ZeroMQ until SIGTERM or SIGINT."`
	Keygen keygenCmd `cmd:"" group:"serve" help:"Make a key for a daemon or a client, to be used with CURVE."`
	Config configCmd `cmd:"" group:"serve" help:"Print the values that flags have, and where each comes from."`

	Publish   publishCmd   `cmd:"" group:"use" help:"Store events at the end of a stream."`
	Query     queryCmd     `cmd:"" group:"use" help:"Show the events of a stream, or of several."`
	Follow    followCmd    `cmd:"" group:"use" help:"Show events, and then each that comes."`
	Subscribe subscribeCmd `cmd:"" group:"use" help:"Show broadcasts as they come."`
	Streams   streamsCmd   `cmd:"" group:"use" help:"List streams."`
	Replace   replaceCmd   `cmd:"" group:"use" help:"Put other data in the place of an event's."`
	Delete    deleteCmd    `cmd:"" group:"use" help:"Remove the first events of a stream, or all."`
	Commit    commitCmd    `cmd:"" group:"use" help:"Have the daemon remember how far a consumer has come."`
	Cursor    cursorCmd    `cmd:"" group:"use" help:"Print how far a consumer has come."`
	Wait      waitCmd      `cmd:"" group:"use" help:"Wait until a consumer has come so far."`
	Info      infoCmd      `cmd:"" group:"use" help:"Print what a daemon says of itself and its store."`
	Ping      pingCmd      `cmd:"" group:"use" help:"Ask a daemon for an answer, and say which store it serves."`
	Bench     benchCmd     `cmd:"" group:"use" help:"Measure a daemon and, beside it, what this machine could do."`

	Verify verifyCmd `cmd:"" group:"store" help:"Read all of a store that no daemon is using, and tell whether it is whole."`
	Repair repairCmd `cmd:"" group:"store" help:"Repair a damaged store; without --accept-loss only if nothing would be lost."`

	Backup  backupCmd  `cmd:"" group:"copy" help:"Bring a backup of a daemon's store up to date, while it serves."`
	Restore restoreCmd `cmd:"" group:"copy" help:"Make a store of a backup."`
	Export  exportCmd  `cmd:"" group:"copy" help:"Write a daemon's store to a file, as JSON lines, while it serves."`
	Import  importCmd  `cmd:"" group:"copy" help:"Make a store of an export, or append its events to a daemon's."`

	Completion completionCmd `cmd:"" group:"shell" help:"Print a script that has a shell complete commands and flags."`
	Complete   completeCmd   `cmd:"" hidden:"" passthrough:"" help:"Print what the last word may become."`
	Man        manCmd        `cmd:"" group:"shell" help:"Print the manual page."`
}

// Help implements kong's.
func (*cli) Help() string {
	return `To begin with, the first in a terminal of its own:

    gorewind serve
    gorewind publish greetings 'Hello, world!'
    gorewind query greetings
    gorewind follow greetings

Exit status. ` + aboutStatuses
}

// groups are the headings of the commands in the help; those of one key follow one
// another in cli.
var groups = []kong.Group{
	{Key: "serve", Title: "Serving:"},
	{Key: "use", Title: "Using a daemon:"},
	{Key: "store", Title: "Looking after a store:"},
	{Key: "copy", Title: "Copies of a store:"},
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
		kong.KindMapper(reflect.String, kong.MapperFunc(verbatim)),
		kong.Resolvers(s),
		kong.WithBeforeResolve(s.load),
		kong.Writers(stdout, stderr),
		kong.Exit(exit),
		kong.BindTo(stderr, (*io.Writer)(nil)),
		kong.PostBuild(func(k *kong.Kong) error {
			k.Model.HelpFlag.Help = "Print this help, or a command's, and exit."
			return nil
		}),
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

// verbatim takes a string as it was given. kong's own way takes it through JSON,
// which puts other octets in the place of those that are not UTF-8.
func verbatim(ctx *kong.DecodeContext, target reflect.Value) error {
	t, err := ctx.Scan.PopValue("string")
	if err == nil {
		target.SetString(t.String())
	}
	return err
}

// untilSignal returns a context that ends with SIGTERM or SIGINT. A second one
// kills.
func untilSignal() (ctx context.Context, stop context.CancelFunc) {
	ctx, stop = signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	context.AfterFunc(ctx, stop)
	return ctx, stop
}

// adviseData is advise for an error of the directory that was given.
func adviseData(dir string, err error) error {
	if what := misplaced(dir, backup.OfStore); what != "" {
		return fmt.Errorf("data directory: %s", what)
	}
	return advise(err)
}

// advise adds to an error of the data directory what to do about it.
func advise(err error) error {
	do := "choose another with --data-dir"
	switch {
	case errors.Is(err, leveldb.ErrUnfinished):
		do = "run the same gorewind restore or gorewind import again, which goes on with it, or choose another with --data-dir"
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
