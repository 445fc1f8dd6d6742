package command

import (
	"fmt"

	"github.com/alecthomas/kong"

	"gorewind/internal/complete"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash, zsh, fish" help:"The shell: ${enum}."`
}

// Help implements kong's.
func (*completionCmd) Help() string {
	return `
In a shell that runs, and for every one to come; make the directory if there is none:

    source <(gorewind completion bash)
    gorewind completion bash > ~/.local/share/bash-completion/completions/gorewind

    source <(gorewind completion zsh)
    gorewind completion zsh > /usr/local/share/zsh/site-functions/_gorewind

    gorewind completion fish | source
    gorewind completion fish > ~/.config/fish/completions/gorewind.fish
`
}

// Run prints the script.
func (c *completionCmd) Run(kctx *kong.Context) error {
	_, err := fmt.Fprint(kctx.Stdout, complete.Scripts[c.Shell])
	return err
}

type completeCmd struct {
	Words []string `arg:"" optional:"" help:"The command line so far; the last word is the one to complete."`
}

// Run prints what the last word may become: first what kind of completions there
// are, then, if they are words, one a line, with what it means after a tab.
func (c *completeCmd) Run(kctx *kong.Context) error {
	if len(c.Words) == 0 {
		c.Words = []string{""}
	}
	found := complete.Find(kctx.Model.Node, c.Words)
	fmt.Fprintln(kctx.Stdout, found.Kind)
	for _, w := range found.Words {
		fmt.Fprintf(kctx.Stdout, "%s\t%s\n", w.Text, w.Meaning)
	}
	return nil
}
