package leveldb

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/syndtr/goleveldb/leveldb/opt"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// What the engine does when the disk fails or is full. A handle of which a write
// or a sync has failed is given up: LevelDB would go on with it, and lose what it
// acknowledged afterwards. The database is opened again, without the commit that
// failed. Where it cannot be opened for writing, it is opened on an overlay, so
// that it can be read meanwhile, and tried again every second.

// reopenEvery is how long the committer waits between attempts to open the
// database again.
const reopenEvery = time.Second

// Free space below which nothing is written any more, and above which writing
// goes on. Three write buffers are for what is in memory and for compactions,
// one journal for what comes.
const (
	roomLeast  = 3*ldb.WriteBuffer + ldb.JournalBytes
	roomResume = roomLeast + ldb.WriteBuffer
)

// giveUpAfter is how long the disk may fail until the engine gives up.
const giveUpAfter = time.Minute

// A condition is whether the database can be written to. Whoever has the turn
// owns it.
type condition struct {
	readOnly bool      // the database is open on an overlay
	cause    error     // why it is, or is not open at all
	full     bool      // there was too little room when somebody last looked
	retryAt  time.Time // when to try to open it again
	hopeless bool      // it is damaged, and something would be lost by a repair
}

// undo deals with a commit that the disk refused: it may or may not be there
// when the database is opened again, and nothing may be written to this handle
// any more. When it is not there, or has been removed for sure, its requests are
// refused; otherwise their outcome is unknown.
func (d *DB) undo(c *commit, cause error) error {
	d.log.Error("commit failed, opening the database again", "position", c.record.Last, "error", cause)
	d.inverse = c.inverse()
	d.ail(cause)
	absent, err := d.reopen(cause)
	refused := fmt.Errorf("%w: the disk refused the commit: %w", store.ErrUnavailable, ldb.WithFull(cause))
	for _, s := range c.refused {
		s.call.fail(s.i, refused) // the reason it had, and the ids in that, are gone
	}
	if !absent {
		refused = fmt.Errorf("%w: the disk refused the commit: %w", store.ErrOutcomeUnknown, cause)
	}
	for _, s := range c.settles {
		s.call.fail(s.i, refused)
	}
	d.counts.refuse(err)
	return err
}

// revive returns nil if the database can be written to, after opening it again
// where a fault made that necessary.
func (d *DB) revive() error {
	err := d.writable()
	d.counts.refuse(err)
	return err
}

func (d *DB) writable() error {
	full := d.lacksRoom()
	fault := d.fault()
	switch wait := time.Until(d.condition.retryAt); {
	case fault == nil:
		return full
	case full != nil && d.condition.readOnly:
		return full
	case wait > 0:
		return fmt.Errorf("%w: %w; the next attempt is in %v", store.ErrUnavailable, fault, wait.Round(time.Millisecond))
	}
	_, err := d.reopen(fault)
	return err
}

// tend revives the database, if nobody else is about to.
func (d *DB) tend() {
	if d.turn.TryLock() {
		defer d.turn.Unlock()
		if d.revive() == nil { // else it is in the log
			d.sickness.cure()
		}
	}
}

// fault returns why the handle is not to be written to; nil if it is.
func (d *DB) fault() error {
	d.handle.RLock()
	defer d.handle.RUnlock()
	if d.condition.cause != nil {
		return d.condition.cause
	}
	return ldb.WithFull(d.guard.Err())
}

// lacksRoom returns an error if there is too little free space to write.
func (d *DB) lacksRoom() error {
	free, err := d.disk.Free()
	if err != nil {
		return nil // a fault that shows elsewhere
	}
	least := int64(roomLeast)
	if d.condition.full {
		least = roomResume
	}
	const mib = 1 << 20
	switch full := free < least; {
	case full && !d.condition.full:
		d.log.Error("the disk is full: nothing is written until there is more room", "free_mib", free/mib, "needed_mib", roomResume/mib)
	case !full && d.condition.full:
		d.log.Info("there is room on the disk again", "free_mib", free/mib)
	}
	if d.condition.full = free < least; d.condition.full {
		return fmt.Errorf("%w: %w: %d MiB are free, %d are needed", store.ErrUnavailable, store.ErrFull, free/mib, roomResume/mib)
	}
	return nil
}

// reopen opens the database again, after repairing it if a fault has damaged it.
func (d *DB) reopen(cause error) (absent bool, err error) {
	absent, err = d.openAgain(cause)
	if !errors.Is(err, store.ErrDamaged) || d.condition.hopeless {
		return absent, err
	}
	// Nobody can read it. Who wants to is told so meanwhile.
	repair := d.recover(datadir.Highwater{Position: d.last.Position, Chain: d.last.Chain}, err)
	if d.condition.hopeless = errors.Is(repair, store.ErrDamaged); repair != nil {
		d.log.Error("the database cannot be repaired", "error", repair)
		return absent, err
	}
	return d.openAgain(cause)
}

// openAgain gives the handle up and opens the database again, without whatever it
// holds beyond the last commit that succeeded. When it fails, absent tells whether
// it holds nothing beyond anyway.
func (d *DB) openAgain(cause error) (absent bool, err error) {
	d.handle.Lock()
	defer d.handle.Unlock()
	if err := d.closeHandle(); err != nil {
		d.log.Warn("closing the database after a fault", "error", err)
	}
	again := d.condition.cause != nil
	if !again {
		d.log.Warn("opening the database again", "cause", cause)
	}
	d.condition.retryAt = time.Now().Add(reopenEvery)
	if err = d.lacksRoom(); err == nil {
		err = d.openUndone()
	}
	if err == nil {
		d.inverse = nil
		d.log.Info("the database is open again", "position", d.last.Position)
		return true, nil
	}
	d.condition.cause = ldb.WithFull(err)
	d.ail(err)
	found, unread := d.openReadOnly(datadir.Highwater{Position: d.last.Position, Chain: d.last.Chain})
	if !again {
		d.log.Error("the database cannot be written to; trying again every second", "error", err, "readable", unread == nil)
	}
	return unread == nil && found.Position == d.last.Position, fmt.Errorf("%w: %w", store.ErrUnavailable, d.condition.cause)
}

// openUndone opens the database for writing, and removes the commit that failed.
func (d *DB) openUndone() error {
	found, err := d.openHandle(datadir.Highwater{Position: d.last.Position, Chain: d.last.Chain})
	if err != nil {
		return err
	}
	if found.Position != d.last.Position {
		if err = d.db.Write(d.inverse, &opt.WriteOptions{Sync: true}); err == nil {
			// To a table: of a journal LevelDB passes over what is damaged, and the
			// commit would be back.
			_, err = rotateMem(d.db, 0, true)
		}
	}
	if err == nil {
		err = d.guard.Err()
	}
	if err == nil {
		err = d.eraser.load(d.db)
	}
	if err != nil {
		return errors.Join(err, d.closeHandle())
	}
	d.condition.cause, d.condition.hopeless = nil, false
	return nil
}

// openReadOnly opens the database on an overlay, where the commit that failed is
// removed, and returns where the log ends below that. The caller holds handle, or
// is alone.
func (d *DB) openReadOnly(least datadir.Highwater) (found record.Tip, err error) {
	files, err := d.disk.Files(true)
	if err != nil {
		return found, err
	}
	db, g, err := ldb.OpenOverlay(files)
	if err != nil {
		return found, err
	}
	found, err = logscan.Check(db, least)
	if err == nil && d.inverse != nil && found.Position != least.Position {
		err = db.Write(d.inverse, nil)
	}
	if err == nil {
		err = d.eraser.load(db)
	}
	if err != nil {
		return found, errors.Join(err, db.Close(), g.Close())
	}
	d.db, d.guard, d.opened, d.condition.readOnly = db, g, nil, true
	return found, nil
}

// ail takes note of a fault of the disk.
func (d *DB) ail(err error) {
	if !errors.Is(ldb.WithFull(err), store.ErrFull) {
		d.sickness.note(err, d.gaveUp)
	}
}

// A sickness is a time of faults of the disk. That it is full is none: it may
// have room again at any time.
type sickness struct {
	mu    sync.Mutex    // protects the fields below
	limit time.Duration // how long it may last; giveUpAfter but in tests
	since time.Time     // zero: there is none
	last  time.Time     // fault
	over  bool          // it has lasted too long
}

// note takes note of a fault. When they have come for too long it calls gaveUp,
// once.
func (s *sickness) note(err error, gaveUp func(error)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = time.Now()
	if s.since.IsZero() {
		s.since = s.last
	}
	lasted := s.last.Sub(s.since)
	if lasted < s.limit || s.over {
		return
	}
	s.over = true
	if lasted = lasted.Round(time.Second); ldb.IsDamage(err) {
		gaveUp(fmt.Errorf("%w: it has kept writes from succeeding for %v: %w", store.ErrDamaged, lasted, err))
		return
	}
	gaveUp(fmt.Errorf("%w: the disk has failed for %v: %w", store.ErrUnavailable, lasted, err))
}

// cure ends a sickness, if for as long as it may last there was no fault.
func (s *sickness) cure() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.last) > s.limit {
		s.since = time.Time{}
	}
}
