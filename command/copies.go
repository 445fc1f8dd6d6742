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

// copyHints say what to do if a copy cannot be made.
var copyHints = hints{
	wire.Damaged: "see gorewind verify and gorewind repair, or skip what cannot be read with --accept-loss",
	wire.Denied:  "use a key that has this right with --client-key, or ask the operator of the daemon for it",
}

// printRestored prints the result of a restore, and how to start the store.
func printRestored(w io.Writer, r *backup.Restored, dir string) error {
	if err := printVerified(w, r.Report); err != nil {
		return err
	}
	text := ""
	if r.Deleted > 0 {
		text = fmt.Sprintf("note: events are missing from %s: they were deleted after the point to which this was restored\n", term.Counted(r.Deleted, "stream"))
	}
	text += fmt.Sprintf("created: store %s.%d in %s, up to position %d", r.Identity.ID, r.Identity.Generation, dir, r.Position)
	if !r.Time.IsZero() {
		text += r.Time.UTC().Format(" of 2006-01-02T15:04:05.000000Z")
	}
	_, err := fmt.Fprintf(w, "%s\nstart it with: gorewind serve --data-dir %s\n", text, dir)
	return err
}

// adviseCopy adds to an error of a restore or an import what to do about it.
func adviseCopy(ctx context.Context, dir string, err error) error {
	switch {
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return fmt.Errorf("%w before the end; run the same command to continue", stoppedBy(ctx))
	case errors.Is(err, leveldb.ErrNotEmpty):
		return fmt.Errorf("data directory %s: not empty; give a directory that does not exist or is empty with --data-dir", dir)
	case errors.Is(err, leveldb.ErrInUse), errors.Is(err, leveldb.ErrNotDirectory), errors.Is(err, leveldb.ErrFormat):
		return advice.ForData(err)
	case errors.Is(err, backup.ErrFile):
		return fmt.Errorf("%w; use another copy%s", err, leftOf(dir))
	}
	return err
}

// leftOf says what a refused restore has left behind, if anything.
func leftOf(dir string) string {
	left := filepath.Join(dir, "db.restoring")
	if _, err := os.Stat(left); err != nil {
		return ""
	}
	return fmt.Sprintf("; %s remains, and is not a store: the next restore into %s continues it, or starts over if it is from another copy", left, dir)
}
