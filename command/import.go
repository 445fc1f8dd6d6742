package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"

	"gorewind/backup"
	"gorewind/client"
	"gorewind/internal/advice"
	"gorewind/internal/exit"
	"gorewind/internal/term"
)

type importCmd struct {
	connection
	File    string `arg:"" placeholder:"FILE" help:"File made by gorewind export; - is standard input."`
	DataDir string `env:"-" placeholder:"DIR" help:"Create a store in this directory, with the ids, positions and times of the export. Default: append the events to the daemon's store."`
}

// Help implements kong's.
func (*importCmd) Help() string {
	return `Checks the whole file first: an incomplete or altered file is refused, with the line, before anything is written.

With --data-dir, import creates a store: an export of everything gives the same store with a new generation; an export of selected streams gives a store of its own. Without --data-dir, the daemon appends the events, which get new ids, positions and times. If an import is interrupted, the same command continues it, and nothing of this file is stored twice. A different export of the same events, such as a newer one, appends them again.

Examples:

    gorewind import everything.jsonl.zst --data-dir everything
    gorewind import accounts.jsonl
    gorewind import accounts.jsonl --connect tcp://127.0.0.1:9002
    gorewind export --connect tcp://127.0.0.1:9002 | gorewind import - --data-dir copy
`
}

// Run imports everything, unless a signal stops it.
func (c *importCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	line := term.NewProgress(stderr)
	if c.File != "-" {
		return c.run(kctx.Stdout, line)
	}
	f, err := spool(os.Stdin)
	if err != nil {
		return err
	}
	defer f.Close()
	c.File = fmt.Sprintf("/dev/fd/%d", f.Fd())
	if err := c.run(kctx.Stdout, line); err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	return nil
}

// run imports the file.
func (c *importCmd) run(stdout io.Writer, line *term.Progress) error {
	if c.DataDir == "" {
		return c.append(stdout, line)
	}
	ctx, stop := untilSignal()
	defer stop()
	r, err := backup.Import(ctx, c.File, c.DataDir, line.Show)
	line.Clear()
	if err != nil {
		return adviseCopy(ctx, c.DataDir, c.misplaced(err))
	}
	if backup.KindOf(c.File) == backup.OfSegment {
		note := fmt.Sprintf("note: %s; this store has it only up to position %d", advice.Misplaced(c.File, backup.OfExport), r.Position)
		if _, err := fmt.Fprintln(stdout, note); err != nil {
			return err
		}
	}
	return printRestored(stdout, &r, c.DataDir)
}

// spool copies standard input to a file, since an export is read twice: once to check it, once
// to import it. The file has no name, so that nothing is left of it whatever happens.
func spool(stdin *os.File) (*os.File, error) {
	if term.IsTerminal(stdin) {
		return nil, exit.UsageError("no input; give FILE, or pipe an export in")
	}
	f, err := os.CreateTemp("", "gorewind-import-") // for the owner only
	if err != nil {
		return nil, err
	}
	err = os.Remove(f.Name())
	if err == nil {
		_, err = io.Copy(f, stdin)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("standard input: %w; give FILE, or set TMPDIR to a directory with enough room", err)
	}
	return f, nil
}

// append appends the events to the daemon's store.
func (c *importCmd) append(stdout io.Writer, line *term.Progress) error {
	var r backup.Replayed
	err := c.withClient(nil, func(ctx context.Context, cl *client.Client) (err error) {
		r, err = backup.Replay(ctx, c.File, cl, line.Show)
		return err
	})
	line.Clear()
	if large := (*backup.TooLargeError)(nil); errors.As(err, &large) {
		err = fmt.Errorf("%w; start the daemon with --max-event-bytes %d, then run this again", err, large.Bytes)
	}
	switch err = c.misplaced(err); {
	case isInterrupted(err):
		return fmt.Errorf("%w before the end; run the same command to continue", err)
	case errors.Is(err, backup.ErrFile):
		return fmt.Errorf("%w; use another copy", err)
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s\nnot kept: ids, positions, times, cursors, keys and deletions; --data-dir creates a store that keeps them\n", appendedText(&r))
	return err
}

// appendedText says how many events were appended now, and how many by earlier imports of the
// same file.
func appendedText(r *backup.Replayed) string {
	const again = "; another export of the same events would append them again"
	if r.Unsure {
		return fmt.Sprintf("appended: %s, each once, now or by an earlier import of this file", term.Counted(r.Events, "event")) + again
	}
	text := fmt.Sprintf("appended: %s", term.Counted(r.Events-r.Before, "event"))
	if r.Before > 0 {
		text += fmt.Sprintf("; already there from an earlier import of this file: %s", term.Counted(r.Before, "event"))
	}
	return text + again
}

// misplaced names the right command if the file is of another kind.
func (c *importCmd) misplaced(err error) error {
	what := advice.Misplaced(c.File, backup.OfExport)
	if !errors.Is(err, backup.ErrFile) || what == "" || backup.KindOf(c.File) == backup.OfSegment {
		return err
	}
	return errors.New(what)
}
