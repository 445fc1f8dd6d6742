package command

import (
	"fmt"

	"github.com/alecthomas/kong"

	"gorewind/internal/keyfile"
)

type keygenCmd struct {
	Name string `arg:"" help:"Base name of the two files: NAME.key_secret, for the owner of the key only, and NAME.key, the public key."`
}

// Help implements kong's.
func (*keygenCmd) Help() string {
	return `
Prints the public key. Add that of a client to the file that serve --clients names:

    [[client]]
    name = "billing"
    key = 'the key that keygen printed'
    read = ["**"]
    write = ["account/*"]

Examples:

    gorewind keygen server
    gorewind keygen billing
    gorewind serve --curve-key server.key_secret --clients clients.toml
    gorewind ping --client-key billing.key_secret --server-key server.key
`
}

// Run generates a key pair.
func (c *keygenCmd) Run(kctx *kong.Context) error {
	public, err := keyfile.Generate(c.Name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(kctx.Stdout, public)
	return err
}
