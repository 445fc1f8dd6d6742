package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/alecthomas/kong"

	"gorewind/backup"
)

type exportCmd struct {
	connection
	File       string   `arg:"" optional:"" default:"-" help:"The file to be made; - is the standard output. Default: ${default}."`
	After      uint64   `placeholder:"POSITION" help:"Only what came after this position. Default: 0."`
	Prefix     *string  `placeholder:"PREFIX" help:"Only streams whose names begin so. Default: all."`
	Glob       []string `sep:"none" placeholder:"GLOB" help:"Only streams that match, besides those of --prefix; several times. Default: all."`
	Separator  string   `placeholder:"OCTET" help:"Of the parts of names, in globs. Default: /."`
	Zstd       bool     `help:"Compress with Zstandard, as for a file that ends with .zst. Default: false."`
	Force      bool     `help:"Replace a file that is there. Default: false."`
	AcceptLoss bool     `help:"Go on without events that the store cannot read; without it, that is an error. Default: false."`
}

// Validate implements kong's.
func (c *exportCmd) Validate() error {
	switch globs := len(c.Glob); {
	case globs > 17 || c.Prefix != nil && globs > 16:
		return fmt.Errorf("--glob is given %d times; give 16 at most, beside --prefix or one more", globs)
	case len(c.Separator) > 1:
		return fmt.Errorf("--separator is %q; give one octet", c.Separator)
	case c.Separator != "" && globs == 0:
		return errors.New("--separator means nothing without --glob")
	}
	return nil
}

// Run exports until everything there was is in the file, or a signal comes.
func (c *exportCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	ctx, stop := untilSignal()
	defer stop()
	cl, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	line := newPercentLine(stderr)
	o := backup.ExportOptions{
		After: c.After, Selection: c.selection(), Compress: c.Zstd || strings.HasSuffix(c.File, ".zst"), Force: c.Force, AcceptLoss: c.AcceptLoss,
		Progress: func(position, of uint64) { line.show("exporting", int64(position), int64(of)) },
	}
	var t backup.Trailer
	to := kctx.Stdout
	if c.File == "-" {
		t, err = backup.Export(ctx, backup.Daemon{Client: cl}, kctx.Stdout, o)
		to = stderr
	} else {
		t, err = backup.ExportFile(ctx, backup.Daemon{Client: cl}, c.File, o)
	}
	line.clear()
	switch {
	case errors.Is(err, backup.ErrExists):
		return fmt.Errorf("%w; choose another name, or replace it with --force", err)
	case ctx.Err() != nil && errors.Is(err, context.Canceled) && c.File != "-":
		return fmt.Errorf("stopped by a signal before the end; the same command goes on with %s.part", c.File)
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
	text := fmt.Sprintf("exported: %s events of %s octets, %s commits, up to the position %d", count(t.Events), count(t.Octets), count(t.Commits), t.End)
	if t.Erased > 0 {
		text += fmt.Sprintf("; %s events were erased", count(t.Erased))
	}
	if t.Lost > 0 {
		text += fmt.Sprintf("; %s EVENTS ARE LOST", count(t.Lost))
	}
	return text
}

// A percentLine shows how far something has come, each percent once.
type percentLine struct {
	*progressLine
	shown string
}

func newPercentLine(w io.Writer) *percentLine { return &percentLine{progressLine: newProgressLine(w)} }

func (p *percentLine) show(what string, done, of int64) {
	text := fmt.Sprintf("%s, %d %%", what, 100*done/max(of, 1))
	if text != p.shown {
		p.shown = text
		p.progressLine.show(text)
	}
}
