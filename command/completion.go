package command

import (
	_ "embed"
	"fmt"

	"github.com/alecthomas/kong"
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

// The scripts ask gorewind complete, so that they know no command or flag
// themselves, and never get old.
var (
	//go:embed completion.bash
	bashScript string
	//go:embed completion.zsh
	zshScript string
	//go:embed completion.fish
	fishScript string
)

// Run prints the script.
func (c *completionCmd) Run(kctx *kong.Context) error {
	script := map[string]string{"bash": bashScript, "zsh": zshScript, "fish": fishScript}[c.Shell]
	_, err := fmt.Fprint(kctx.Stdout, script)
	return err
}
