package leveldb

import (
	"context"
	"math"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
)

// microseconds returns the first time of the store that is not before t.
func microseconds(t time.Time) int64 {
	µs := t.UnixMicro()
	if time.UnixMicro(µs).Before(t) {
		µs++
	}
	return µs
}

// between narrows the ids of a range down to its times, with as many look-ups as
// the logarithm of their number.
func (d *DB) between(ctx context.Context, r store.Range, number, after, upTo uint64) (low, high uint64, err error) {
	err = d.use(ctx, func(db *leveldb.DB) (err error) {
		if !r.Since.IsZero() {
			since := microseconds(r.Since)
			if after, err = lastID(db, number, after, upTo, func(p *page) bool { return p.time < since }); err != nil {
				return err
			}
		}
		if !r.Until.IsZero() && after < upTo {
			until := microseconds(r.Until)
			upTo, err = lastID(db, number, after, upTo, func(p *page) bool { return p.time < until })
		}
		return err
	})
	return after, upTo, err
}

// lastID returns the last id, from after to upTo, of a page that is below: those
// of a stream are up to some page, and from then on not. It is after if none is.
func lastID(db *leveldb.DB, number, after, upTo uint64, below func(*page) bool) (uint64, error) {
	it := db.NewIterator(&util.Range{
		Start: appendEventKey(nil, number, 0),
		Limit: appendEventKey(nil, number, math.MaxUint64),
	}, nil)
	defer it.Release()
	for after < upTo {
		middle := after + (upTo-after+1)/2
		if !it.Seek(appendEventKey(nil, number, middle)) {
			if err := it.Error(); err != nil {
				return 0, fault("events", err)
			}
			upTo = middle - 1 // deleted meanwhile
			continue
		}
		p, err := parseAnyPage(it.Key(), it.Value())
		if err != nil {
			return 0, err
		}
		if below(&p) {
			after = max(middle, min(keyNumber(it.Key()), upTo))
		} else {
			upTo = max(after, min(middle, p.first)-1)
		}
	}
	return after, nil
}

// committedBetween narrows the positions of a range down to its times.
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

// lastBefore returns the last position, from after to upTo, of a commit before a
// time; after if there is none.
func lastBefore(db *leveldb.DB, after, upTo uint64, µs int64) (uint64, error) {
	it := db.NewIterator(util.BytesPrefix([]byte{kindCommit}), nil)
	defer it.Release()
	var c commitRecord
	for after < upTo {
		middle := after + (upTo-after+1)/2
		if !it.Seek(commitKey(middle)) {
			return 0, fault("commits", it.Error())
		}
		if err := c.parse(it.Key(), it.Value()); err != nil {
			return 0, err
		}
		if c.time < µs {
			after = min(c.last, upTo)
		} else {
			upTo = max(after, min(middle, c.first)-1)
		}
	}
	return after, nil
}
