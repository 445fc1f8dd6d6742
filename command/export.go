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
	File       string   `arg:"" optional:"" default:"-" placeholder:"FILE" help:"File to create; - is standard output. Default: ${default}."`
	After      *id      `env:"-" placeholder:"POSITION" help:"Only commits after this position. Default: from the first."`
	Prefix     *string  `env:"-" placeholder:"PREFIX" help:"Only streams whose names begin with this. Default: all."`
	Glob       []string `env:"-" sep:"none" placeholder:"GLOB" help:"Only streams that match this pattern, in addition to those of --prefix. May be given several times. Default: all."`
	Separator  string   `env:"-" placeholder:"BYTE" help:"Byte that separates the parts of names in patterns. Default: /."`
	Zstd       bool     `env:"-" help:"Compress with Zstandard; implied if FILE ends with .zst. Default: false."`
	Force      bool     `env:"-" short:"f" help:"Overwrite an existing file. Default: false."`
	AcceptLoss bool     `env:"-" help:"Skip events that the store cannot read, instead of failing. Default: false."`
}

// Help implements kong's.
func (*exportCmd) Help() string {
	return `Writes one line of JSON for each commit and for each of its events that was not erased. Each line holds a checksum of all lines before it. The export contains the secret of the store that identifies requests with a key, so only its owner may read the file.

If the export is interrupted, FILE.part keeps what was written, and the same command continues it.

Examples:

    gorewind export everything.jsonl.zst
    gorewind export --prefix account/ accounts.jsonl
    gorewind export --glob 'account/*' --glob 'order/**' some.jsonl.zst
    gorewind export | grep '^{"stream'
`
}

// Validate implements kong's. It reports usage errors.
func (c *exportCmd) Validate() error {
	globs := len(c.Glob)
	if c.Prefix == nil {
		globs--
	}
	switch {
	case globs > wire.MaxAlso:
		return fmt.Errorf("--glob is given %d times; the limit is %d, or one more without --prefix", len(c.Glob), wire.MaxAlso)
	case c.Prefix != nil && len(*c.Prefix) > wire.MaxStream:
		return fmt.Errorf("--prefix has %d bytes; the limit is %d", len(*c.Prefix), wire.MaxStream)
	case c.Separator != "" && len(c.Glob) == 0:
		return errors.New("--separator needs --glob")
	case len(c.Separator) > 1:
		return fmt.Errorf("--separator has %d bytes; give a single one", len(c.Separator))
	}
	for _, glob := range c.Glob {
		if glob == "" || len(glob) > wire.MaxGlob {
			return fmt.Errorf("--glob has %d bytes; give 1 to %d", len(glob), wire.MaxGlob)
		}
	}
	return nil
}

// Run exports everything up to the last position at its start, unless a signal stops it.
func (c *exportCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	if c.File == "-" && term.IsScreen(kctx.Stdout) {
		return exit.UsageError("an export holds the secret of the store and is not for a terminal; give FILE, or pipe it on")
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
		return fmt.Errorf("%w; create the directory first, or choose another file", err)
	case errors.Is(err, backup.ErrExists):
		return fmt.Errorf("%w; choose another name, or overwrite it with --force", err)
	case isInterrupted(err) && c.File != "-":
		return fmt.Errorf("%w before the end; run the same command to continue %s.part", err, c.File)
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

// exportedText says what an export holds.
func exportedText(t *backup.Trailer) string {
	text := fmt.Sprintf("exported: %s of %s, %s, up to position %d", term.Counted(t.Events, "event"), term.Counted(t.Bytes, "byte"), term.Counted(t.Commits, "commit"), t.End)
	if t.Erased > 0 {
		text += fmt.Sprintf("; erased: %s", term.Counted(t.Erased, "event"))
	}
	if t.Lost > 0 {
		text += fmt.Sprintf("; LOST: %s", term.Counted(t.Lost, "event"))
	}
	return text
}
