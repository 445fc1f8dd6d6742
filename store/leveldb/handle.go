package leveldb

import (
	"errors"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// openFirst opens the database, for reading only if the disk is full.
func (d *DB) openFirst(least datadir.Highwater) (last record.Tip, err error) {
	err = d.lacksRoom()
	if err == nil {
		if last, err = d.openHandle(least); err == nil {
			if err = d.eraser.load(d.db); err != nil {
				err = errors.Join(err, d.closeHandle())
			}
			return last, err
		}
	}
	full := ldb.WithFull(err)
	if !errors.Is(full, store.ErrFull) {
		return last, err
	}
	d.condition.cause = full
	d.log.Error("the database cannot be written to, only read; trying again every second", "error", err)
	if err := d.syncJournals(); err != nil {
		return last, ldb.Fault("journals", err)
	}
	return d.openReadOnly(least)
}

// syncJournals syncs what an earlier process may have left unsynced in journals:
// what is shown has to outlive a crash. A database that is opened for writing
// writes it to tables.
func (d *DB) syncJournals() error {
	files, err := d.disk.Files(true)
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
func (d *DB) openHandle(least datadir.Highwater) (last record.Tip, err error) {
	if err := d.rehearse(least); err != nil {
		return last, err
	}
	files, err := d.disk.Files(false)
	if err != nil {
		return last, err
	}
	dir, err := d.disk.Directory()
	if err != nil {
		files.Close()
		return last, err
	}
	db, g, err := ldb.Open(files, dir)
	if err != nil {
		return last, err
	}
	// Of commits only, and what LevelDB does to open it is none.
	g.Synced = func(took time.Duration) { d.counts.syncs.add(uint64(took)) }
	last, err = logscan.Check(db, least)
	if err == nil {
		err = g.Err()
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
func (d *DB) rehearse(least datadir.Highwater) error {
	files, err := d.disk.Files(true)
	if err != nil {
		return err
	}
	first, err := logscan.FirstInJournals(files)
	if err != nil {
		files.Close()
		return ldb.Fault("journals", err)
	}
	db, g, err := ldb.OpenOverlay(files)
	if err != nil {
		return err
	}
	_, err = logscan.Check(db, least)
	if err == nil && first > 0 {
		err = logscan.CheckChain(db, first)
	}
	if err == nil {
		err = logscan.Erasures(db, func(record.Erasure) bool { return true }) // which the eraser reads at the start
	}
	return errors.Join(err, db.Close(), g.Close())
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

// errReopened: what was begun on a handle is to be done again on the next, since
// what was not synced may be lost.
var errReopened = errors.New("the database was opened again meanwhile")

// maintain calls f while no commit is made.
func (d *DB) maintain(f func(db *leveldb.DB) error) error {
	d.turn.Lock()
	defer d.turn.Unlock()
	if d.eraser.abandoned() {
		return store.ErrClosed
	}
	if err := d.revive(); err != nil {
		return err
	}
	return f(d.db)
}
