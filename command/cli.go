// Package command is gorewind's command line. Each command has a file of its name, with its
// flags and its Run method. cli.go lists the commands and runs one. kong turns each exported
// field into a flag, under the field's name or the name in its tag.
//
// Code that commands share: session.go connects to a daemon, explain.go rewrites the daemon's
// errors for users, selection.go, input.go, output.go, id.go and timeflag.go hold flags and
// arguments, lines.go implements publish --lines, and copies.go reports on copies. The package
// builds on the public packages and on internal. It handles neither sockets nor terminals.
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
	summary     = "an event store that speaks ZeroMQ"
	description = "An event store that speaks ZeroMQ. A ROUTER socket takes requests; a PUB socket broadcasts every event that is on disk."
)

// cli lists the commands. An environment variable sets a flag too: GOREWIND_ and the flag's
// name in capitals, with _ for -. So does a key of the file that --config names. The tag
// env:"-" rules both out. Flags that describe a single request have it: a forgotten variable
// must not answer delete's question.
type cli struct {
	File    string           `name:"config" short:"c" placeholder:"FILE" help:"Read flags that are not given from this TOML file; each key is the name of a flag. Default: none."`
	Context string           `name:"context" placeholder:"NAME" help:"Ask the daemon of this context, rather than of the one that gorewind context use chose. Default: none."`
	Version kong.VersionFlag `env:"-" short:"v" help:"Print the version and exit."`

	Serve  serveCmd  `cmd:"" group:"serve" help:"Run the daemon until SIGTERM or SIGINT."`
	Keygen keygenCmd `cmd:"" group:"serve" help:"Generate a CURVE key pair for a daemon or a client."`
	Config configCmd `cmd:"" group:"serve" help:"Print the value of each flag and where it comes from."`

	Contexts  contextCmd   `cmd:"" name:"context" group:"use" help:"Keep endpoints and keys under a name."`
	Publish   publishCmd   `cmd:"" group:"use" help:"Append events to a stream."`
	Append    appendCmd    `cmd:"" group:"use" help:"Store events in several streams, all or none."`
	Query     queryCmd     `cmd:"" group:"use" help:"Print the events of one or more streams."`
	Follow    followCmd    `cmd:"" group:"use" help:"Print stored events, then new ones as they arrive."`
	Subscribe subscribeCmd `cmd:"" group:"use" help:"Print broadcasts as they arrive."`
	Streams   streamsCmd   `cmd:"" group:"use" help:"List streams."`
	Replace   replaceCmd   `cmd:"" group:"use" help:"Replace the data of an event."`
	Delete    deleteCmd    `cmd:"" group:"use" help:"Delete the first events of a stream, or all of them."`
	Commit    commitCmd    `cmd:"" group:"use" help:"Record how far a consumer has read."`
	Cursor    cursorCmd    `cmd:"" group:"use" help:"Print how far a consumer has read."`
	Wait      waitCmd      `cmd:"" group:"use" help:"Wait until a consumer has processed an event."`
	Info      infoCmd      `cmd:"" group:"use" help:"Print facts about a daemon and its store."`
	Ping      pingCmd      `cmd:"" group:"use" help:"Check that a daemon answers, and print which store it serves."`
	Bench     benchCmd     `cmd:"" group:"use" help:"Measure a daemon, and the limits of this machine next to it."`

	Verify verifyCmd `cmd:"" group:"store" help:"Check a whole store for damage, while no daemon uses it."`
	Repair repairCmd `cmd:"" group:"store" help:"Repair a damaged store. Nothing is given up without --accept-loss."`

	Backup  backupCmd  `cmd:"" group:"copy" help:"Create or update a backup of a daemon's store while it serves."`
	Restore restoreCmd `cmd:"" group:"copy" help:"Create a store from a backup."`
	Export  exportCmd  `cmd:"" group:"copy" help:"Export a daemon's store as JSON lines while it serves."`
	Import  importCmd  `cmd:"" group:"copy" help:"Create a store from an export, or append its events to a daemon's store."`

	HelpOn      helpCmd       `cmd:"" name:"help" group:"shell" help:"Print help for gorewind or for a command."`
	ShowVersion versionCmd    `cmd:"" name:"version" group:"shell" help:"Print the version."`
	Completion  completionCmd `cmd:"" group:"shell" help:"Print a completion script for a shell."`
	Complete    completeCmd   `cmd:"" hidden:"" passthrough:"" help:"Print completions of the last word."`
	Man         manCmd        `cmd:"" group:"shell" help:"Print the manual page."`
}

// Help implements kong's.
func (*cli) Help() string {
	return `Quick start, with the daemon in its own terminal:

    gorewind serve
    gorewind publish greetings 'Hello, world!'
    gorewind query greetings
    gorewind follow greetings

Exit status. ` + exit.About
}

// groups are the headings of the commands in the help. In cli, the commands of a group stand
// together.
var groups = []kong.Group{
	{Key: "serve", Title: "Run a daemon:"},
	{Key: "use", Title: "Use a daemon:"},
	{Key: "store", Title: "Check and repair a store:"},
	{Key: "copy", Title: "Back up and copy a store:"},
	{Key: "shell", Title: "Help and setup:"},
}

// newParser returns a parser of command lines, and the settings that supply flags which the
// command line does not give. The parser calls exit after --help and --version.
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
			k.Model.HelpFlag.Help = "Print help for gorewind or for a command, and exit."
			return nil
		}),
	)
	return parser, s, err
}

// Run runs the command that args name; args[0] is the first argument, not the program. It
// prints an error on stderr and returns the exit status.
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

// verbatim maps a string to a flag unchanged. kong's own mapper goes through JSON, which
// replaces bytes that are not UTF-8.
func verbatim(ctx *kong.DecodeContext, target reflect.Value) error {
	t, err := ctx.Scan.PopValue("string")
	if err == nil {
		target.SetString(t.String())
	}
	return err
}
