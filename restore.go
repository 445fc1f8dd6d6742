package main

import (
	"io"
	"time"

	"github.com/alecthomas/kong"

	"gorewind/backup"
)

type restoreCmd struct {
	Dir     string    `arg:"" help:"A backup, as gorewind backup makes it."`
	DataDir string    `env:"-" required:"" placeholder:"DIR" help:"Where the store is made; there must be none."`
	Upto    uint64    `placeholder:"POSITION" help:"Only what was committed up to this position. Default: everything."`
	Until   time.Time `placeholder:"TIME" help:"Only what was committed before this time, such as 2026-03-01T09:30:00Z. Default: everything."`
}

// Run restores until everything is there and verified, or a signal comes.
func (c *restoreCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	ctx, stop := untilSignal()
	defer stop()
	line := newPercentLine(stderr)
	r, err := backup.Restore(ctx, c.Dir, c.DataDir, backup.RestoreOptions{UpTo: c.Upto, Until: c.Until, Progress: line.show})
	line.clear()
	if err != nil {
		return adviseCopy(ctx, c.DataDir, err)
	}
	return printRestored(kctx.Stdout, &r, c.DataDir)
}
