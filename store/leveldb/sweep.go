package leveldb

import (
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/cache"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store"
)

// When LevelDB opens a database, it references the tables it finds twice: for its
// first version, and for the manifest that it begins. Once these tables have been
// compacted away, LevelDB does not remove them before the next start. They may hold
// erased data, and they are as large as the store was; so the engine removes them.
//
// A table that is no longer in use never comes back. Whoever began to read it
// earlier holds handle, or has the turn.

// sweepEvery is how often the engine looks for such tables.
const sweepEvery = time.Minute

// sweep removes the tables of the first version that are no longer in use.
func (d *DB) sweep() error {
	db, unused, err := d.unused()
	if len(unused) == 0 {
		return err
	}
	if err := d.drain(db); err != nil {
		return err
	}
	d.handle.RLock()
	defer d.handle.RUnlock()
	if d.db != db {
		return errReopened
	}
	for _, n := range unused {
		tableCache(db).Evict(0, uint64(n)) // an open descriptor would keep the bytes
		err := d.guard.Remove(storage.FileDesc{Type: storage.TypeTable, Num: n})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		delete(d.opened, n)
	}
	return nil
}

// tableCache returns LevelDB's cache of open tables.
func tableCache(db *leveldb.DB) *cache.Cache {
	tables := reflect.ValueOf(db).Elem().FieldByName("s").Elem().FieldByName("tops").Elem()
	return (*cache.Cache)(tables.FieldByName("fileCache").UnsafePointer())
}

// drain waits until everybody who began to read earlier has finished.
func (d *DB) drain(db *leveldb.DB) error {
	// First the holder of the turn finishes, then the holders of handle.
	if err := d.maintain(func(*leveldb.DB) error { return nil }); err != nil {
		return err
	}
	d.handle.Lock()
	defer d.handle.Unlock()
	if d.db != db {
		return errReopened
	}
	return nil
}

// unused returns the tables that sweep is to remove, and their database.
func (d *DB) unused() (db *leveldb.DB, tables []int64, err error) {
	d.handle.RLock()
	defer d.handle.RUnlock()
	if d.db == nil || len(d.opened) == 0 {
		return nil, nil, nil
	}
	live, err := liveTables(d.db)
	if err != nil {
		return nil, nil, err
	}
	for n := range d.opened {
		if !live[n] {
			tables = append(tables, n)
		}
	}
	return d.db, tables, nil
}

// liveTables returns the numbers of the tables in use.
func liveTables(db *leveldb.DB) (map[int64]bool, error) {
	list, err := db.GetProperty("leveldb.sstables")
	live := make(map[int64]bool)
	for line := range strings.Lines(list) {
		var n int64
		if _, err := fmt.Sscanf(line, "%d:", &n); err == nil {
			live[n] = true
		}
	}
	return live, err
}

// awaitRemoval waits until the unused files of a database are gone. LevelDB removes
// tables a little after a compaction, when nobody reads them.
func (d *DB) awaitRemoval(db *leveldb.DB) error {
	var waits map[int64]bool
	for pause := 10 * time.Millisecond; ; pause = min(2*pause, time.Second) {
		if err := d.sweep(); err != nil {
			return err
		}
		idle, err := d.idleFiles(db)
		if err != nil {
			return err
		}
		if waits == nil {
			waits = idle
		}
		for n := range waits {
			if !idle[n] {
				delete(waits, n)
			}
		}
		if len(waits) == 0 {
			return nil
		}
		select {
		case <-time.After(pause):
		case <-d.eraser.abandon:
			return store.ErrClosed
		}
	}
}

// idleFiles returns the numbers of the existing tables that are not in use, or not
// yet, and of all journals but the newest.
func (d *DB) idleFiles(db *leveldb.DB) (map[int64]bool, error) {
	d.handle.RLock()
	defer d.handle.RUnlock()
	if d.db != db {
		return nil, errReopened
	}
	files, err := d.guard.List(storage.TypeTable | storage.TypeJournal)
	if err != nil {
		return nil, err
	}
	live, err := liveTables(db)
	newest := int64(0)
	for _, fd := range files {
		if fd.Type == storage.TypeJournal {
			newest = max(newest, fd.Num)
		}
	}
	idle := make(map[int64]bool)
	for _, fd := range files {
		if fd.Num != newest && !live[fd.Num] {
			idle[fd.Num] = true
		}
	}
	return idle, err
}
