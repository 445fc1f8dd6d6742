package leveldb

import (
	"context"
	"math"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// microseconds returns the first time of the store that is not before t.
func microseconds(t time.Time) int64 {
	µs := t.UnixMicro()
	if time.UnixMicro(µs).Before(t) {
		µs++
	}
	return µs
}

// between narrows the ids of a range to its times by binary search.
func (d *DB) between(ctx context.Context, r store.Range, number, after, upTo uint64) (low, high uint64, err error) {
	err = d.use(ctx, func(db *leveldb.DB) (err error) {
		if !r.Since.IsZero() {
			since := microseconds(r.Since)
			if after, err = lastID(db, number, after, upTo, func(p *record.Page) bool { return p.Time < since }); err != nil {
				return err
			}
		}
		if !r.Until.IsZero() && after < upTo {
			until := microseconds(r.Until)
			upTo, err = lastID(db, number, after, upTo, func(p *record.Page) bool { return p.Time < until })
		}
		return err
	})
	return after, upTo, err
}

// lastID returns the last id, between after and upTo, of a page for which below
// holds. below must hold for all pages up to some page and for none after it.
// lastID returns after if below holds for no page.
func lastID(db *leveldb.DB, number, after, upTo uint64, below func(*record.Page) bool) (uint64, error) {
	it := db.NewIterator(&util.Range{
		Start: record.AppendEventKey(nil, number, 0),
		Limit: record.AppendEventKey(nil, number, math.MaxUint64),
	}, nil)
	defer it.Release()
	for after < upTo {
		middle := after + (upTo-after+1)/2
		if !it.Seek(record.AppendEventKey(nil, number, middle)) {
			if err := it.Error(); err != nil {
				return 0, ldb.Fault("events", err)
			}
			upTo = middle - 1 // deleted meanwhile
			continue
		}
		p, err := record.ParseAnyPage(it.Key(), it.Value())
		if err != nil {
			return 0, err
		}
		if below(&p) {
			after = max(middle, min(record.KeyNumber(it.Key()), upTo))
		} else {
			upTo = max(after, min(middle, p.First)-1)
		}
	}
	return after, nil
}

// committedBetween narrows the positions of a range to its times.
func (d *DB) committedBetween(ctx context.Context, r store.Range, after, upTo uint64) (low, high uint64, err error) {
	err = d.use(ctx, func(db *leveldb.DB) (err error) {
		if !r.Since.IsZero() {
			if after, err = lastBefore(db, after, upTo, microseconds(r.Since)); err != nil {
				return err
			}
		}
		if !r.Until.IsZero() && after < upTo {
			upTo, err = lastBefore(db, after, upTo, microseconds(r.Until))
		}
		return err
	})
	return after, upTo, err
}

// lastBefore returns the last position, between after and upTo, of a commit before
// a time; after if there is none.
func lastBefore(db *leveldb.DB, after, upTo uint64, µs int64) (uint64, error) {
	it := db.NewIterator(util.BytesPrefix([]byte{record.KindCommit}), nil)
	defer it.Release()
	var c record.Commit
	for after < upTo {
		middle := after + (upTo-after+1)/2
		if !it.Seek(record.CommitKey(middle)) {
			return 0, ldb.Fault("commits", it.Error())
		}
		if err := c.Parse(it.Key(), it.Value()); err != nil {
			return 0, err
		}
		if c.Time < µs {
			after = min(c.Last, upTo)
		} else {
			upTo = max(after, min(middle, c.First)-1)
		}
	}
	return after, nil
}
