package leveldb

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// removePages removes the pages of deleted events, a few at a time, and returns the
// key ranges that may hold old values. It searches while commits go on: after a
// crash the search may have to skip many removed pages.
func (d *DB) removePages(e *record.Erasure) (ranges []util.Range, err error) {
	last := e.Last
	for next := e.First; e.Kind == record.OpDelete && next <= e.Last; {
		var batch leveldb.Batch
		err := d.use(context.Background(), func(db *leveldb.DB) (err error) {
			next, err = collect(db, e, next, &batch)
			return err
		})
		if err == nil && batch.Len() > 0 {
			err = d.maintain(func(db *leveldb.DB) error { return db.Write(&batch, nil) }) // not synced; neither is the removal of the record
		}
		if err == nil && d.eraser.abandoned() {
			err = store.ErrClosed
		}
		if err != nil {
			return nil, err
		}
	}
	first := e.First
	if e.Kind == record.OpReplace {
		first = e.Last // the old value had the page's key
	} else if key, err := d.shrinkPage(e); err != nil {
		return nil, err
	} else if key != nil {
		last = record.KeyNumber(key)
	}
	err = d.use(context.Background(), func(db *leveldb.DB) (err error) {
		ranges, err = pieces(db, nil, e.Number, first, last)
		return err
	})
	return ranges, err
}

// collect puts the removal of pages that hold only deleted events into batch,
// starting at an id. It returns the id to continue from.
func collect(db *leveldb.DB, e *record.Erasure, from uint64, batch *leveldb.Batch) (next uint64, err error) {
	upTo := min(e.Last, from+erasePages-1)
	it := db.NewIterator(&util.Range{Start: record.AppendEventKey(nil, e.Number, from), Limit: record.AppendEventKey(nil, e.Number, upTo+1)}, nil)
	defer it.Release()
	for size := 0; it.Next(); {
		batch.Delete(it.Key())
		if size += len(it.Value()); size >= eraseBytes {
			return record.KeyNumber(it.Key()) + 1, nil
		}
	}
	if err := it.Error(); err != nil {
		return 0, ldb.Fault(fmt.Sprintf("deleted events of the stream number %d", e.Number), err)
	}
	return upTo + 1, nil
}

// shrinkPage removes the deleted events from the one page that also holds others.
// It returns the key of that page, or nil if there is none.
func (d *DB) shrinkPage(e *record.Erasure) (key []byte, err error) {
	err = d.use(context.Background(), func(db *leveldb.DB) error {
		it := db.NewIterator(&util.Range{
			Start: record.AppendEventKey(nil, e.Number, e.Last+1), Limit: record.AppendEventKey(nil, e.Number, e.Last+math.MaxUint16),
		}, nil)
		defer it.Release()
		if it.Next() {
			key = slices.Clone(it.Key())
		}
		return it.Error()
	})
	if err != nil || key == nil {
		return nil, err
	}
	return key, d.maintain(func(db *leveldb.DB) error {
		value, err := db.Get(key, nil) // read again: it may have been replaced
		if err != nil {
			return ldb.Fault(fmt.Sprintf("page %x", key), err)
		}
		if value, err = record.ShrinkPage(key, value, e.Last); err != nil || value == nil {
			return err
		}
		return db.Put(key, value, nil)
	})
}
