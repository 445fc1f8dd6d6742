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

// RestoreOptions are the options of Restore. The zero value restores everything.
type RestoreOptions struct {
	UpTo     uint64    // commits up to this position
	Until    time.Time // commits before this time
	Progress Progress
}

// errReached ends a restore before the end of the backup.
var errReached = errors.New("reached")

// Restore makes a store from a backup, in a directory that must hold none. The
// store has the id of the original, and a generation that no other store has.
// Restore verifies everything. A repeated call resumes an interrupted restore, or
// begins anew if the backup has changed.
//
// A backup does not hold what was erased before its end. So in a partial restore,
// replaced events have their newest data, and deleted events are deleted.
func Restore(ctx context.Context, backup, dir string, o RestoreOptions) (Restored, error) {
	d, err := openBackup(backup)
	if err != nil {
		return Restored{}, err
	}
	defer d.close()
	if end, _ := d.m.end(); o.UpTo > end {
		return Restored{}, fmt.Errorf("%w: the backup ends at position %d, before %d", store.ErrUnknownID, end, o.UpTo)
	}
	if len(d.m.Segments) == 0 {
		return Restored{}, fmt.Errorf("%s %w yet: it was begun, but has no commit", backup, ErrNoBackup)
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
		err := d.read(ctx, s, o.Progress.part("restoring "+s.File), func(c *Entry) error {
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

// A BrokenError says which file of a backup is refused, and up to which position
// the files before it can be restored.
type BrokenError struct {
	Err  error // an ErrFile
	UpTo uint64
}

// Error says both.
func (e *BrokenError) Error() string {
	return fmt.Sprintf("%v; everything before this file can be restored with UpTo %d", e.Err, e.UpTo)
}

// Unwrap makes a BrokenError an ErrFile.
func (e *BrokenError) Unwrap() error { return e.Err }

// newGeneration returns the generation of a store made from a copy: the time in
// milliseconds. Other copies of the same store may have been restored or repaired
// elsewhere, and two stores that went on differently must not have the same
// generation.
func newGeneration(old uint64) uint64 { return max(old+1, uint64(time.Now().UnixMilli())) }

// source names what is restored: this version of the backup, up to some end.
func (m *manifest) source(o *RestoreOptions) string {
	return fmt.Sprintf("backup %x, up to %d, until %d\n", sha256.Sum256(m.text()), o.UpTo, o.Until.UnixMicro())
}

// began refuses a time before the first commit.
func (d *directory) began(ctx context.Context, until time.Time) error {
	if until.IsZero() {
		return nil
	}
	err := d.read(ctx, &d.m.Segments[0], func(int64, int64) {}, func(c *Entry) error {
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
