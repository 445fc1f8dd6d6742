package command

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/alecthomas/kong"

	"gorewind/internal/config"
	"gorewind/internal/exit"
	"gorewind/server"
)

type contextCmd struct {
	Action    string `arg:"" enum:"add, list, use, show, remove" help:"What to do: ${enum}."`
	Name      string `arg:"" optional:"" help:"Name of the context. Without it, use selects no context, and show shows the current one."`
	Connect   string `env:"-" short:"s" placeholder:"ENDPOINT" help:"add: where the daemon takes requests. Default: none."`
	Subscribe string `env:"-" placeholder:"ENDPOINT" help:"add: where it broadcasts. Default: none."`
	ClientKey string `env:"-" placeholder:"FILE" help:"add: show this CURVE key, a file NAME.key_secret. Default: none."`
	ServerKey string `env:"-" placeholder:"FILE" help:"add: the daemon's public CURVE key, a file NAME.key or the key itself. Default: none."`
}

// Help implements kong's.
func (*contextCmd) Help() string {
	return `A context keeps the endpoints of a daemon, and your keys for it, under a name, so that you need not type them. A context that --context names overrides the environment and the configuration file. One that GOREWIND_CONTEXT names, or else the current one, is used if nothing else gives an endpoint. An empty name means no context. gorewind config shows what is in force. bench uses no context. Contexts are kept in your configuration directory; keys stay in their files.

Examples:

    gorewind context add prod --connect tcp://192.0.2.1:9002 --client-key me.key_secret --server-key server.key
    gorewind context use prod
    gorewind context list
    gorewind ping --context prod
`
}

// Validate implements kong's. It reports usage errors.
func (c *contextCmd) Validate() error {
	given := c.Connect + c.Subscribe + c.ClientKey + c.ServerKey
	switch {
	case c.Action == "add" && c.Connect == "" && c.Subscribe == "":
		return errors.New("add needs --connect or --subscribe; give the endpoints of the daemon")
	case c.Action != "add" && given != "":
		return fmt.Errorf("%s takes no endpoints and keys; leave them out", c.Action)
	case c.Action == "list" && c.Name != "":
		return errors.New("list takes no name; leave it out")
	case c.Name == "" && (c.Action == "add" || c.Action == "remove"):
		return errors.New("which context? Give NAME")
	case c.Name == "":
		return nil
	}
	return config.CheckContext(c.Name)
}

// Run does what was asked for.
func (c *contextCmd) Run(kctx *kong.Context) error {
	contexts, err := config.UserContexts()
	if err != nil {
		return err
	}
	switch c.Action {
	case "add":
		return c.add(kctx.Stdout, contexts)
	case "use":
		return contexts.Use(c.Name)
	case "remove":
		return contexts.Remove(c.Name)
	case "show":
		return c.show(kctx.Stdout, contexts)
	}
	return c.list(kctx.Stdout, contexts)
}

// add makes a context of keys that can be read.
func (c *contextCmd) add(stdout io.Writer, contexts config.Contexts) error {
	k := keys{ClientKey: c.ClientKey, ServerKey: c.ServerKey}
	if _, err := k.curve(); err != nil {
		return err
	}
	for _, file := range []*string{&c.ClientKey, &c.ServerKey} {
		if *file == "" || server.IsKey(*file) {
			continue
		}
		path, err := filepath.Abs(*file)
		if err != nil {
			return err
		}
		*file = path
	}
	err := contexts.Add(c.Name, config.Context{Connect: c.Connect, Subscribe: c.Subscribe, ClientKey: c.ClientKey, ServerKey: c.ServerKey})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(stdout, "added: %s; use it with --context %s, or always with: gorewind context use %s\n", c.Name, c.Name, c.Name)
	return err
}

// show prints a context, as the TOML file that it is.
func (c *contextCmd) show(stdout io.Writer, contexts config.Contexts) (err error) {
	if c.Name == "" {
		if c.Name, err = contexts.Current(); err != nil {
			return err
		}
	}
	if c.Name == "" {
		return exit.UsageError("no context is in use; give NAME, or choose one with gorewind context use")
	}
	text, err := contexts.Show(c.Name)
	if err != nil {
		return err
	}
	_, err = stdout.Write(text)
	return err
}

// list prints a line for each context, with tabs between its columns: a * if it is the
// current one, its name, and its endpoint for requests.
func (c *contextCmd) list(stdout io.Writer, contexts config.Contexts) error {
	names, err := contexts.List()
	if err != nil {
		return err
	}
	current, err := contexts.Current()
	if err != nil {
		return err
	}
	for _, name := range names {
		context, err := contexts.Read(name)
		if err != nil {
			return err
		}
		mark := ""
		if name == current {
			mark = "*"
		}
		if _, err := fmt.Fprintf(stdout, "%s\t%s\t%s\n", mark, name, context.Connect); err != nil {
			return err
		}
	}
	return nil
}
