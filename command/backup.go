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
	Dir        string `arg:"" placeholder:"DIR" help:"The backup; made if it does not exist, else brought up to date."`
	Verify     bool   `env:"-" help:"Do not ask the daemon: read all of the backup, and tell whether it is whole. Default: false."`
	AcceptLoss bool   `env:"-" help:"Go on without events that the store cannot read; without it, that is an error. Default: false."`
}

// Help implements kong's.
func (*backupCmd) Help() string {
	return `The first time it copies everything; then it adds what was committed since, and takes out of the older files what was replaced or deleted in the store. Whatever interrupts it, the backup is good as far as it goes, and the same command goes on: after Ctrl-C with all that was copied, after a crash with the last segment that was whole, of which each has some 256 MiB of text.

Examples:

    gorewind backup /backup/gorewind
    gorewind backup /backup/gorewind --connect tcp://127.0.0.1:9002
    gorewind backup --verify /backup/gorewind
`
}

// Run brings the backup up to date, or verifies it, until that is done or a signal
// comes.
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
		return fmt.Errorf("%w before the end; the backup %s, and the same command goes on", err, reachedText(&s))
	case err != nil:
		return adviseBackup(c.Dir, err)
	}
	text := "added: " + summaryText(&s)
	if s.Rewritten > 0 {
		text += fmt.Sprintf("\nerased: what was erased in the store, in %s", term.Counted(s.Rewritten, "older segment"))
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
	_, err = fmt.Fprintf(stdout, "read: the store %s.%d: %s\nwhole: everything is there, as it was written\n", s.Store.ID, s.Store.Generation, summaryText(&s))
	return err
}

// adviseBackup adds to an error of a backup what to do about it.
func adviseBackup(dir string, err error) error {
	if what := advice.Misplaced(dir, backup.OfBackup); what != "" {
		return errors.New(what)
	}
	if errors.Is(err, backup.ErrFile) {
		return fmt.Errorf("%w; begin a new backup in another directory, and keep this one for what can be had of it", err)
	}
	return err
}

// reachedText says how far a backup has come that was interrupted.
func reachedText(s *backup.Summary) string {
	if s.End == 0 {
		return "has got nothing yet"
	}
	return fmt.Sprintf("has everything up to the position %d", s.End)
}

// summaryText says what a backup has, or what was added to it.
func summaryText(s *backup.Summary) string {
	text := fmt.Sprintf("%s of %s, %s, from the position %d to %d, in %s of %s",
		term.Counted(s.Events, "event"), term.Counted(s.Bytes, "octet"), term.Counted(s.Commits, "commit"), s.After+1, s.End,
		term.Counted(s.Segments, "segment"), term.Counted(uint64(s.Files), "octet"))
	if s.Segments == 0 {
		text = fmt.Sprintf("nothing; it has everything up to the position %d", s.End)
	}
	if s.Lost > 0 {
		text += fmt.Sprintf("; LOST: %s", term.Counted(s.Lost, "event"))
	}
	return text
}
