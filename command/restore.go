package command

import (
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"gorewind/backup"
	"gorewind/internal/advice"
	"gorewind/internal/exit"
	"gorewind/internal/term"
)

type restoreCmd struct {
	Dir     string   `arg:"" placeholder:"DIR" help:"Directory of the backup, made by gorewind backup."`
	DataDir string   `env:"-" placeholder:"DIR" help:"Directory for the store; it must be missing or empty. Required."`
	Upto    *id      `env:"-" placeholder:"POSITION" help:"Restore only up to this position. Default: everything."`
	Until   timeFlag `env:"-" placeholder:"TIME" help:"Restore only what was committed before this time: RFC 3339, a day, or how long ago, such as 90m. Default: everything."`
}

// Help implements kong's.
func (*restoreCmd) Help() string {
	return `The restored store is verified. It gets a new generation, so clients that name the store they mean learn that it was restored. Data erased before the end of the backup stays erased, even with --upto or --until. If the restore is interrupted, the same command continues it.

Examples:

    gorewind restore /backup/gorewind --data-dir restored
    gorewind restore /backup/gorewind --data-dir before --until 2026-03-01T09:30:00Z
`
}

// Validate implements kong's. It reports usage errors.
func (c *restoreCmd) Validate() error {
	if c.Upto != nil && *c.Upto == 0 {
		return errors.New("--upto is 0; positions begin with 1")
	}
	return nil
}

// Run restores and verifies, unless a signal stops it.
func (c *restoreCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	if c.DataDir == "" {
		return exit.UsageError("--data-dir is missing; give a directory that does not exist or is empty")
	}
	ctx, stop := untilSignal()
	defer stop()
	line := term.NewProgress(stderr)
	o := backup.RestoreOptions{Until: c.Until.Time, Progress: line.Show}
	if c.Upto != nil {
		o.UpTo = uint64(*c.Upto)
	}
	r, err := backup.Restore(ctx, c.Dir, c.DataDir, o)
	line.Clear()
	if broken := (*backup.BrokenError)(nil); errors.As(err, &broken) {
		err = fmt.Errorf("%w; restore what comes before this file with --upto %d", broken.Err, broken.UpTo)
	}
	if err != nil {
		if what := advice.Misplaced(c.Dir, backup.OfBackup); what != "" {
			return errors.New(what)
		}
		return adviseCopy(ctx, c.DataDir, err)
	}
	return printRestored(kctx.Stdout, &r, c.DataDir)
}
