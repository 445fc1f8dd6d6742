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

// LevelDB counts the tables that it finds when it opens a database twice: once
// for its first version, and once for the manifest that it begins. When they have
// been compacted away, they are never removed until the next time. So the engine
// removes them: what is to be erased may be in them, and they are as large as the
// store was.
//
// A table that was in use and is not any more never comes back. Who began to read
// it before holds handle, or has the turn.

// sweepEvery is how often the engine looks for such tables.
const sweepEvery = time.Minute

// sweep removes the tables of the first version that are not in use any more.
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
		tableCache(db).Evict(0, uint64(n)) // its descriptor keeps the bytes
		err := d.guard.Remove(storage.FileDesc{Type: storage.TypeTable, Num: n})
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
		delete(d.opened, n)
	}
	return nil
}

// tableCache returns the tables that LevelDB keeps open.
func tableCache(db *leveldb.DB) *cache.Cache {
	tables := reflect.ValueOf(db).Elem().FieldByName("s").Elem().FieldByName("tops").Elem()
	return (*cache.Cache)(tables.FieldByName("fileCache").UnsafePointer())
}

// drain waits until nobody reads any more who began before.
func (d *DB) drain(db *leveldb.DB) error {
	// Whoever had the turn is through, and then whoever held handle.
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

// unused returns what sweep is to remove, and from which database.
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

// liveTables returns the numbers of the tables that are in use.
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

// awaitRemoval waits until the files of a database are gone that are not in use
// any more: LevelDB removes tables a little after a compaction, when nobody reads
// them.
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

// idleFiles returns the numbers of the tables that are there and not in use, or
// not yet, and of the journals before the newest.
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
