package leveldb

import (
	"context"
	"fmt"
	"iter"
	"math"
	"sync"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
)

// A chunk is what Read takes from the database at once: until either is reached.
const (
	chunkEvents = 4096
	chunkOctets = 256 << 10
)

// lookup returns the counter of a stream; zero if there is none.
func (d *DB) lookup(ctx context.Context, name []byte) (c counter, err error) {
	if c, ok := d.streams.cached(name); ok {
		return c, ctx.Err()
	}
	err = d.use(ctx, func(db *leveldb.DB) error {
		c, err = loadCounter(db, name)
		return err
	})
	return c, err
}

// Bounds implements store.Store.
func (d *DB) Bounds(ctx context.Context, r store.Range) (first, last uint64, err error) {
	_, first, last, err = d.resolve(ctx, r)
	return first, last, err
}

func (d *DB) resolve(ctx context.Context, r store.Range) (c counter, first, last uint64, err error) {
	if c, err = d.lookup(ctx, r.Stream); err != nil {
		return c, 0, 0, err
	}
	if r.After != 0 && r.After != c.deleted && !c.holds(r.After) {
		return c, 0, 0, fmt.Errorf("%w: after is %d", store.ErrUnknownID, r.After)
	}
	last = c.last
	if r.UpTo != 0 {
		if !c.holds(r.UpTo) && r.UpTo != r.After {
			return c, 0, 0, fmt.Errorf("%w: upto is %d", store.ErrUnknownID, r.UpTo)
		}
		last = r.UpTo
	}
	if r.After > last {
		return c, 0, 0, fmt.Errorf("%w: after is %d, upto %d", store.ErrBadRange, r.After, last)
	}
	first = max(r.After, c.deleted) + 1
	if first > last {
		return c, first, 0, nil
	}
	return c, first, last, nil
}

func (c counter) holds(id uint64) bool { return id > c.deleted && id <= c.last }

// Read implements store.Store.
func (d *DB) Read(ctx context.Context, r store.Range) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		c, next, last, err := d.resolve(ctx, r)
		if err != nil {
			yield(store.Event{}, err)
			return
		}
		limit := r.Octets
		if limit <= 0 {
			limit = 1 << 62
		}
		scratch := eventSlices.Get().(*[]store.Event)
		events, used := *scratch, 0
		defer func() {
			clear(events[:used])
			*scratch = events[:0]
			eventSlices.Put(scratch)
		}()
		for next <= last && limit > 0 {
			events, err = d.readChunk(ctx, events[:0], r.Stream, run{c.number, next, last + 1 - next}, min(limit, chunkOctets))
			used = max(used, len(events))
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
				limit -= len(e.Data)
			}
			if err != nil {
				yield(store.Event{}, err)
				return
			}
			next += uint64(len(events))
		}
	}
}

// eventSlices recycles what a chunk's events are collected in: it is as large as
// the chunk.
var eventSlices = sync.Pool{New: func() any { return new([]store.Event) }}

// readChunk appends the first events of a run to events, up to a chunk's limits
// and at least one. It never returns fewer than that without an error.
func (d *DB) readChunk(ctx context.Context, events []store.Event, name []byte, r run, octets int) ([]store.Event, error) {
	err := d.use(ctx, func(db *leveldb.DB) error {
		var err error
		events, err = scan(db, events, name, r, octets)
		return err
	})
	return events, err
}

// scan reads events of a run until it has their number or octets of data.
func scan(db *leveldb.DB, events []store.Event, name []byte, r run, octets int) ([]store.Event, error) {
	it := db.NewIterator(&util.Range{
		Start: appendEventKey(nil, r.number, r.first),
		Limit: appendEventKey(nil, r.number, math.MaxUint64),
	}, nil)
	defer it.Release()
	var buf []byte
	id, end := r.first, r.first+min(r.count, chunkEvents)
	for id < end && octets > 0 && it.Next() {
		value := it.Value()
		if cap(buf)-len(buf) < len(value) {
			const usual = 128 // octets of an event
			buf = make([]byte, 0, max(len(value), min(octets+pageOctets, int(end-id)*usual)))
		}
		buf = append(buf, value...)
		p, err := parsePage(it.Key(), buf[len(buf)-len(value):])
		if err != nil {
			return events, err
		}
		if p.first > id {
			break
		}
		for p.left > 0 && id < end && octets > 0 {
			have, position, data, err := p.next()
			if err != nil {
				return events, fmt.Errorf("stream %x: %w", name, err)
			}
			if have < id {
				continue
			}
			events = append(events, store.Event{
				Stream: name, ID: id, Position: position, Time: time.UnixMicro(p.time), Data: data,
			})
			id++
			octets -= len(data)
		}
	}
	// An iterator that meets damage ends like one that is through, but for this.
	if err := it.Error(); err != nil {
		return events, fault(fmt.Sprintf("stream %x from id %d on", name, id), err)
	}
	if octets > 0 && id < end {
		return events, fmt.Errorf("%w: stream %x has no event %d", store.ErrDamaged, name, id)
	}
	return events, nil
}

// commitsAfter calls f for each commit after position, in order, with its
// record and the octets of that, which are valid until f returns. It ends with
// f's first error.
func commitsAfter(db *leveldb.DB, position uint64, f func(c commitRecord, value []byte) error) error {
	it := db.NewIterator(&util.Range{Start: commitKey(position + 1), Limit: []byte{kindCommit + 1}}, nil)
	defer it.Release()
	for it.Next() {
		c, err := parseCommit(it.Key(), it.Value())
		if err != nil {
			return err
		}
		if err := f(c, it.Value()); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fault(fmt.Sprintf("commits after position %d", position), err)
	}
	return nil
}
