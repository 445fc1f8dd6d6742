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
	File    string `arg:"" placeholder:"FILE" help:"An export, as gorewind export makes it; - is the standard input."`
	DataDir string `env:"-" placeholder:"DIR" help:"Make a store here, where there is none, that keeps ids, positions and times. Default: append the events to the daemon's store."`
}

// Help implements kong's.
func (*importCmd) Help() string {
	return `A file that was cut or altered is refused, and the line is told, before anything is made of it.

With --data-dir it makes a store that no daemon is using: of an export of everything the same store, with a new generation; of selected streams a store of its own. Without, a daemon appends the events: they get new ids, positions and times. What was interrupted, either way, is gone on with by the same command, and nothing of this file is there twice; another export of the same events, such as a newer one, appends them again.

Examples:

    gorewind import everything.jsonl.zst --data-dir everything
    gorewind import accounts.jsonl
    gorewind import accounts.jsonl --connect tcp://127.0.0.1:9002
    gorewind export --connect tcp://127.0.0.1:9002 | gorewind import - --data-dir copy
`
}

// Run imports until everything is there, or a signal comes.
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
		note := fmt.Sprintf("note: %s; this has it up to the position %d only", advice.Misplaced(c.File, backup.OfExport), r.Position)
		if _, err := fmt.Fprintln(stdout, note); err != nil {
			return err
		}
	}
	return printRestored(stdout, &r, c.DataDir)
}

// spool copies the standard input into a file, since an export is read twice: nothing
// is made of it before it was found to be whole. The file has no name, so that nothing
// is left of it, whatever happens.
func spool(stdin *os.File) (*os.File, error) {
	if term.IsTerminal(stdin) {
		return nil, exit.UsageError("there is nothing to import; give FILE, or pipe an export in")
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
		return nil, fmt.Errorf("standard input: %w; give FILE, or have TMPDIR say where there is room for it", err)
	}
	return f, nil
}

// append appends the events to what the daemon has.
func (c *importCmd) append(stdout io.Writer, line *term.Progress) error {
	var r backup.Replayed
	err := c.withClient(nil, func(ctx context.Context, cl *client.Client) (err error) {
		r, err = backup.Replay(ctx, c.File, cl, line.Show)
		return err
	})
	line.Clear()
	if large := (*backup.TooLargeError)(nil); errors.As(err, &large) {
		err = fmt.Errorf("%w: start it with --max-event-bytes %d, then repeat this", err, large.Bytes)
	}
	switch err = c.misplaced(err); {
	case isInterrupted(err):
		return fmt.Errorf("%w before the end; the same command goes on", err)
	case errors.Is(err, backup.ErrFile):
		return fmt.Errorf("%w; take another copy", err)
	case err != nil:
		return err
	}
	_, err = fmt.Fprintf(stdout, "%s\nnot kept: ids, positions, times, cursors, keys and what was deleted; --data-dir makes a store that keeps them\n", appendedText(&r))
	return err
}

// appendedText says what was appended, and what an import of the same file had appended.
func appendedText(r *backup.Replayed) string {
	const again = "; another export of the same events appends them again"
	if r.Unsure {
		return fmt.Sprintf("appended: %s, now or by an import of this file before, each once", term.Counted(r.Events, "event")) + again
	}
	text := fmt.Sprintf("appended: %s", term.Counted(r.Events-r.Before, "event"))
	if r.Before > 0 {
		text += fmt.Sprintf("; there already, from an import of this file before: %s", term.Counted(r.Before, "event"))
	}
	return text + again
}

// misplaced names the right command where the file is of another kind.
func (c *importCmd) misplaced(err error) error {
	what := advice.Misplaced(c.File, backup.OfExport)
	if !errors.Is(err, backup.ErrFile) || what == "" || backup.KindOf(c.File) == backup.OfSegment {
		return err
	}
	return errors.New(what)
}
