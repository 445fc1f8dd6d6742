package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"gorewind/backup"
)

type backupCmd struct {
	connection
	Dir        string `arg:"" help:"The backup; made if it does not exist, else brought up to date."`
	Verify     bool   `help:"Do not ask the daemon: read all of the backup, and tell whether it is whole. Default: false."`
	AcceptLoss bool   `help:"Go on without events that the store cannot read; without it, that is an error. Default: false."`
}

// Run brings the backup up to date, or verifies it, until that is done or a signal
// comes.
func (c *backupCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	ctx, stop := untilSignal()
	defer stop()
	line := newPercentLine(stderr)
	defer line.clear()
	if c.Verify {
		s, err := backup.VerifyBackup(ctx, c.Dir, line.show)
		line.clear()
		if err != nil {
			return c.explain(ctx, err)
		}
		_, err = fmt.Fprintf(kctx.Stdout, "read: %s\nwhole: everything is there, as it was written\n", summaryText(&s))
		return err
	}
	cl, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	s, err := backup.Backup(ctx, backup.Daemon{Client: cl}, c.Dir, backup.BackupOptions{AcceptLoss: c.AcceptLoss, Progress: line.show})
	line.clear()
	if err != nil {
		return c.explain(ctx, err)
	}
	text := "added: " + summaryText(&s)
	if s.Rewritten > 0 {
		text += fmt.Sprintf("\nerased: what was erased in the store, in %s older segments", count(uint64(s.Rewritten)))
	}
	_, err = fmt.Fprintln(kctx.Stdout, text)
	return err
}

func (c *backupCmd) explain(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return errors.New("stopped by a signal before the end; the backup is whole as far as it goes, and the same command goes on")
	case errors.Is(err, backup.ErrFile):
		return fmt.Errorf("%w; begin a new backup in another directory, and keep this one for what can be had of it", err)
	}
	return err
}

// summaryText says what a backup has, or what was added to it.
func summaryText(s *backup.Summary) string {
	text := fmt.Sprintf("%s events of %s octets, %s commits, from the position %d to %d, in %s segments of %s octets",
		count(s.Events), count(s.Octets), count(s.Commits), s.After+1, s.End, count(uint64(s.Segments)), count(uint64(s.Files)))
	if s.Segments == 0 {
		text = fmt.Sprintf("nothing; it has everything up to the position %d", s.End)
	}
	if s.Lost > 0 {
		text += fmt.Sprintf("; %s EVENTS ARE LOST", count(s.Lost))
	}
	return text
}
