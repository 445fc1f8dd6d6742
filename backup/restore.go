package backup

import (
	"context"
	"crypto/sha256"
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
// interrupted can be gone on with by the same call; it begins anew if the backup is
// another one meanwhile.
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
	if err := d.began(ctx, o.Until); err != nil {
		return Restored{}, err
	}
	h, err := readHeader(d.file(&d.m.Segments[0]))
	if err != nil {
		return Restored{}, err
	}
	id := h.identity()
	id.Generation = newGeneration(id.Generation)
	to, err := leveldb.NewRestore(dir, id, d.m.source(&o))
	if err != nil {
		return Restored{}, err
	}
	defer to.Close()
	r := newRestorer(to)
	for i := range d.m.Segments {
		s := &d.m.Segments[i]
		if o.UpTo > 0 && s.After >= o.UpTo {
			break
		}
		err := d.read(ctx, s, o.Progress.part("restoring "+s.File), func(c *Commit) error {
			if o.UpTo > 0 && c.Position > o.UpTo || !o.Until.IsZero() && !c.Time.Before(o.Until) {
				return errReached
			}
			return r.commit(c)
		})
		if errors.Is(err, errReached) {
			break
		}
		if errors.Is(err, ErrFile) && s.After > 0 {
			err = &BrokenError{err, s.After}
		}
		if err != nil {
			return Restored{}, err
		}
	}
	return r.finish(ctx, o.Progress.verifying(dir))
}

// A BrokenError says of a backup why one of its files is refused, and up to which
// position what comes before that can be restored.
type BrokenError struct {
	Err  error // an ErrFile
	UpTo uint64
}

// Error says both.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("%v; what comes before this file is restored with UpTo %d", e.Err, e.UpTo)
}

// Unwrap makes a BrokenError an ErrFile.
func (e *BrokenError) Unwrap() error { return e.Err }

// newGeneration returns the generation of a store that is made of a copy. It is the
// time, in milliseconds: nobody knows what else was restored or repaired of the same
// store, or of copies of it, and two that went on differently must not have the same.
func newGeneration(old uint64) uint64 { return max(old+1, uint64(time.Now().UnixMilli())) }

// source names what is restored: all of the backup as it is, up to some end.
func (m *manifest) source(o *RestoreOptions) string {
	return fmt.Sprintf("backup %x, up to %d, until %d\n", sha256.Sum256(m.text()), o.UpTo, o.Until.UnixMicro())
}

// began refuses a moment before which nothing was committed.
func (d *directory) began(ctx context.Context, until time.Time) error {
	if until.IsZero() {
		return nil
	}
	err := d.read(ctx, &d.m.Segments[0], func(int64, int64) {}, func(c *Commit) error {
		if !c.Time.Before(until) {
			return fmt.Errorf("%w: nothing was committed before %s; the backup begins at %s", store.ErrInvalid, until.UTC().Format(time.RFC3339Nano), c.Time.UTC().Format(time.RFC3339Nano))
		}
		return errReached
	})
	if errors.Is(err, errReached) {
		return nil
	}
	return err
}
