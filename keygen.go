package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/alecthomas/kong"

	"gorewind/server"
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
	secretFile, publicFile := c.Name+".key_secret", c.Name+".key"
	if _, err := os.Lstat(publicFile); err == nil {
		return fmt.Errorf("%s is there already; choose another name, or remove it if nobody uses it", publicFile)
	}
	pair, err := server.NewCurve()
	if err != nil {
		return err
	}
	if err := create(secretFile, 0o600, certificate(pair.Public, pair.Secret)); err != nil {
		return err
	}
	if err := create(publicFile, 0o644, certificate(pair.Public, "")); err != nil {
		return errors.Join(err, os.Remove(secretFile))
	}
	_, err = fmt.Fprintln(kctx.Stdout, pair.Public)
	return err
}

// create writes a file that is not there yet.
func create(name string, mode fs.FileMode, text string) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s is there already; choose another name, or remove it if nobody uses it", name)
	}
	if err != nil {
		return fmt.Errorf("cannot write a key: %w; choose another place", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(fmt.Errorf("cannot write a key: %w; choose another place", err), os.Remove(name))
	}
	return nil
}
