package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/alecthomas/kong"

	"gorewind/backup"
	"gorewind/store/leveldb"
)

type importCmd struct {
	connection
	File    string `arg:"" help:"An export, as gorewind export makes it."`
	DataDir string `env:"-" placeholder:"DIR" help:"Make a store here, where there is none, that keeps ids, positions and times. Default: append the events to the daemon's store."`
}

// Run imports until everything is there, or a signal comes.
func (c *importCmd) Run(kctx *kong.Context, stderr io.Writer) error {
	ctx, stop := untilSignal()
	defer stop()
	line := newPercentLine(stderr)
	defer line.clear()
	if c.DataDir == "" {
		return c.append(ctx, kctx.Stdout, line)
	}
	r, err := backup.Import(ctx, c.File, c.DataDir, line.show)
	line.clear()
	if err != nil {
		return adviseCopy(ctx, c.DataDir, err)
	}
	return printRestored(kctx.Stdout, &r, c.DataDir)
}

// append appends the events to what the daemon has.
func (c *importCmd) append(ctx context.Context, stdout io.Writer, line *percentLine) error {
	cl, err := c.dial(ctx)
	if err != nil {
		return err
	}
	defer cl.Close()
	r, err := backup.Replay(ctx, c.File, cl, line.show)
	line.clear()
	if err != nil {
		return adviseCopy(ctx, "", err)
	}
	_, err = fmt.Fprintf(stdout, "appended: %s events of %s octets, in %s batches, each once however often this is repeated\nnot kept: ids, positions, times, cursors, keys and what was deleted; --data-dir makes a store that keeps them\n",
		count(r.Events), count(r.Octets), count(r.Batches))
	return err
}

// printRestored says what became of a restore, and how to go on.
func printRestored(w io.Writer, r *backup.Restored, dir string) error {
	if err := printVerified(w, r.Report); err != nil {
		return err
	}
	text := ""
	if r.Deleted > 0 {
		text = fmt.Sprintf("note: of %s streams events are deleted that were deleted after the position at which the copy ends\n", count(uint64(r.Deleted)))
	}
	text += fmt.Sprintf("made: the store %s.%d in %s, up to the position %d", r.Identity.ID, r.Identity.Generation, dir, r.Position)
	if !r.Time.IsZero() {
		text += r.Time.UTC().Format(" of 2006-01-02T15:04:05.000000Z")
	}
	_, err := fmt.Fprintf(w, "%s\nstart it with: gorewind serve --data-dir %s\n", text, dir)
	return err
}

// adviseCopy adds to an error what to do about it. dir is empty where no store is
// being made.
func adviseCopy(ctx context.Context, dir string, err error) error {
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return errors.New("stopped by a signal before the end; the same command goes on")
	case errors.Is(err, leveldb.ErrNotEmpty):
		return fmt.Errorf("data directory %s: not empty; give one that does not exist, or is empty, with --data-dir", dir)
	case errors.Is(err, leveldb.ErrUnfinished):
		return fmt.Errorf("data directory: %w; finish that first, or give another with --data-dir", err)
	case errors.Is(err, leveldb.ErrInUse), errors.Is(err, leveldb.ErrNotDirectory), errors.Is(err, leveldb.ErrFormat):
		return advise(err)
	case errors.Is(err, backup.ErrFile):
		return fmt.Errorf("%w; take another copy", err)
	}
	return err
}
