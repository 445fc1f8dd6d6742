package leveldb

import (
	"context"
	"iter"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// Streams implements store.Store.
func (d *DB) Streams(ctx context.Context, prefix, after []byte) iter.Seq2[store.Stream, error] {
	return func(yield func(store.Stream, error) bool) {
		const chunk = 1024
		prefix, after := slices.Clone(prefix), slices.Clone(after)
		for more := true; more; {
			var found []store.Stream
			more = false
			err := d.use(ctx, func(db *leveldb.DB) error {
				looked := 0
				return streamsFrom(db, prefix, after, func(name []byte, c record.Counter) bool {
					after = append(after[:0], name...)
					if c.Deleted < c.Last {
						found = append(found, store.Stream{Name: slices.Clone(name), Last: c.Last})
					}
					looked++
					more = looked >= chunk
					return !more
				})
			})
			for _, s := range found {
				if !yield(s, nil) {
					return
				}
			}
			if err != nil {
				yield(store.Stream{}, err)
				return
			}
		}
	}
}

// streamsFrom calls f for each stream whose name begins with prefix and comes after
// a name, in byte order, including streams that hold no event. name is valid until
// f returns.
func streamsFrom(db *leveldb.DB, prefix, after []byte, f func(name []byte, c record.Counter) (more bool)) error {
	span := util.BytesPrefix(record.StreamKey(prefix))
	if len(after) > 0 {
		if next := append(record.StreamKey(after), 0); string(next) > string(span.Start) {
			span.Start = next
		}
	}
	if span.Limit != nil && string(span.Start) >= string(span.Limit) {
		return nil
	}
	it := db.NewIterator(span, nil)
	defer it.Release()
	for it.Next() {
		c, err := record.ParseCounter(it.Value())
		if err != nil {
			return err
		}
		if !f(it.Key()[1:], c) {
			break
		}
	}
	if err := it.Error(); err != nil {
		return ldb.Fault("stream records", err)
	}
	return nil
}
