package command

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"gorewind/backup"
	"gorewind/client"
	"gorewind/internal/advice"
	"gorewind/internal/term"
)

type backupCmd struct {
	connection
	Dir        string `arg:"" placeholder:"DIR" help:"Directory of the backup; created if missing, otherwise updated."`
	Verify     bool   `env:"-" help:"Read the whole backup and check it for damage, without a daemon. Default: false."`
	AcceptLoss bool   `env:"-" help:"Skip events that the store cannot read, instead of failing. Default: false."`
}

// Help implements kong's.
func (*backupCmd) Help() string {
	return `The first run copies everything. Later runs add what was committed since, and remove from the older files what was replaced or deleted in the store. An interrupted backup is valid up to where it got, and the same command continues it: after Ctrl-C from the last commit copied, after a crash from the last complete segment (about 256 MiB of text).

Examples:

    gorewind backup /backup/gorewind
    gorewind backup /backup/gorewind --connect tcp://127.0.0.1:9002
    gorewind backup --verify /backup/gorewind
`
}

// Run updates or verifies the backup, unless a signal stops it.
func (c *backupCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	line := term.NewProgress(stderr)
	if c.Verify {
		return c.verify(kctx.Stdout, line)
	}
	var s backup.Summary
	err := c.withClient(copyHints, func(ctx context.Context, cl *client.Client) (err error) {
		o := backup.BackupOptions{AcceptLoss: c.AcceptLoss, Progress: line.Show}
		s, err = backup.Backup(ctx, backup.Daemon{Client: cl}, c.Dir, o)
		return err
	})
	line.Clear()
	switch {
	case isInterrupted(err):
		return fmt.Errorf("%w before the end; the backup %s; run the same command to continue", err, reachedText(&s))
	case err != nil:
		return adviseBackup(c.Dir, err)
	}
	text := "added: " + summaryText(&s)
	if s.Rewritten > 0 {
		text += fmt.Sprintf("\nerased: data replaced or deleted in the store, from %s", term.Counted(s.Rewritten, "older segment"))
	}
	_, err = fmt.Fprintln(kctx.Stdout, text)
	return err
}

// verify reads the backup.
func (c *backupCmd) verify(stdout io.Writer, line *term.Progress) error {
	ctx, stop := untilSignal()
	defer stop()
	s, err := backup.VerifyBackup(ctx, c.Dir, line.Show)
	line.Clear()
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return unverified(ctx)
	case err != nil:
		return adviseBackup(c.Dir, err)
	}
	_, err = fmt.Fprintf(stdout, "read: the store %s.%d: %s\nintact: everything is as it was written\n", s.Store.ID, s.Store.Generation, summaryText(&s))
	return err
}

// adviseBackup adds to an error of a backup what to do about it.
func adviseBackup(dir string, err error) error {
	if what := advice.Misplaced(dir, backup.OfBackup); what != "" {
		return errors.New(what)
	}
	if errors.Is(err, backup.ErrFile) {
		return fmt.Errorf("%w; start a new backup in another directory, and keep this one for what can be recovered from it", err)
	}
	return err
}

// reachedText says how far an interrupted backup got.
func reachedText(s *backup.Summary) string {
	if s.End == 0 {
		return "is still empty"
	}
	return fmt.Sprintf("has everything up to position %d", s.End)
}

// summaryText says what a backup holds, or what was added to it.
func summaryText(s *backup.Summary) string {
	text := fmt.Sprintf("%s of %s, %s, positions %d to %d, in %s of %s",
		term.Counted(s.Events, "event"), term.Counted(s.Bytes, "byte"), term.Counted(s.Commits, "commit"), s.After+1, s.End,
		term.Counted(s.Segments, "segment"), term.Counted(uint64(s.Files), "byte"))
	if s.Segments == 0 {
		text = fmt.Sprintf("nothing; the backup has everything up to position %d", s.End)
	}
	if s.Lost > 0 {
		text += fmt.Sprintf("; LOST: %s", term.Counted(s.Lost, "event"))
	}
	return text
}
