package leveldb

import (
	"container/heap"
	"context"
	"errors"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// errWide: the next events are too large to be held at once.
var errWide = errors.New("too much to be held")

// mergeBytes is about how much data of next events is held.
const mergeBytes = 64 << 20

// readMerged yields the events of a small set of streams that m has not reached
// yet.
func (d *DB) readMerged(ctx context.Context, found *streamSet, m *merger, b *budget) error {
	for !b.over() {
		var events []store.Event
		err := d.use(ctx, func(db *leveldb.DB) (err error) {
			events, err = d.mergeSome(db, found, m, b)
			return err
		})
		if err != nil {
			return err
		}
		if len(events) == 0 {
			return nil
		}
		b.spendAll(events)
		reached := events[len(events)-1].Position
		if m.backward {
			reached--
		}
		m.pass(reached)
	}
	return nil
}

// A merger orders streams by the position of their next event.
type merger struct {
	stretch // not read yet
	sources []mergeSource
}

var _ heap.Interface = (*merger)(nil)

func (m *merger) Len() int { return len(m.sources) }

func (m *merger) Less(i, j int) bool {
	a, b := m.sources[i].events[0].Position, m.sources[j].events[0].Position
	return a < b != m.backward
}

func (m *merger) Swap(i, j int) { m.sources[i], m.sources[j] = m.sources[j], m.sources[i] }

func (m *merger) Push(x any) { m.sources = append(m.sources, x.(mergeSource)) }

func (m *merger) Pop() any {
	last := m.sources[len(m.sources)-1]
	m.sources = m.sources[:len(m.sources)-1]
	return last
}

// A mergeSource is one stream of a merge, with its next few events.
type mergeSource struct {
	stream    setMember
	low, high uint64 // ids that were not read yet
	events    []store.Event
}

// mergeSome returns the next events, at most a scan chunk.
func (d *DB) mergeSome(db *leveldb.DB, found *streamSet, m *merger, b *budget) (events []store.Event, err error) {
	m.sources = m.sources[:0]
	for _, s := range found.streams {
		source, err := d.locate(db, s, m)
		if err != nil {
			return nil, err
		}
		m.sources = append(m.sources, source)
	}
	r := logscan.NewPageReader(db) // created after locate: hidden pages that it may see are not in the sources
	defer r.Release()
	for i := range m.sources {
		if err := d.refill(db, r, m, &m.sources[i]); err != nil {
			return nil, err
		}
		if r.Taken > mergeBytes {
			return nil, errWide
		}
	}
	m.sources = slices.DeleteFunc(m.sources, func(s mergeSource) bool { return len(s.events) == 0 })
	heap.Init(m)
	size := 0
	for len(m.sources) > 0 && len(events) < min(scanEvents, b.events) && size < min(scanBytes, b.bytes) {
		s := &m.sources[0]
		events = append(events, s.events[0])
		size += len(s.events[0].Data)
		if s.events = s.events[1:]; len(s.events) == 0 {
			if err := d.refill(db, r, m, s); err != nil {
				return nil, err
			}
		}
		if len(s.events) == 0 {
			heap.Pop(m)
			continue
		}
		heap.Fix(m, 0)
	}
	return events, nil
}

// locate finds the ids of a stream's events between the merger's positions.
func (d *DB) locate(db *leveldb.DB, s setMember, m *merger) (source mergeSource, err error) {
	deleted := min(max(s.Deleted, d.eraser.hiddenUpTo(s.Number)), s.Last)
	source = mergeSource{stream: s, low: deleted + 1, high: s.Last}
	if m.after > 0 && deleted+1 < s.Last {
		low, err := lastID(db, s.Number, deleted, s.Last, func(p *record.Page) bool { return p.Position <= m.after })
		if err != nil {
			return source, err
		}
		if low > deleted {
			// The page with the position may have events on both sides of it.
			first, err := firstOfPage(db, s.Number, low)
			if err != nil {
				// It may have been deleted since lastID found it.
				if now, lookup := d.deletedUpTo(db, s.name); lookup != nil || now < low {
					return source, err
				}
				first = low
			}
			source.low = max(first, deleted+1)
		}
	}
	if m.backward && deleted+1 < s.Last {
		source.high, err = lastID(db, s.Number, deleted, s.Last, func(p *record.Page) bool { return p.Position <= m.upTo })
	}
	return source, err
}

// firstOfPage returns the first id of the page that holds an event.
func firstOfPage(db *leveldb.DB, number, id uint64) (uint64, error) {
	_, _, p, err := findPage(db, number, id)
	return p.First, err
}

// refill reads a source's next events between the merger's positions: about a page
// of them.
func (d *DB) refill(db *leveldb.DB, r *logscan.PageReader, m *merger, s *mergeSource) error {
	s.events = s.events[:0:0]
	for len(s.events) == 0 && s.low <= s.high {
		const some = 64
		want := record.Run{Number: s.stream.Number, First: s.low, Count: min(some, s.high+1-s.low)}
		var err error
		if m.backward {
			want.First = s.high + 1 - want.Count
			s.events, err = r.ReadBackward(nil, s.stream.name, want, record.PageBytes)
		} else {
			s.events, err = r.Read(nil, s.stream.name, want, record.PageBytes)
		}
		n := uint64(len(s.events))
		if m.backward {
			s.high -= n
		} else {
			s.low += n
		}
		if err != nil {
			deleted, lookup := d.deletedUpTo(db, s.stream.name)
			if lookup != nil || deleted < s.low {
				return err
			}
			s.low = deleted + 1
		}
		s.cut(m)
	}
	return nil
}

// cut drops the events outside the merger's positions, and ends a source that is
// past them.
func (s *mergeSource) cut(m *merger) {
	kept := s.events[:0]
	for _, e := range s.events {
		if e.Position > m.after && e.Position <= m.upTo {
			kept = append(kept, e)
		} else if m.backward == (e.Position <= m.after) {
			s.low, s.high = 1, 0
		}
	}
	s.events = kept
}
