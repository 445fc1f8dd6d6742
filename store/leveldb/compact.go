package leveldb

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"unsafe"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// LevelDB's own CompactRange is for a database at rest. It goes on until no table
// of level 0 overlaps the range, and while commits are made there nearly always is
// one: each has keys of the first kind and of the last. It then merges the first
// level again for every such table, and has no bound. So the engine uses what
// CompactRange is made of, and has each level merged into the next once.

// rotateMem has LevelDB begin a new journal and, with wait, write what was in
// memory to a table and remove the journal before. Nobody may write meanwhile.
//
//go:linkname rotateMem github.com/syndtr/goleveldb/leveldb.(*DB).rotateMem
func rotateMem(db *leveldb.DB, size int, wait bool) (unsafe.Pointer, error)

// compactLevel merges the tables of a level that overlap a range, as far as there
// are any, with those of the next. commands is db's channel tcompCmdC.
//
//go:linkname compactLevel github.com/syndtr/goleveldb/leveldb.(*DB).compTriggerRange
func compactLevel(db *leveldb.DB, commands unsafe.Pointer, level int, low, upper []byte) error

// compact has LevelDB write anew what has old values of some ranges, whose limits
// belong to them. New values go down level by level until they meet the old ones,
// wherever these are.
func (d *DB) compact(db *leveldb.DB, ranges []util.Range) error {
	err := d.rotate(db)
	if err == nil {
		err = d.drain(db) // LevelDB keeps what a reader may still see
	}
	if err != nil {
		return err
	}
	// Tables of level 0 have something of everything: one merge takes all of them.
	all := util.Range{Start: ranges[0].Start, Limit: ranges[0].Limit}
	for _, r := range ranges {
		all.Start, all.Limit = slices.MinFunc([][]byte{all.Start, r.Start}, bytes.Compare), slices.MaxFunc([][]byte{all.Limit, r.Limit}, bytes.Compare)
	}
	slices.SortFunc(ranges, func(a, b util.Range) int { return bytes.Compare(a.Start, b.Start) })
	commands := reflect.ValueOf(db).Elem().FieldByName("tcompCmdC").UnsafePointer()
	for level := 0; ; level++ {
		levels, err := d.levels(db)
		if err != nil {
			return err
		}
		if level > 0 && level >= levels-1 {
			return nil
		}
		if level == 0 {
			err = d.merge(db, commands, 0, all)
		}
		for i := 0; level > 0 && i < len(ranges) && err == nil; i++ {
			if d.eraser.abandoned() {
				return store.ErrClosed
			}
			err = d.merge(db, commands, level, ranges[i])
		}
		if errors.Is(err, leveldb.ErrClosed) { // which LevelDB says of whatever ends a merge, and then why
			err = cmp.Or(d.rotate(db), err)
		}
		if err != nil {
			return fmt.Errorf("compaction of level %d: %w", level, err)
		}
	}
}

// rotate has LevelDB write what is in memory to a table.
func (d *DB) rotate(db *leveldb.DB) error {
	return d.maintain(func(now *leveldb.DB) error {
		if now != db {
			return errReopened
		}
		_, err := rotateMem(db, 0, true)
		return err
	})
}

// merge merges a range of a level with the next. LevelDB stays open as long: when
// it is closed in the middle, it answers on a channel that is closed, too.
func (d *DB) merge(db *leveldb.DB, commands unsafe.Pointer, level int, r util.Range) error {
	d.merging.Lock()
	defer d.merging.Unlock()
	return compactLevel(db, commands, level, r.Start, r.Limit)
}

// levels returns how many levels db has, also empty ones.
func (d *DB) levels(db *leveldb.DB) (int, error) {
	d.handle.RLock()
	defer d.handle.RUnlock()
	if d.db != db {
		return 0, errReopened
	}
	var s leveldb.DBStats
	err := db.Stats(&s)
	return len(s.LevelTablesCounts), err
}

// pieces appends the range of some ids to ranges, in pieces of which none has
// more data in tables, also old, than is to be compacted at once.
func pieces(db *leveldb.DB, ranges []util.Range, number, first, last uint64) ([]util.Range, error) {
	all := util.Range{Start: record.AppendEventKey(nil, number, first), Limit: record.AppendEventKey(nil, number, last)}
	sizes, err := db.SizeOf([]util.Range{all})
	if err != nil {
		return nil, ldb.Fault(fmt.Sprintf("events of the stream number %d", number), err)
	}
	if first >= last || sizes.Sum() <= eraseRange {
		return append(ranges, all), nil
	}
	middle := first + (last-first)/2
	if ranges, err = pieces(db, ranges, number, first, middle); err != nil {
		return nil, err
	}
	return pieces(db, ranges, number, middle+1, last)
}
