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
	Dir     string   `arg:"" placeholder:"DIR" help:"A backup, as gorewind backup makes it."`
	DataDir string   `env:"-" placeholder:"DIR" help:"Where the store is made; there must be none. Required."`
	Upto    *id      `env:"-" placeholder:"POSITION" help:"Only what was committed up to this position. Default: everything."`
	Until   timeFlag `env:"-" placeholder:"TIME" help:"Only what was committed before this time: RFC 3339, a day, or how long ago such as 90m. Default: everything."`
}

// Help implements kong's.
func (*restoreCmd) Help() string {
	return `The store has a new generation: whoever knew it before is told, where they say which store they mean. What was erased before the end of the backup stays erased. All of it is verified. What was interrupted is gone on with by the same command.

Examples:

    gorewind restore /backup/gorewind --data-dir restored
    gorewind restore /backup/gorewind --data-dir before --until 2026-03-01T09:30:00Z
`
}

// Validate implements kong's: what it refuses was not asked properly.
func (c *restoreCmd) Validate() error {
	if c.Upto != nil && *c.Upto == 0 {
		return errors.New("--upto is 0, and nothing was committed up to there; positions begin with 1")
	}
	return nil
}

// Run restores until everything is there and verified, or a signal comes.
func (c *restoreCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	if c.DataDir == "" {
		return exit.UsageError("where to? Give a directory that does not exist, or is empty, with --data-dir")
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
		err = fmt.Errorf("%w; what comes before this file is restored with --upto %d", broken.Err, broken.UpTo)
	}
	if err != nil {
		if what := advice.Misplaced(c.Dir, backup.OfBackup); what != "" {
			return errors.New(what)
		}
		return adviseCopy(ctx, c.DataDir, err)
	}
	return printRestored(kctx.Stdout, &r, c.DataDir)
}
