package command

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"gorewind/internal/complete"
	"gorewind/internal/term"
)

type completionCmd struct {
	Shell string `arg:"" enum:"bash, zsh, fish" help:"The shell: ${enum}."`
}

// Help implements kong's.
func (*completionCmd) Help() string {
	return `
For the current shell, and for all future ones (create the directory if it is missing):

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
	Words []string `arg:"" optional:"" help:"Words of the command line; the last one is to be completed."`
}

// Run prints the kind of the completions of the last word and then, if they are words, one a
// line, with its meaning after a tab.
func (c *completeCmd) Run(kctx *kong.Context) error {
	if len(c.Words) == 0 {
		c.Words = []string{""}
	}
	found := complete.Find(kctx.Model.Node, c.Words)
	if found.Kind == "streams" {
		last := len(c.Words) - 1
		found = complete.Completions{Kind: "words", Words: streamsOf(c.Words[:last], c.Words[last])}
	}
	fmt.Fprintln(kctx.Stdout, found.Kind)
	for _, w := range found.Words {
		fmt.Fprintf(kctx.Stdout, "%s\t%s\n", w.Text, w.Meaning)
	}
	return nil
}

const (
	completionTime  = time.Second // longest time that a shell waits
	completionNames = 200         // nobody reads more
)

// streamsOf returns the names of streams that begin with prefix. It asks the daemon that the
// command line so far, the environment, the file and the context name. If none answers, it
// returns nothing: a shell that completes has nowhere to print an error.
func streamsOf(line []string, prefix string) (found []complete.Word) {
	parser, _, err := newParser(io.Discard, io.Discard, func(int) {})
	if err != nil {
		return nil
	}
	everyArgumentOptional(parser.Model.Node)
	parsed, err := parser.Parse(line)
	if err != nil || parsed.Selected() == nil {
		return nil
	}
	client, ok := parsed.Selected().Target.Addr().Interface().(interface{ flags() *connection })
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), completionTime)
	defer cancel()
	cl, err := client.flags().dial(ctx)
	if err != nil {
		return nil
	}
	defer cl.Close()
	for s, err := range cl.Streams(ctx, prefix, "") {
		if err != nil || len(found) == completionNames {
			break
		}
		if s.Name == term.Harmless(s.Name) && !strings.ContainsAny(s.Name, needsQuotes) {
			found = append(found, complete.Word{Text: s.Name, Meaning: "stream"})
		}
	}
	return found
}

// needsQuotes are characters that a shell does not take as they are.
const needsQuotes = " '\"\\$`*?[](){}<>|&;~#!"
