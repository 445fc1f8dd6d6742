package command

import (
	"fmt"

	"github.com/alecthomas/kong"

	"gorewind/internal/version"
)

type versionCmd struct{}

// Help implements kong's.
func (versionCmd) Help() string {
	return `
Example:

    gorewind version
`
}

// Run prints what --version prints.
func (versionCmd) Run(kctx *kong.Context) error {
	_, err := fmt.Fprintln(kctx.Stdout, "gorewind", version.Number)
	return err
}
