package leveldb

import (
	"fmt"
	"math"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// A pageChange is what a commit does to one page: replace it, or create it.
type pageChange struct{ key, before []byte } // before is nil if the page is new

// Replace implements store.Store.
func (d *DB) Replace(r store.Replace, done func(error)) {
	invalid := checkStream(r.Stream)
	if invalid == nil {
		invalid = checkEvent(r.Data)
	}
	d.enqueue(&call{
		bytes: len(r.Stream) + len(r.Data) + record.PageBytes, invalid: invalid, erases: r.Stream, replyOne: done,
		stage: func(d *DB, c *commit) error { return d.stageReplace(c, &r) },
	})
}

// stageReplace puts an event's new data into c by rewriting its page.
func (d *DB) stageReplace(c *commit, r *store.Replace) error {
	s, err := c.touch(&d.streams, d.db, r.Stream)
	if err != nil {
		return err
	}
	if !s.after.Holds(r.ID) {
		return fmt.Errorf("%w: the stream %+q has no event %d", store.ErrUnknownID, r.Stream, r.ID)
	}
	key, value, p, err := findPage(d.db, s.after.Number, r.ID)
	if err != nil {
		return err
	}
	changes, err := c.rewrite(p, s.after, r)
	if err != nil {
		return err
	}
	for i := range changes {
		c.batch.Put(changes[i].key, changes[i].before)
		changes[i].before = nil
	}
	changes[len(changes)-1].before = value // the last one has the key of the old page
	c.pages = append(c.pages, changes...)
	c.bytes += len(value) // a page may end with an event of the largest size
	c.record.Operations = append(c.record.Operations, record.Operation{Kind: record.OpReplace, Number: s.after.Number, ID: r.ID, Page: record.KeyNumber(key)})
	return nil
}

// rewrite returns the pages that replace a page: one, or several if an event has
// grown. It leaves deleted events out.
func (c *commit) rewrite(p record.Page, k record.Counter, r *store.Replace) (pages []pageChange, err error) {
	time := p.Time
	for p.Left > 0 {
		id, position, data, err := p.Next()
		if err != nil {
			c.page.Reset()
			return nil, fmt.Errorf("stream %+q: %w", r.Stream, err)
		}
		if id == r.ID {
			data = r.Data
		}
		if id > k.Deleted {
			c.page.Add(position, time, data)
		}
		if p.Left == 0 || c.page.Full() {
			key := record.AppendEventKey(nil, k.Number, id)
			pages = append(pages, pageChange{key, append([]byte(nil), c.page.End(key)...)})
		}
	}
	return pages, nil
}

// findPage returns the page that holds an event, in its own memory.
func findPage(db *leveldb.DB, number, id uint64) (key, value []byte, p record.Page, err error) {
	it := db.NewIterator(&util.Range{
		Start: record.AppendEventKey(nil, number, id),
		Limit: record.AppendEventKey(nil, number, math.MaxUint64),
	}, nil)
	defer it.Release()
	found := it.Next()
	if err := it.Error(); err != nil {
		return nil, nil, p, ldb.Fault(fmt.Sprintf("event %d of the stream number %d", id, number), err)
	}
	if found {
		key, value = append(key, it.Key()...), append(value, it.Value()...)
		if p, err = record.ParsePage(key, value); err != nil {
			return nil, nil, p, err
		}
	}
	if !found || p.First > id {
		return nil, nil, p, fmt.Errorf("%w: the stream number %d has no event %d", store.ErrDamaged, number, id)
	}
	return key, value, p, nil
}

// Delete implements store.Store.
func (d *DB) Delete(r store.Delete, done func(error)) {
	d.enqueue(&call{
		bytes: len(r.Stream), invalid: checkStream(r.Stream), erases: r.Stream, replyOne: done,
		stage: func(d *DB, c *commit) error { return d.stageDelete(c, &r) },
	})
}

// stageDelete marks a stream in c as deleted up to an id. The eraser removes the
// pages later; see deleted.go.
func (d *DB) stageDelete(c *commit, r *store.Delete) error {
	s, err := c.touch(&d.streams, d.db, r.Stream)
	if err != nil {
		return err
	}
	if err := meets(s.after, 0, r.Stream, r.Expected); err != nil {
		return err
	}
	upTo := s.after.Last
	if r.UpTo.Given {
		upTo = r.UpTo.N
	}
	switch {
	case s.after.Number == 0:
		return nil // deleting from a stream that never existed succeeds
	case upTo > s.after.Last:
		return fmt.Errorf("%w: the stream %+q never had an event %d", store.ErrUnknownID, r.Stream, upTo)
	case upTo <= s.after.Deleted:
		return nil
	}
	c.record.Operations = append(c.record.Operations, record.Operation{Kind: record.OpDelete, Number: s.after.Number, First: s.after.Deleted + 1, ID: upTo})
	s.after.Deleted = upTo
	return nil
}
