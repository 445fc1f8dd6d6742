package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"gorewind/store"
	"gorewind/store/leveldb"
)

// RestoreOptions say what is restored of a backup. The zero value is everything.
type RestoreOptions struct {
	UpTo     uint64    // commits up to this position
	Until    time.Time // commits before this time
	Progress Progress
}

// errReached ends a restore before the end of the backup.
var errReached = errors.New("reached")

// Restore makes the store of a backup in a directory that must hold none: with its
// id, and a generation that no other store has. Everything is verified. What was
// interrupted can be gone on with by the same call.
//
// Events that were erased before the backup's end are not in it any more: if only a
// part is restored, those that were replaced have their newest data, and those that
// were deleted are deleted.
func Restore(ctx context.Context, backup, dir string, o RestoreOptions) (Restored, error) {
	d, err := openBackup(backup)
	if err != nil {
		return Restored{}, err
	}
	defer d.close()
	if end, _ := d.m.end(); o.UpTo > end {
		return Restored{}, fmt.Errorf("%w: the backup ends at the position %d, before %d", store.ErrUnknownID, end, o.UpTo)
	}
	if len(d.m.Segments) == 0 {
		return Restored{}, fmt.Errorf("%s %w yet: it was begun, and has no commit", backup, ErrNoBackup)
	}
	h, err := readHeader(d.file(&d.m.Segments[0]))
	if err != nil {
		return Restored{}, err
	}
	id := h.identity()
	id.Generation = leveldb.RestoredGeneration(dir, id)
	to, err := leveldb.NewRestore(dir, id)
	if err != nil {
		return Restored{}, err
	}
	defer to.Close()
	r := newRestorer(to)
	for i := range d.m.Segments {
		s := &d.m.Segments[i]
		err := d.read(ctx, s, o.Progress.part("restoring "+s.File), func(c *Commit) error {
			if o.UpTo > 0 && c.Position > o.UpTo || !o.Until.IsZero() && !c.Time.Before(o.Until) {
				return errReached
			}
			return r.commit(c)
		})
		if errors.Is(err, errReached) {
			break
		}
		if err != nil {
			return Restored{}, err
		}
	}
	return r.finish(ctx, id, func(done, of int) { o.Progress("verifying "+dir, int64(done), int64(of)) })
}
