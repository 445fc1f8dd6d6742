package main

import (
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"reflect"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
	"github.com/pelletier/go-toml/v2"

	"gorewind/internal/exit"
	"gorewind/server"
)

type configCmd struct {
	JSON    bool     `name:"json" help:"Print one JSON document instead of a TOML file. Default: false."`
	Check   bool     `env:"-" help:"Print nothing; look at the endpoints, and at the files of --curve-key and --clients, too, and tell what is wrong with them. Default: false."`
	Command []string `arg:"" optional:"" passthrough:"" placeholder:"COMMAND" help:"The command, and flags of it, all after those of config itself. Default: serve."`
}

// Help implements kong's.
func (*configCmd) Help() string {
	return `
What it prints is a file for --config, which makes that command do the same again.

Examples:

    gorewind config
    gorewind config > gorewind.toml
    gorewind config --config gorewind.toml serve --log-level debug
    gorewind config --json verify
    gorewind config --check --config gorewind.toml
`
}

// Run parses the command line that it was given in the very way in which that would
// be parsed to be run, and prints what came of it.
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
		return s.refused(err)
	}
	warnOfVariables(stderr, asked.Model)
	if c.Check {
		return checkFiles(asked)
	}
	values := s.values(asked)
	if c.JSON {
		e := json.NewEncoder(kctx.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(values)
	}
	return values.toml(kctx.Stdout)
}

// checkFiles reads what serve would read of who may do what: before it is told to read
// that again, when it could only say in its log what is wrong. It looks at the endpoints,
// too, which are not bound.
func checkFiles(asked *kong.Context) error {
	serve, is := asked.Selected().Target.Addr().Interface().(*serveCmd)
	if !is {
		return nil
	}
	for flag, endpoints := range map[string][]string{"router": serve.Router, "pub": serve.Pub} {
		for _, e := range endpoints {
			if err := server.CheckEndpoint(e); err != nil {
				return exit.Misused(fmt.Errorf("--%s %s: %w", flag, e, err))
			}
		}
	}
	return serve.secure(&server.Options{Log: slog.New(slog.DiscardHandler)})
}

// line returns the command line of the command that is asked about. A file that
// config itself was given is that command's.
func (c *configCmd) line(kctx *kong.Context) []string {
	line := c.Command
	if len(line) > 0 && line[0] == "--" {
		line = line[1:]
	}
	if len(line) == 0 || strings.HasPrefix(line[0], "-") {
		line = slices.Concat([]string{"serve"}, line)
	}
	if file := flagNamed(kctx, configFlag); originOf(kctx, file) == onCommandLine {
		line = slices.Concat([]string{"--" + configFlag, file.Target.String()}, line)
	}
	return line
}

// everyArgumentOptional has commands parsed without their arguments, of which there
// is nothing to tell. They get one that passes for a name and for an id.
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
	for _, v := range unknownVariables(model) {
		hint := ""
		if v.nearest != "" {
			hint = "; did you mean " + v.nearest + "?"
		}
		fmt.Fprintf(stderr, "gorewind: no flag has the environment variable %s, which is ignored%s\n", v.name, hint)
	}
}

// inForce are the values of a command's flags.
type inForce struct {
	Command string    `json:"command"`
	Values  []setting `json:"values"`
}

// A setting is the value of one flag.
type setting struct {
	Name   string `json:"name"`
	Value  any    `json:"value"`  // null: none
	Source string `json:"source"` // an origin
	Where  string `json:"where"`

	key bool // of the file
}

// values returns the values of the flags that may be set in other ways too.
func (s *settings) values(kctx *kong.Context) inForce {
	found := inForce{Command: kctx.Selected().Path()}
	for _, flag := range kctx.Flags() {
		if len(flag.Envs) == 0 {
			continue
		}
		from := originOf(kctx, flag)
		v := setting{Name: flag.Name, Source: from.String(), Where: s.where(flag, from), key: isSetting(flag)}
		if from != byDefault || flag.HasDefault || flag.IsBool() || !flag.Target.IsZero() {
			v.Value = plain(flag.Target)
		}
		found.Values = append(found.Values, v)
	}
	return found
}

// plain returns a value as TOML and JSON have it, from which flagToken makes it
// again.
func plain(v reflect.Value) any {
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return nil
		}
		v = v.Elem()
	}
	switch text := v.Addr().Interface().(type) {
	case encoding.TextMarshaler:
		if b, err := text.MarshalText(); err == nil {
			return string(b)
		}
	case fmt.Stringer:
		return text.String()
	}
	switch {
	case v.Kind() == reflect.Slice && v.IsNil():
		return []string{}
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8, v.CanInt(), v.CanUint(), v.CanFloat(), v.Kind() == reflect.Bool:
		return v.Interface()
	}
	return fmt.Sprint(v.Interface())
}

// toml prints a file that has all of it, one key a line, with where each value
// comes from; what is no key, or has no value, is left out of it by a #.
func (f inForce) toml(w io.Writer) error {
	var names, texts []string
	for _, v := range f.Values {
		name, text := v.Name, ""
		if v.Value != nil {
			line, err := toml.Marshal(map[string]any{v.Name: v.Value})
			if err != nil {
				return err
			}
			_, text, _ = strings.Cut(strings.TrimSpace(string(line)), " = ")
		}
		if v.Value == nil || !v.key {
			name = "# " + name
		}
		names, texts = append(names, name), append(texts, text)
	}
	width := func(columns []string) (widest int) {
		for _, c := range columns {
			widest = max(widest, len(c))
		}
		return widest
	}
	lines := []string{fmt.Sprintf("# The values in force for gorewind %s, and where each comes from.", f.Command)}
	for i, v := range f.Values {
		lines = append(lines, fmt.Sprintf("%-*s = %-*s  # %s", width(names), names[i], min(width(texts), 40), texts[i], v.Where))
	}
	_, err := fmt.Fprintln(w, strings.Join(lines, "\n"))
	return err
}
