package command

import (
	"fmt"

	"github.com/alecthomas/kong"

	"gorewind/internal/keyfile"
)

type keygenCmd struct {
	Name string `arg:"" help:"What the files are called that it makes: NAME.key_secret, for whoever is to have the key, and NAME.key, which everybody may see."`
}

// Help implements kong's.
func (*keygenCmd) Help() string {
	return `
It prints the public key. That of a client goes into the file that serve --clients names:

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

// Run makes a key pair.
func (c *keygenCmd) Run(kctx *kong.Context) error {
	public, err := keyfile.Generate(c.Name)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(kctx.Stdout, public)
	return err
}
