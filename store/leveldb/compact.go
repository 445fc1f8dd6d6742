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

// LevelDB's own CompactRange is made for a database at rest. It runs until no table
// of level 0 overlaps the range. While commits go on there nearly always is one,
// because every level-0 table spans the whole key space. CompactRange then merges
// the first level again for each such table, without bound. The engine therefore
// uses the parts that CompactRange is made of, and merges each level into the next
// once.

// rotateMem makes LevelDB begin a new journal. With wait it also writes the memory
// table to a file and removes the old journal. Nobody may write meanwhile.
//
//go:linkname rotateMem github.com/syndtr/goleveldb/leveldb.(*DB).rotateMem
func rotateMem(db *leveldb.DB, size int, wait bool) (unsafe.Pointer, error)

// compactLevel merges the tables of one level that overlap a range into the next
// level. commands is db's channel tcompCmdC.
//
//go:linkname compactLevel github.com/syndtr/goleveldb/leveldb.(*DB).compTriggerRange
func compactLevel(db *leveldb.DB, commands unsafe.Pointer, level int, low, upper []byte) error

// compact makes LevelDB rewrite every table that holds old values of some ranges;
// the limits belong to the ranges. New values move down level by level until they
// meet the old ones.
func (d *DB) compact(db *leveldb.DB, ranges []util.Range) error {
	err := d.rotate(db)
	if err == nil {
		err = d.drain(db) // LevelDB keeps whatever a reader may still see
	}
	if err != nil {
		return err
	}
	// Tables of level 0 span all keys: one merge takes all of them.
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
		if errors.Is(err, leveldb.ErrClosed) { // LevelDB says so of whatever ends a merge; the guard knows the cause
			err = cmp.Or(d.rotate(db), err)
		}
		if err != nil {
			return fmt.Errorf("compaction of level %d: %w", level, err)
		}
	}
}

// rotate makes LevelDB write its memory table to a file.
func (d *DB) rotate(db *leveldb.DB) error {
	return d.maintain(func(now *leveldb.DB) error {
		if now != db {
			return errReopened
		}
		_, err := rotateMem(db, 0, true)
		return err
	})
}

// merge merges a range of one level into the next. LevelDB must stay open
// meanwhile: if it is closed during the merge, it sends its answer on a closed
// channel and panics.
func (d *DB) merge(db *leveldb.DB, commands unsafe.Pointer, level int, r util.Range) error {
	d.merging.Lock()
	defer d.merging.Unlock()
	return compactLevel(db, commands, level, r.Start, r.Limit)
}

// levels returns the number of levels of db, including empty ones.
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

// pieces appends the key range of some ids to ranges, cut into pieces. No piece has
// more data in tables, old values included, than eraseRange.
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
