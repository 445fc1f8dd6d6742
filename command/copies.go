package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"gorewind/backup"
	"gorewind/internal/advice"
	"gorewind/internal/term"
	"gorewind/store/leveldb"
	"gorewind/wire"
)

// copyHints say what to do where no copy can be made.
var copyHints = hints{
	wire.Damaged: "see gorewind verify and gorewind repair, or go on without what cannot be read with --accept-loss",
	wire.Denied:  "show a key that has it with --client-key, or ask the operator of the daemon for the right",
}

// printRestored says what became of a restore, and how to go on.
func printRestored(w io.Writer, r *backup.Restored, dir string) error {
	if err := printVerified(w, r.Report); err != nil {
		return err
	}
	text := ""
	if r.Deleted > 0 {
		text = fmt.Sprintf("note: events are deleted in %s, as they were in the store later than up to where this was made\n", term.Counted(r.Deleted, "stream"))
	}
	text += fmt.Sprintf("made: the store %s.%d in %s, up to the position %d", r.Identity.ID, r.Identity.Generation, dir, r.Position)
	if !r.Time.IsZero() {
		text += r.Time.UTC().Format(" of 2006-01-02T15:04:05.000000Z")
	}
	_, err := fmt.Fprintf(w, "%s\nstart it with: gorewind serve --data-dir %s\n", text, dir)
	return err
}

// adviseCopy adds to an error what to do about it.
func adviseCopy(ctx context.Context, dir string, err error) error {
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return fmt.Errorf("%w before the end; the same command goes on", stoppedBy(ctx))
	case errors.Is(err, leveldb.ErrNotEmpty):
		return fmt.Errorf("data directory %s: not empty; give one that does not exist, or is empty, with --data-dir", dir)
	case errors.Is(err, leveldb.ErrInUse), errors.Is(err, leveldb.ErrNotDirectory), errors.Is(err, leveldb.ErrFormat):
		return advice.ForData(err)
	case errors.Is(err, backup.ErrFile):
		return fmt.Errorf("%w; take another copy%s", err, leftOf(dir))
	}
	return err
}

// leftOf says what a restore that was refused has left, if it has.
func leftOf(dir string) string {
	left := filepath.Join(dir, "db.restoring")
	if _, err := os.Stat(left); err != nil {
		return ""
	}
	return fmt.Sprintf("; %s is left, and is no store: the next restore into %s goes on with it, or begins anew if it is of another copy", left, dir)
}
