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

// openFirst opens the database; if the disk is full, for reading only.
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
	d.health.cause = full
	d.log.Error("the database is read-only; trying again every second", "error", err)
	if err := d.syncJournals(); err != nil {
		return last, ldb.Fault("journals", err)
	}
	return d.openReadOnly(least)
}

// syncJournals syncs what an earlier process may have left unsynced in journals:
// readers may see it, so it has to survive a crash. Opening for writing moves it to
// tables instead.
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
		if s, ok := r.(storage.Syncer); ok { // a real file
			err = s.Sync()
		}
		err = errors.Join(err, r.Close())
	}
	return err
}

// openHandle checks the database on an overlay, opens it, sets db and guard, and
// returns the end of its log. If the database is incomplete, it changes no file.
// The caller holds handle, or is alone.
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
	// Counts the syncs of commits only, not those that LevelDB makes to open.
	g.Synced = func(took time.Duration) { d.counts.syncs.observe(uint64(took)) }
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
	d.db, d.guard, d.health.readOnly = db, g, false
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
		err = logscan.Erasures(db, func(record.Erasure) bool { return true }) // as the eraser will read them at the start
	}
	return errors.Join(err, db.Close(), g.Close())
}

// closeHandle closes db and guard. The caller holds handle, or is alone.
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

// errReopened: the work has to start again on the new handle, because what was not
// synced may be lost.
var errReopened = errors.New("the database was reopened meanwhile")

// maintain calls f while no commit is made.
func (d *DB) maintain(f func(db *leveldb.DB) error) error {
	d.turn.Lock()
	defer d.turn.Unlock()
	if d.eraser.abandoned() {
		return store.ErrClosed
	}
	if err := d.ensureWritable(); err != nil {
		return err
	}
	return f(d.db)
}
