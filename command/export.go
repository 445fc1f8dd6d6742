package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/alecthomas/kong"

	"gorewind/backup"
	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/internal/term"
	"gorewind/wire"
)

type exportCmd struct {
	connection
	File       string   `arg:"" optional:"" default:"-" placeholder:"FILE" help:"The file to be made; - is the standard output. Default: ${default}."`
	After      *id      `env:"-" placeholder:"POSITION" help:"Only what came after this position. Default: from the first."`
	Prefix     *string  `env:"-" placeholder:"PREFIX" help:"Only streams whose names begin so. Default: all."`
	Glob       []string `env:"-" sep:"none" placeholder:"GLOB" help:"Only streams that match, besides those of --prefix. May be given several times. Default: all."`
	Separator  string   `env:"-" placeholder:"OCTET" help:"The separator of the parts of names in globs. Default: /."`
	Zstd       bool     `env:"-" help:"Compress it with Zstandard, as a file whose name ends with .zst is. Default: false."`
	Force      bool     `env:"-" short:"f" help:"Replace a file that is there. Default: false."`
	AcceptLoss bool     `env:"-" help:"Go on without events that the store cannot read; without it, that is an error. Default: false."`
}

// Help implements kong's.
func (*exportCmd) Help() string {
	return `It is a line of JSON for each commit, with what it did, and for each of its events that was not erased; each line proves all before it. It holds the secret that tells requests with a key apart: the file is for its owner only.

What was interrupted is kept in FILE.part, and the same command goes on with it.

Examples:

    gorewind export everything.jsonl.zst
    gorewind export --prefix account/ accounts.jsonl
    gorewind export --glob 'account/*' --glob 'order/**' some.jsonl.zst
    gorewind export | grep '^{"stream'
`
}

// Validate implements kong's: what it refuses was not asked properly.
func (c *exportCmd) Validate() error {
	globs := len(c.Glob)
	if c.Prefix == nil {
		globs--
	}
	switch {
	case globs > wire.MaxAlso:
		return fmt.Errorf("--glob is given %d times; it may be %d times, and once more without --prefix", len(c.Glob), wire.MaxAlso)
	case c.Prefix != nil && len(*c.Prefix) > wire.MaxStream:
		return fmt.Errorf("--prefix has %d octets; it may have %d", len(*c.Prefix), wire.MaxStream)
	case c.Separator != "" && len(c.Glob) == 0:
		return errors.New("--separator means nothing without --glob")
	case len(c.Separator) > 1:
		return fmt.Errorf("--separator has %d octets; give one", len(c.Separator))
	}
	for _, glob := range c.Glob {
		if glob == "" || len(glob) > wire.MaxGlob {
			return fmt.Errorf("--glob has %d octets; it may have 1 to %d", len(glob), wire.MaxGlob)
		}
	}
	return nil
}

// Run exports until everything there was is in the file, or a signal comes.
func (c *exportCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	if c.File == "-" && term.IsScreen(kctx.Stdout) {
		return exit.UsageError("an export is not for a terminal, and holds the secret of the store; give FILE, or pipe it on")
	}
	line := term.NewProgress(stderr)
	o := backup.ExportOptions{
		Selection: c.selection(), Compress: c.Zstd || strings.HasSuffix(c.File, ".zst"), Force: c.Force, AcceptLoss: c.AcceptLoss,
		Progress: func(position, of uint64) { line.Show("exporting", int64(position), int64(of), backup.Positions) },
	}
	if c.After != nil {
		o.After = uint64(*c.After)
	}
	var t backup.Trailer
	to := kctx.Stdout
	err := c.withClient(copyHints, func(ctx context.Context, cl *client.Client) (err error) {
		if c.File == "-" {
			t, err = backup.Export(ctx, backup.Daemon{Client: cl}, kctx.Stdout, o)
			to = stderr
		} else {
			t, err = backup.ExportFile(ctx, backup.Daemon{Client: cl}, c.File, o)
		}
		return err
	})
	line.Clear()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("%w; make the directory first, or choose another file", err)
	case errors.Is(err, backup.ErrExists):
		return fmt.Errorf("%w; choose another name, or replace it with --force", err)
	case isInterrupted(err) && c.File != "-":
		return fmt.Errorf("%w before the end; the same command goes on with %s.part", err, c.File)
	case err != nil:
		return err
	}
	_, err = fmt.Fprintln(to, exportedText(&t))
	return err
}

func (c *exportCmd) selection() *backup.Selection {
	if c.Prefix == nil && len(c.Glob) == 0 {
		return nil
	}
	return &backup.Selection{Prefix: c.Prefix, Globs: c.Glob, Separator: c.Separator}
}

// exportedText says what an export has.
func exportedText(t *backup.Trailer) string {
	text := fmt.Sprintf("exported: %s of %s, %s, up to the position %d", term.Counted(t.Events, "event"), term.Counted(t.Bytes, "octet"), term.Counted(t.Commits, "commit"), t.End)
	if t.Erased > 0 {
		text += fmt.Sprintf("; erased: %s", term.Counted(t.Erased, "event"))
	}
	if t.Lost > 0 {
		text += fmt.Sprintf("; LOST: %s", term.Counted(t.Lost, "event"))
	}
	return text
}
