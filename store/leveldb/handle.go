package leveldb

import (
	"errors"
	"fmt"

	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store"
)

// openFirst opens the database, for reading only if the disk is full.
func (d *DB) openFirst(least highwater) (last tip, err error) {
	err = d.lacksRoom()
	if err == nil {
		if last, err = d.openHandle(least); err == nil {
			if err = d.eraser.load(d.db); err != nil {
				err = errors.Join(err, d.closeHandle())
			}
			return last, err
		}
	}
	full := withFull(err)
	if !errors.Is(full, store.ErrFull) {
		return last, err
	}
	d.condition.cause = full
	d.log.Error("the database cannot be written to, only read; trying again every second", "error", err)
	if err := d.syncJournals(); err != nil {
		return last, fault("journals", err)
	}
	return d.openReadOnly(least)
}

// syncJournals syncs what an earlier process may have left unsynced in journals:
// what is shown has to outlive a crash. A database that is opened for writing
// writes it to tables.
func (d *DB) syncJournals() error {
	files, err := d.disk.files(true)
	if err != nil {
		return err
	}
	defer files.Close()
	journals, err := files.List(storage.TypeJournal)
	for i := 0; i < len(journals) && err == nil; i++ {
		var r storage.Reader
		if r, err = files.Open(journals[i]); err != nil {
			break
		}
		if s, ok := r.(storage.Syncer); ok { // a file of the system's
			err = s.Sync()
		}
		err = errors.Join(err, r.Close())
	}
	return err
}

// openHandle sets db and guard to a handle on a database that was found
// complete, and returns the end of its log. It changes no file of one that was
// not. The caller holds handle, or is alone.
func (d *DB) openHandle(least highwater) (last tip, err error) {
	if err := d.rehearse(least); err != nil {
		return last, err
	}
	files, err := d.disk.files(false)
	if err != nil {
		return last, err
	}
	dir, err := d.disk.directory()
	if err != nil {
		files.Close()
		return last, err
	}
	db, g, err := openDatabase(files, dir, &settings, leveldb.Open)
	if err != nil {
		return last, err
	}
	g.syncs = &d.counts.syncs // of commits only, and what LevelDB does to open it is none
	last, err = check(db, least)
	if err == nil {
		err = g.err()
	}
	if err == nil {
		d.opened, err = liveTables(db)
	}
	if err != nil {
		db.Close()
		g.Close()
		return last, err
	}
	d.db, d.guard, d.condition.readOnly = db, g, false
	return last, nil
}

// rehearse opens the database on an overlay and checks it.
func (d *DB) rehearse(least highwater) error {
	files, err := d.disk.files(true)
	if err != nil {
		return err
	}
	first, err := firstInJournals(files)
	if err != nil {
		files.Close()
		return fault("journals", err)
	}
	db, g, err := openOverlay(files)
	if err != nil {
		return err
	}
	_, err = check(db, least)
	if err == nil && first > 0 {
		err = checkChain(db, first)
	}
	if err == nil {
		err = erasures(db, func(erasure) bool { return true }) // which the eraser reads at the start
	}
	return errors.Join(err, db.Close(), g.Close())
}

// openDatabase opens a database on guarded files, as open does; dir is their
// directory, or nil. When it fails, both are closed.
func openDatabase(files storage.Storage, dir directory, o *opt.Options,
	open func(storage.Storage, *opt.Options) (*leveldb.DB, error)) (*leveldb.DB, *guard, error) {
	g := newGuard(files, dir)
	db, err := open(g, o)
	if err != nil {
		if refused := g.err(); refused != nil {
			err = refused // LevelDB does not wrap it
		}
		g.Close()
		return nil, nil, fault("leveldb", named(err))
	}
	return db, g, nil
}

// named adds the names of files to an error of LevelDB that leaves them out.
func named(err error) error {
	var corrupted *ldberrors.ErrCorrupted
	if !errors.As(err, &corrupted) || !corrupted.Fd.Zero() {
		return err
	}
	if missing, ok := corrupted.Err.(*ldberrors.ErrMissingFiles); ok {
		return fmt.Errorf("%w: %v", err, missing.Fds[:min(len(missing.Fds), 10)])
	}
	return fmt.Errorf("%w: CURRENT, or the manifest that it names", err)
}

// closeHandle gives db and guard up. The caller holds handle, or is alone.
func (d *DB) closeHandle() error {
	if d.db == nil {
		return nil
	}
	d.merging.Lock()
	defer d.merging.Unlock()
	err := errors.Join(d.db.Close(), d.guard.Close())
	d.db, d.guard = nil, nil
	return err
}

// check verifies that the commits reach at least as far as least and that none
// after it is missing, and returns the last one. It reads the commits of about
// a second, however large the store is.
func check(db *leveldb.DB, least highwater) (tip, error) {
	last := tip{nextNumber: 1}
	if least.position > 0 {
		value, err := db.Get(commitKey(least.position), nil)
		if errors.Is(err, leveldb.ErrNotFound) {
			return last, fmt.Errorf("%w: the commit at position %d is missing", store.ErrDamaged, least.position)
		}
		if err != nil {
			return last, fault(fmt.Sprintf("commit at position %d", least.position), err)
		}
		var c commitRecord
		if err := c.parse(commitKey(least.position), value); err != nil {
			return last, err
		}
		if c.chain != least.chain {
			return last, fmt.Errorf("%w: the commit at position %d is another one than the store had", store.ErrDamaged, least.position)
		}
		last = c.tip()
	}
	return follow(db, last)
}

// follow verifies that no commit after last is missing, and returns the last one.
func follow(db *leveldb.DB, last tip) (tip, error) {
	return followed(db, last, func(*commitRecord) {})
}

// followed is follow that calls f for each commit.
func followed(db *leveldb.DB, last tip, f func(c *commitRecord)) (tip, error) {
	err := commitsAfter(db, last.position, func(c *commitRecord, value []byte) error {
		if !c.follows(last.chain, value) {
			return missingBetween(last.position, c.last)
		}
		last = c.tip()
		f(c)
		return nil
	})
	return last, err
}

// missingBetween returns the error of a commit that does not follow the one before.
func missingBetween(position, next uint64) error {
	return fmt.Errorf("%w: a commit between the positions %d and %d is missing", store.ErrDamaged, position, next)
}
