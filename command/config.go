package command

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"gorewind/internal/config"
	"gorewind/internal/exit"
	"gorewind/server"
)

type configCmd struct {
	JSON    bool     `name:"json" help:"Print one JSON document instead of a TOML file. Default: false."`
	Check   bool     `env:"-" help:"Print nothing; check the endpoints and the files of --curve-key and --clients, and report what is wrong with them. Default: false."`
	Command []string `arg:"" optional:"" passthrough:"" placeholder:"COMMAND" help:"Command and its flags, after the flags of config itself. Default: serve."`
}

// Help implements kong's.
func (*configCmd) Help() string {
	return `
The output is a valid file for --config that reproduces the settings. Relative paths in such a file are relative to its directory.

Examples:

    gorewind config
    gorewind config > gorewind.toml
    gorewind config --config gorewind.toml serve --log-level debug
    gorewind config --json verify
    gorewind config --check --config gorewind.toml
`
}

// Run parses the given command line exactly as if it were run, and prints the values.
func (c *configCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	exited := false
	parser, s, err := newParser(kctx.Stdout, stderr, func(int) { exited = true })
	if err != nil {
		return err
	}
	everyArgumentOptional(parser.Model.Node)
	asked, err := parser.Parse(c.line(kctx))
	if exited {
		return nil
	}
	if err != nil {
		return s.Refused(err)
	}
	warnOfVariables(stderr, asked.Model)
	if c.Check {
		return checkFiles(asked)
	}
	values := s.Values(asked)
	if c.JSON {
		e := json.NewEncoder(kctx.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(values)
	}
	return values.WriteTOML(kctx.Stdout)
}

// checkFiles checks the endpoints of serve, without binding them, and reads the files of
// --curve-key and --clients. A running daemon could only log what is wrong with them after
// SIGHUP.
func checkFiles(asked *kong.Context) error {
	serve, is := asked.Selected().Target.Addr().Interface().(*serveCmd)
	if !is {
		return nil
	}
	for flag, endpoints := range map[string][]string{"router": serve.Router, "pub": serve.Pub} {
		for _, e := range endpoints {
			if err := server.CheckEndpoint(e); err != nil {
				return exit.AsUsage(fmt.Errorf("--%s %s: %w", flag, e, err))
			}
		}
	}
	security := serve.security.options()
	return security.Secure(&server.Options{Log: slog.New(slog.DiscardHandler)})
}

// line returns the command line to parse. It passes a --config of config itself on.
func (c *configCmd) line(kctx *kong.Context) []string {
	line := c.Command
	if len(line) > 0 && line[0] == "--" {
		line = line[1:]
	}
	if len(line) == 0 || strings.HasPrefix(line[0], "-") {
		line = slices.Concat([]string{"serve"}, line)
	}
	for _, name := range []string{config.FileFlag, config.ContextFlag} {
		if flag := config.FlagNamed(kctx, name); config.OriginOf(kctx, flag) == config.OnCommandLine {
			line = slices.Concat([]string{"--" + name, flag.Target.String()}, line)
		}
	}
	return line
}

// everyArgumentOptional lets commands be parsed without their arguments, which config does
// not print. Each argument gets a default that is a valid name and a valid id.
func everyArgumentOptional(node *kong.Node) {
	for _, argument := range node.Positional {
		argument.Required, argument.Enum, argument.Tag.Enum = false, "", ""
		argument.HasDefault, argument.Default = true, "1"
	}
	for _, child := range node.Children {
		everyArgumentOptional(child)
	}
}

func warnOfVariables(stderr io.Writer, model *kong.Application) {
	for _, v := range config.UnknownVariables(model) {
		hint := ""
		if v.Nearest != "" {
			hint = "; did you mean " + v.Nearest + "?"
		}
		fmt.Fprintf(stderr, "gorewind: unknown environment variable %s ignored%s\n", v.Name, hint)
	}
}
