package logscan

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/iterator"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// ChunkEvents is the most events that a reader of a stream takes at once.
const ChunkEvents = 4096

// Unlimited means no limit of bytes or events.
const Unlimited = 1 << 62

// A PageReader reads events from pages, one stream after the other.
type PageReader struct {
	it  iterator.Iterator
	key []byte // scratch
	buf []byte // shared by events

	Least int // least size of buf, in bytes
	Taken int // bytes of all pages so far
}

// NewPageReader returns a reader of a snapshot of db. Release ends it.
func NewPageReader(db *leveldb.DB) *PageReader {
	return &PageReader{it: db.NewIterator(util.BytesPrefix([]byte{record.KindEvent}), nil)}
}

// Release ends the reader and its snapshot.
func (r *PageReader) Release() { r.it.Release() }

// Read appends events of a run to events until it has all of them, or size bytes of
// data. If it returns fewer, it also returns an error, which is an ErrDamaged if an
// event is missing.
func (r *PageReader) Read(events []store.Event, name []byte, want record.Run, size int) ([]store.Event, error) {
	id, end := want.First, want.First+want.Count
	r.key = record.AppendEventKey(r.key[:0], want.Number, id)
	prefix := r.key[:len(r.key)-8]
	for ok := r.it.Seek(r.key); id < end && size > 0; ok = r.it.Next() {
		p, err := r.page(ok, prefix, id, int(min(end-id, ChunkEvents)), size)
		if err != nil {
			return events, fmt.Errorf("stream %+q: %w", name, err)
		}
		for p.Left > 0 && id < end && size > 0 {
			have, position, data, err := p.Next()
			if err != nil {
				return events, fmt.Errorf("stream %+q: %w", name, err)
			}
			if have < id {
				continue
			}
			events = append(events, store.Event{
				Stream: name, ID: id, Position: position, Time: time.UnixMicro(p.Time), Data: data,
			})
			id++
			size -= len(data)
		}
	}
	return events, nil
}

// ReadBackward is Read from the last event of the run to the first.
func (r *PageReader) ReadBackward(events []store.Event, name []byte, want record.Run, size int) ([]store.Event, error) {
	id := want.First + want.Count - 1
	r.key = record.AppendEventKey(r.key[:0], want.Number, id)
	prefix := r.key[:len(r.key)-8]
	for ok := r.it.Seek(r.key); id >= want.First && size > 0; ok = r.it.Prev() {
		p, err := r.page(ok, prefix, id, 1, size)
		if err != nil {
			return events, fmt.Errorf("stream %+q: %w", name, err)
		}
		from := len(events)
		for p.Left > 0 {
			have, position, data, err := p.Next()
			if err != nil {
				return events, fmt.Errorf("stream %+q: %w", name, err)
			}
			if have >= want.First && have <= id {
				events = append(events, store.Event{
					Stream: name, ID: have, Position: position, Time: time.UnixMicro(p.Time), Data: data,
				})
			}
		}
		to := from
		for i, j := from, len(events)-1; i < j; i, j = i+1, j-1 {
			events[i], events[j] = events[j], events[i]
		}
		for to < len(events) && size > 0 {
			size -= len(events[to].Data)
			to++
		}
		id -= uint64(to - from)
		clear(events[to:])
		events = events[:to]
	}
	return events, nil
}

// page reads the page at the iterator, which must hold an event, into memory of its
// own. more and size are how many more events and bytes will be read; page uses
// them to allocate enough memory at once.
func (r *PageReader) page(ok bool, prefix []byte, id uint64, more, size int) (p record.Page, err error) {
	if !ok {
		// An iterator that meets damage ends like one that is done, except for
		// this.
		if err := r.it.Error(); err != nil {
			return p, ldb.Fault(fmt.Sprintf("event %d", id), err)
		}
		return p, Gap(id)
	}
	key, value := r.it.Key(), r.it.Value()
	if len(key) != len(prefix)+8 || !bytes.HasPrefix(key, prefix) {
		return p, Gap(id)
	}
	if cap(r.buf)-len(r.buf) < len(value) {
		const usual = 128 // bytes of an event
		r.buf = make([]byte, 0, max(len(value), min(size+record.PageBytes, more*usual), r.Least))
	}
	r.buf = append(r.buf, value...)
	r.Taken += len(value)
	if p, err = record.ParsePage(key, r.buf[len(r.buf)-len(value):]); err != nil {
		return p, &unreadable{record.KeyNumber(key), err}
	}
	if p.First > id || id >= p.First+p.Left {
		return p, &unreadable{p.First - 1, Gap(id)}
	}
	return p, nil
}

// An unreadable says up to which id a stream's events cannot be read.
type unreadable struct {
	upTo uint64
	err  error
}

func (u *unreadable) Error() string { return u.err.Error() }
func (u *unreadable) Unwrap() error { return u.err }

// Lost returns the error of a forward read that ended before event id. at is where
// the next read continues: a position or an id. The events up to most are known.
func Lost(err error, at, id, most uint64) error {
	if !errors.Is(err, store.ErrDamaged) {
		return err
	}
	upTo := id
	if u := (*unreadable)(nil); errors.As(err, &u) {
		upTo = min(max(u.upTo, id), most)
	}
	return &store.Lost{After: at + upTo - id, Err: err}
}

// Gap returns the error of a missing event.
func Gap(id uint64) error { return fmt.Errorf("%w: there is no event %d", store.ErrDamaged, id) }
