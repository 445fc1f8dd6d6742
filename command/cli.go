// Package command is gorewind's command line. A file has a command of the same name, its
// flags and what it does; cli.go lists them all and runs the one that is asked for. kong
// makes a flag of each exported field, under the field's name or the name in its tag.
//
// What several commands take or say has a file of its own: session.go talks to a daemon,
// explain.go puts its refusals in the words of the command line, selection.go, input.go,
// output.go, id.go and timeflag.go are flags and arguments, lines.go is publish --lines, and
// copies.go is what becomes of copies. It stands on the public packages and on internal,
// and knows neither sockets nor terminals.
package command

import (
	"io"
	"reflect"

	"github.com/alecthomas/kong"

	"gorewind/internal/config"
	"gorewind/internal/exit"
	"gorewind/internal/version"
)

// What gorewind is, for the help and the manual page.
const (
	summary     = "an event store that talks ZeroMQ"
	description = "An event store that talks ZeroMQ: a ROUTER socket takes requests, a PUB socket broadcasts every event that is on disk."
)

// cli is what the command line can say. Every flag is an environment variable
// too: GOREWIND_ and its name in capitals, with _ for -; and its name is a key of
// the file that --config names. A tag env:"-" takes a flag out of both: those have
// it that say what one request is, since nobody wants a forgotten variable to answer
// delete's question.
type cli struct {
	File    string           `name:"config" short:"c" placeholder:"FILE" help:"Take flags that are not given from this TOML file, where a flag's name is its key. Default: none."`
	Context string           `name:"context" placeholder:"NAME" help:"Ask the daemon of this context, rather than of the one that gorewind context use chose. Default: none."`
	Version kong.VersionFlag `env:"-" short:"v" help:"Print the version and exit."`

	Serve  serveCmd  `cmd:"" group:"serve" help:"Serve an event store over ZeroMQ until SIGTERM or SIGINT."`
	Keygen keygenCmd `cmd:"" group:"serve" help:"Make a key for a daemon or a client, to be used with CURVE."`
	Config configCmd `cmd:"" group:"serve" help:"Print the values that flags have, and where each comes from."`

	Contexts  contextCmd   `cmd:"" name:"context" group:"use" help:"Keep endpoints and keys under a name."`
	Publish   publishCmd   `cmd:"" group:"use" help:"Store events at the end of a stream."`
	Append    appendCmd    `cmd:"" group:"use" help:"Store events in several streams, all or none."`
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

	HelpOn      helpCmd       `cmd:"" name:"help" group:"shell" help:"Print this help, or a command's."`
	ShowVersion versionCmd    `cmd:"" name:"version" group:"shell" help:"Print the version."`
	Completion  completionCmd `cmd:"" group:"shell" help:"Print a script that has a shell complete commands and flags."`
	Complete    completeCmd   `cmd:"" hidden:"" passthrough:"" help:"Print what the last word may become."`
	Man         manCmd        `cmd:"" group:"shell" help:"Print the manual page."`
}

// Help implements kong's.
func (*cli) Help() string {
	return `To begin with, the first in a terminal of its own:

    gorewind serve
    gorewind publish greetings 'Hello, world!'
    gorewind query greetings
    gorewind follow greetings

Exit status. ` + exit.About
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
func newParser(stdout, stderr io.Writer, exit func(status int)) (*kong.Kong, *config.Settings, error) {
	s := new(config.Settings)
	parser, err := kong.New(&cli{},
		kong.Name("gorewind"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.ExplicitGroups(groups),
		kong.Vars{"version": "gorewind " + version.Number},
		kong.DefaultEnvars(config.EnvironmentPrefix),
		kong.KindMapper(reflect.String, kong.MapperFunc(verbatim)),
		kong.Resolvers(s),
		kong.WithBeforeResolve(s.Load),
		kong.Writers(stdout, stderr),
		kong.ValueFormatter(helpText),
		kong.Exit(exit),
		kong.BindTo(stderr, (*io.Writer)(nil)),
		kong.PostBuild(func(k *kong.Kong) error {
			k.Model.HelpFlag.Help = "Print this help, or a command's, and exit."
			return nil
		}),
	)
	return parser, s, err
}

// Run runs the command that args, without the name of the program, ask for. It returns the
// exit status, and has told on stderr what went wrong.
func Run(args []string, stdout, stderr io.Writer) int {
	exited := -1
	parser, s, err := newParser(stdout, stderr, func(status int) { exited = status })
	if err != nil {
		return exit.Fail(stderr, exit.Failure, err)
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
		err = s.Refused(err)
	}
	if err != nil {
		return exit.Fail(stderr, exit.StatusOf(err), err)
	}
	return exit.OK
}

// helpText returns the help of a flag or an argument with the environment variable that sets
// it. It hides older names of the variable.
func helpText(value *kong.Value) string {
	if len(value.Tag.Envs) < 2 {
		return kong.DefaultHelpValueFormatter(value)
	}
	v, tag := *value, *value.Tag
	tag.Envs = tag.Envs[:1]
	v.Tag = &tag
	return kong.DefaultHelpValueFormatter(&v)
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
