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

// What the engine does when the disk fails or is full. After a failed write or
// sync, LevelDB would go on and lose what it acknowledges later. So the engine
// gives the handle up and reopens the database without the commit that failed. If
// it cannot be opened for writing, the engine opens it read-only on an overlay and
// tries again every second.

// reopenEvery is how long the committer waits between attempts to reopen the
// database.
const reopenEvery = time.Second

// Writing stops below roomLeast bytes of free space, and resumes above roomResume.
// Three write buffers cover the memory tables and compactions, one journal covers
// new commits.
const (
	roomLeast  = 3*ldb.WriteBuffer + ldb.JournalBytes
	roomResume = roomLeast + ldb.WriteBuffer
)

// giveUpAfter is how long the disk may fail before the engine gives up.
const giveUpAfter = time.Minute

// health says whether the database can be written to. It belongs to the holder of
// the turn.
type health struct {
	readOnly     bool      // the database is open on an overlay
	cause        error     // why it is read-only, or not open at all
	full         bool      // there was too little room at the last check
	retryAt      time.Time // when to try to reopen
	unrepairable bool      // it is damaged, and a repair would lose data
}

// undo handles a commit that the disk refused. After reopening, the commit may or
// may not be there, and nothing more may be written to the old handle. If the
// commit is absent or has certainly been removed, its requests are refused;
// otherwise their outcome is unknown.
func (d *DB) undo(c *commit, cause error) error {
	d.log.Error("commit failed; reopening the database", "position", c.record.Last, "error", cause)
	d.inverse = c.inverse()
	d.noteFault(cause)
	absent, err := d.reopen(cause)
	refused := fmt.Errorf("%w: the disk refused the commit: %w", store.ErrUnavailable, ldb.WithFull(cause))
	for _, s := range c.refused {
		s.call.fail(s.i, refused) // the original reason, and the ids in it, no longer hold
	}
	if !absent {
		refused = fmt.Errorf("%w: the disk refused the commit: %w", store.ErrOutcomeUnknown, cause)
	}
	for _, s := range c.accepted {
		s.call.fail(s.i, refused)
	}
	d.counts.refuse(err)
	return err
}

// ensureWritable returns nil if the database can be written to. It reopens the
// database if a fault requires it.
func (d *DB) ensureWritable() error {
	err := d.writable()
	d.counts.refuse(err)
	return err
}

func (d *DB) writable() error {
	full := d.lacksRoom()
	fault := d.fault()
	switch wait := time.Until(d.health.retryAt); {
	case fault == nil:
		return full
	case full != nil && d.health.readOnly:
		return full
	case wait > 0:
		return fmt.Errorf("%w: %w; the next attempt is in %v", store.ErrUnavailable, fault, wait.Round(time.Millisecond))
	}
	_, err := d.reopen(fault)
	return err
}

// probe reopens the database after a fault, unless somebody else holds the turn.
func (d *DB) probe() {
	if d.turn.TryLock() {
		defer d.turn.Unlock()
		if d.ensureWritable() == nil { // the error is already logged
			d.faults.reset()
		}
	}
}

// fault returns why the handle must not be written to; nil if it may.
func (d *DB) fault() error {
	d.handle.RLock()
	defer d.handle.RUnlock()
	if d.health.cause != nil {
		return d.health.cause
	}
	return ldb.WithFull(d.guard.Err())
}

// lacksRoom returns an error if there is too little free space to write.
func (d *DB) lacksRoom() error {
	free, err := d.disk.Free()
	if err != nil {
		return nil // another check reports this fault
	}
	least := int64(roomLeast)
	if d.health.full {
		least = roomResume
	}
	const mib = 1 << 20
	switch full := free < least; {
	case full && !d.health.full:
		d.log.Error("disk full: writes are refused until there is more room", "free_mib", free/mib, "needed_mib", roomResume/mib)
	case !full && d.health.full:
		d.log.Info("there is room on the disk again; accepting writes", "free_mib", free/mib)
	}
	if d.health.full = free < least; d.health.full {
		return fmt.Errorf("%w: %w: %d MiB are free, %d are needed", store.ErrUnavailable, store.ErrFull, free/mib, roomResume/mib)
	}
	return nil
}

// reopen reopens the database, and repairs it first if a fault has damaged it.
func (d *DB) reopen(cause error) (absent bool, err error) {
	absent, err = d.openAgain(cause)
	if !errors.Is(err, store.ErrDamaged) || d.health.unrepairable {
		return absent, err
	}
	// Nobody can read the database meanwhile; readers get an error.
	repair := d.repairOnOpen(datadir.Highwater{Position: d.last.Position, Chain: d.last.Chain}, err)
	if d.health.unrepairable = errors.Is(repair, store.ErrDamaged); repair != nil {
		d.log.Error("the database cannot be repaired", "error", repair)
		return absent, err
	}
	return d.openAgain(cause)
}

// openAgain closes the handle and reopens the database without anything beyond the
// last successful commit. If it fails, absent reports whether the database holds
// nothing beyond that commit anyway.
func (d *DB) openAgain(cause error) (absent bool, err error) {
	d.handle.Lock()
	defer d.handle.Unlock()
	if err := d.closeHandle(); err != nil {
		d.log.Warn("closing the database after a fault", "error", err)
	}
	again := d.health.cause != nil
	if !again {
		d.log.Warn("reopening the database", "cause", cause)
	}
	d.health.retryAt = time.Now().Add(reopenEvery)
	if err = d.lacksRoom(); err == nil {
		err = d.openUndone()
	}
	if err == nil {
		d.inverse = nil
		d.log.Info("database reopened", "position", d.last.Position)
		return true, nil
	}
	d.health.cause = ldb.WithFull(err)
	d.noteFault(err)
	found, unread := d.openReadOnly(datadir.Highwater{Position: d.last.Position, Chain: d.last.Chain})
	if !again {
		d.log.Error("the database cannot be written to; trying again every second", "error", err, "readable", unread == nil)
	}
	return unread == nil && found.Position == d.last.Position, fmt.Errorf("%w: %w", store.ErrUnavailable, d.health.cause)
}

// openUndone opens the database for writing, and removes the commit that failed.
func (d *DB) openUndone() error {
	found, err := d.openHandle(datadir.Highwater{Position: d.last.Position, Chain: d.last.Chain})
	if err != nil {
		return err
	}
	if found.Position != d.last.Position {
		if err = d.db.Write(d.inverse, &opt.WriteOptions{Sync: true}); err == nil {
			// Write to a table: LevelDB skips damaged parts of a journal, and that
			// would bring the commit back.
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
	d.health.cause, d.health.unrepairable = nil, false
	return nil
}

// openReadOnly opens the database on an overlay, removes the failed commit there,
// and returns the end of the log on disk. The caller holds handle, or is alone.
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
	d.db, d.guard, d.opened, d.health.readOnly = db, g, nil, true
	return found, nil
}

// noteFault notes a disk fault. A full disk is none: it may have room again at any
// time.
func (d *DB) noteFault(err error) {
	if !errors.Is(ldb.WithFull(err), store.ErrFull) {
		d.faults.note(err, d.gaveUp)
	}
}

// A faultTimer measures how long the disk has been failing.
type faultTimer struct {
	mu    sync.Mutex    // protects the fields below
	limit time.Duration // how long it may fail; giveUpAfter except in tests
	since time.Time     // zero: it is not failing
	last  time.Time     // time of the last fault
	over  bool          // it failed for longer than limit
}

// note notes a fault. When faults have lasted for limit, it calls gaveUp, once.
func (s *faultTimer) note(err error, gaveUp func(error)) {
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
		gaveUp(fmt.Errorf("%w: damage has made writes fail for %v: %w", store.ErrDamaged, lasted, err))
		return
	}
	gaveUp(fmt.Errorf("%w: the disk has failed for %v: %w", store.ErrUnavailable, lasted, err))
}

// reset stops the timer if there was no fault for as long as limit.
func (s *faultTimer) reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if time.Since(s.last) > s.limit {
		s.since = time.Time{}
	}
}
