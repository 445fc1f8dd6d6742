package command

import (
	"context"
	"encoding/json"
	"strconv"

	"github.com/alecthomas/kong"

	"gorewind/client"
	"gorewind/internal/render"
	"gorewind/internal/term"
)

type infoCmd struct {
	connection
	textOrJSON
}

// Help implements kong's.
func (*infoCmd) Help() string {
	return `Prints one fact a line: the version of the daemon, the id and generation of the store, the position of the last commit, how many erasures are still to be purged from disk, and the limits.

Examples:

    gorewind info
    gorewind info --json | jq .position
`
}

// Run prints facts.
func (c *infoCmd) Run(kctx *kong.Context) error {
	return c.withClient(nil, func(ctx context.Context, cl *client.Client) error {
		info, err := cl.Info(ctx)
		if err != nil {
			return err
		}
		if c.wantsJSON() {
			facts := make(map[string]any)
			for _, f := range info.Facts {
				facts[f.Name] = factValue(f.Name, f.Value)
			}
			_, err := kctx.Stdout.Write(render.AppendJSONLine(nil, facts))
			return err
		}
		p, t := term.Palette{Coloured: term.TakesColour(kctx.Stdout)}, term.NewTable(kctx.Stdout, term.Left, term.Left)
		for _, f := range info.Facts {
			if err := t.Row(p.Text(term.Dim, f.Name), string(term.AppendEscaped(nil, []byte(f.Value)))); err != nil {
				return err
			}
		}
		return t.Flush()
	})
}

// factValue returns the value of a fact, as a number if it is one. The id of a store is hex,
// which may look like a number.
func factValue(name, value string) any {
	if _, err := strconv.ParseUint(value, 10, 64); err != nil || name == "store" {
		return value
	}
	return json.Number(value)
}
