package leveldb

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// A Consumer tells how far one consumer is behind.
type Consumer struct {
	Name      []byte
	Streams   int    // streams with a cursor of this consumer
	Events    uint64 // events of these streams after its cursors
	Store     bool   // it has a cursor in the whole store
	Positions uint64 // positions after that cursor, up to the last event
}

// Consumers returns the consumers of the first cursors, at most so many cursors, in
// no particular order. more reports that there are more cursors.
func (d *DB) Consumers(ctx context.Context, cursors int) (consumers []Consumer, more bool, err error) {
	all, more, err := d.cursors(ctx, cursors)
	if err != nil {
		return nil, false, err
	}
	lasts, err := d.lasts(ctx, all)
	if err != nil {
		return nil, false, err
	}
	position, err := d.lastEvent(ctx)
	if err != nil {
		return nil, false, err
	}
	for _, c := range all {
		n := len(consumers)
		if n == 0 || !bytes.Equal(consumers[n-1].Name, c.consumer) {
			consumers = append(consumers, Consumer{Name: c.consumer})
			n++
		}
		switch of := &consumers[n-1]; {
		case c.number == 0:
			of.Store, of.Positions = true, position-min(c.id, position)
		default:
			of.Streams++
			of.Events += lasts[c.number] - min(c.id, lasts[c.number])
		}
	}
	return consumers, more, nil
}

// lastEvent returns the position of the last event. Later positions belong to
// cursors and erasures, which nobody has to catch up with.
func (d *DB) lastEvent(ctx context.Context) (uint64, error) {
	if position := d.counts.event.Load(); position > 0 {
		return position, nil
	}
	newest := store.Range{Select: store.Prefix(nil), Backward: true, Limit: 1, Nearest: true}
	for e, err := range d.Read(ctx, newest) {
		if err == nil {
			d.counts.event.CompareAndSwap(0, e.Position)
		}
		return e.Position, err
	}
	return 0, nil
}

// A cursor is where a consumer stands in a stream; number 0 is the whole store.
type cursor struct {
	consumer []byte
	number   uint64
	id       uint64
}

// cursors returns the first cursors, those of one consumer together, and whether
// there are more.
func (d *DB) cursors(ctx context.Context, most int) (all []cursor, more bool, err error) {
	err = d.use(ctx, func(db *leveldb.DB) error {
		it := db.NewIterator(util.BytesPrefix([]byte{record.KindCursor}), nil)
		defer it.Release()
		for it.Next() {
			if more = len(all) == most; more {
				return nil
			}
			consumer, number, ok := record.ParseCursorKey(it.Key())
			id, good := record.ParseCursor(it.Value())
			if !ok || !good {
				return fmt.Errorf("%w: cursor %x", store.ErrDamaged, it.Key())
			}
			all = append(all, cursor{bytes.Clone(consumer), number, id})
		}
		if err := it.Error(); err != nil {
			return ldb.Fault("cursors", err)
		}
		return nil
	})
	return all, more, err
}

// lasts returns the last id of each stream that has a cursor, by stream number.
func (d *DB) lasts(ctx context.Context, all []cursor) (map[uint64]uint64, error) {
	var numbers []uint64
	for _, c := range all {
		if c.number > 0 {
			numbers = append(numbers, c.number)
		}
	}
	slices.Sort(numbers)
	numbers = slices.Compact(numbers)
	var named [][]byte
	err := d.use(ctx, func(db *leveldb.DB) (err error) {
		named, err = d.names.Of(db, numbers)
		return err
	})
	if err != nil {
		return nil, err
	}
	lasts := make(map[uint64]uint64, len(numbers))
	for i, number := range numbers {
		c, err := d.lookup(ctx, named[i])
		if err != nil {
			return nil, err
		}
		lasts[number] = c.Last
	}
	return lasts, nil
}
