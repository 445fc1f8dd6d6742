package command

import (
	"io"
	"slices"

	"github.com/alecthomas/kong"
)

type helpCmd struct {
	Command []string `arg:"" optional:"" passthrough:"" placeholder:"COMMAND" help:"Name of the command. Default: all commands."`
}

// Help implements kong's.
func (*helpCmd) Help() string {
	return `
Examples:

    gorewind help
    gorewind help publish
`
}

// Run prints what --help prints.
func (c *helpCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	exited := false
	parser, s, err := newParser(kctx.Stdout, stderr, func(int) { exited = true })
	if err != nil {
		return err
	}
	_, err = parser.Parse(slices.Concat(c.Command, []string{"--help"}))
	if err != nil && !exited {
		return s.Refused(err)
	}
	return nil
}
