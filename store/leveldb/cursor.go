package leveldb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// A cursorMove is what a commit does to a cursor; 0 means that there is none.
type cursorMove struct{ before, after uint64 }

// SetCursor implements store.Store.
func (d *DB) SetCursor(r store.Cursor, done func(error)) {
	d.enqueue(&call{
		bytes: len(r.Consumer) + len(r.Stream), invalid: checkCursor(r.Consumer, r.Stream), replyOne: done,
		stage: func(d *DB, c *commit) error { return d.stageCursor(c, &r) },
	})
}

func checkCursor(consumer, stream []byte) error {
	switch n := len(consumer); {
	case n == 0:
		return fmt.Errorf("%w: the consumer has no name", store.ErrInvalid)
	case n > store.MaxConsumer:
		return fmt.Errorf("%w: a consumer's name has at most %d bytes, not %d", store.ErrTooLarge, store.MaxConsumer, n)
	case len(stream) > 0:
		return checkStream(stream)
	}
	return nil
}

// stageCursor puts the move of a cursor into c.
func (d *DB) stageCursor(c *commit, r *store.Cursor) error {
	number, last := uint64(0), c.record.Last
	if len(r.Stream) > 0 {
		s, err := c.touch(&d.streams, d.db, r.Stream)
		if err != nil {
			return err
		}
		number, last = s.after.Number, s.after.Last
	}
	if r.ID > last {
		return fmt.Errorf("%w: %d was never given", store.ErrUnknownID, r.ID)
	}
	if len(r.Stream) > 0 && number == 0 {
		return nil // id 0 of a stream that does not exist
	}
	key := record.CursorKey(r.Consumer, number)
	move, staged := c.cursors[string(key)]
	if !staged {
		var err error
		if move.before, err = loadCursor(d.db, key); err != nil {
			return err
		}
		move.after = move.before
	}
	switch {
	case r.ID < move.after && !r.Rewind:
		return &store.Behind{Cursor: move.after}
	case r.ID == move.after:
		return nil
	case r.ID == 0:
		c.batch.Delete(key)
	default:
		c.batch.Put(key, binary.AppendUvarint(nil, r.ID))
	}
	move.after = r.ID
	c.cursors[string(key)] = move
	c.record.Operations = append(c.record.Operations, record.Operation{Kind: record.OpCursor, Number: number, ID: r.ID, Name: r.Consumer})
	return nil
}

// Cursor implements store.Store.
func (d *DB) Cursor(ctx context.Context, consumer, stream []byte) (id uint64, err error) {
	if err := checkCursor(consumer, stream); err != nil {
		return 0, err
	}
	var c record.Counter
	if len(stream) > 0 {
		if c, err = d.lookup(ctx, stream); err != nil || c.Number == 0 {
			return 0, err
		}
	}
	err = d.use(ctx, func(db *leveldb.DB) error {
		id, err = loadCursor(db, record.CursorKey(consumer, c.Number))
		return err
	})
	return id, err
}

func loadCursor(db *leveldb.DB, key []byte) (uint64, error) {
	value, err := db.Get(key, nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, ldb.Fault(fmt.Sprintf("cursor %x", key), err)
	}
	id, ok := record.ParseCursor(value)
	if !ok {
		return 0, fmt.Errorf("%w: cursor %x", store.ErrDamaged, key)
	}
	return id, nil
}
