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
	return `It prints what the daemon says of itself and of its store, a fact a line: its version, the store's id and generation, the position of the last commit, how many erasures are still to leave the disk, and limits.

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

// factValue returns a number where a fact is one. A store's id is hex, which may
// look like one.
func factValue(name, value string) any {
	if _, err := strconv.ParseUint(value, 10, 64); err != nil || name == "store" {
		return value
	}
	return json.Number(value)
}
