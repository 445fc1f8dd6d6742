package command

import (
	"fmt"
	"go/doc/comment"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"gorewind/internal/exit"
	"gorewind/internal/version"
)

type manCmd struct{}

// Help implements kong's.
func (manCmd) Help() string {
	return `
Examples:

    gorewind man | man -l -
    gorewind man | gzip -9n > /usr/local/share/man/man1/gorewind.1.gz
`
}

// Run prints the manual page. It has the texts of --help.
func (manCmd) Run(kctx *kong.Context) error {
	p := &page{w: kctx.Stdout}
	p.macro("TH", "GOREWIND", "1", "", "gorewind "+version.Number, "Gorewind")
	p.line(".nh")   // no hyphens in names,
	p.line(".ad l") // and no gaps beside them
	p.macro("SH", "NAME")
	p.text("gorewind - " + summary)
	p.macro("SH", "SYNOPSIS")
	p.bold("gorewind")
	p.text("COMMAND [ARGUMENT...] [FLAG...]")
	p.macro("SH", "DESCRIPTION")
	p.text(description)
	for _, group := range groups {
		p.macro("SH", strings.ToUpper(strings.TrimSuffix(group.Title, ":")))
		for _, command := range kctx.Model.Leaves(true) {
			if of := command.ClosestGroup(); of != nil && of.Key == group.Key {
				p.command(command)
			}
		}
	}
	p.macro("SH", "FLAGS OF EVERY COMMAND")
	p.flags(kctx.Model.Flags)
	p.prose(aboutConfiguration)
	return p.err
}

// aboutConfiguration ends the page.
const aboutConfiguration = `
# CONFIGURATION

The value of a flag is the one that the command line gives, else that of its environment variable, else that of the file which --config or GOREWIND_CONFIG names, else its default. A context that --context names overrides the environment and the file; another one is used by clients if nothing else gives an endpoint. The variable is called GOREWIND_ and the flag's name in capitals, with _ for -. A list is separated by commas there.

The file is TOML. A key is the name of a flag, of whatever command; a command takes those that it has. There are no tables. A key that no command has is refused, and so is a value of another type than the flag's:

    router = ["tcp://127.0.0.1:9002", "ipc:///run/gorewind/router"]
    data-dir = "/var/lib/gorewind/data"
    max-event-bytes = 65536

A relative path in the file is relative to the directory of the file, and ~/ is the home directory of who runs gorewind. No file is read by default. gorewind config prints the values in force as such a file.

# FILES

gorewind serve keeps its store in the directory data of the working directory, unless --data-dir names another. Only one process can use a store at a time.

# EXIT STATUS

` + exit.About + `

# SEE ALSO

README.rst and protocol.md, distributed with gorewind.
`

// A page writes a manual page with the macros of man(7).
type page struct {
	w   io.Writer
	err error // the first
}

func (p *page) line(text string) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.w, text)
	}
}

// literal escapes text for troff.
var literal = strings.NewReplacer(`\`, `\e`, `-`, `\-`, `'`, `\(aq`, `"`, `\(dq`, "`", `\(ga`, `^`, `\(ha`, `~`, `\(ti`)

func (p *page) macro(name string, arguments ...string) {
	line := "." + name
	for _, a := range arguments {
		line += ` "` + literal.Replace(a) + `"`
	}
	p.line(line)
}

func (p *page) bold(text string) { p.macro("B", text) }

// text prints a paragraph, a part of one, or a literal line.
func (p *page) text(text string) {
	text = literal.Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	p.line(text)
}

// command prints the section of a command.
func (p *page) command(c *kong.Node) {
	p.macro("SS", c.FullPath())
	synopsis := strings.TrimSpace(strings.TrimPrefix(c.Summary(), c.Path()))
	p.bold(c.FullPath())
	if synopsis != "" {
		p.text(synopsis)
	}
	p.macro("PP")
	p.text(c.Help)
	for _, a := range c.Positional {
		p.macro("TP")
		p.bold(a.Summary())
		p.text(helpText(a))
	}
	for node := c; node.Parent != nil; node = node.Parent {
		p.flags(node.Flags)
	}
	p.prose(c.Detail)
}

func (p *page) flags(flags []*kong.Flag) {
	for _, flag := range flags {
		if flag.Hidden {
			continue
		}
		p.macro("TP")
		p.bold(flag.String())
		p.text(helpText(flag.Value))
	}
}

// prose prints text in the format of Go's doc comments, which kong's help uses too.
func (p *page) prose(text string) {
	var parser comment.Parser
	for _, block := range parser.Parse(strings.TrimSpace(text)).Content {
		switch b := block.(type) {
		case *comment.Heading:
			p.macro("SH", plainText(b.Text))
		case *comment.Code:
			p.macro("PP")
			p.macro("EX")
			for line := range strings.Lines(b.Text) {
				p.text("    " + strings.TrimSuffix(line, "\n"))
			}
			p.macro("EE")
		case *comment.Paragraph:
			p.macro("PP")
			p.text(plainText(b.Text))
		case *comment.List:
			for _, item := range b.Items {
				p.macro("IP", "*")
				for _, inner := range item.Content {
					if paragraph, ok := inner.(*comment.Paragraph); ok {
						p.text(plainText(paragraph.Text))
					}
				}
			}
		}
	}
}

// plainText returns text in one line.
func plainText(parts []comment.Text) string {
	var b strings.Builder
	for _, part := range parts {
		switch t := part.(type) {
		case comment.Plain:
			b.WriteString(string(t))
		case comment.Italic:
			b.WriteString(string(t))
		case *comment.Link:
			b.WriteString(plainText(t.Text))
		case *comment.DocLink:
			b.WriteString(plainText(t.Text))
		}
	}
	return strings.Join(strings.Fields(b.String()), " ")
}
