package leveldb

import (
	"container/heap"
	"context"
	"errors"
	"iter"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// What is read of the log at once for a selection.
const (
	windowEvents  = 16384
	windowOctets  = 2 << 20
	windowCommits = 16384 // also of those that have nothing of it
)

// lookedAt is how many positions a Read looks at before it says how far it is,
// if it was asked to.
const lookedAt = 1 << 20

// readSelection yields the events of several streams. Those of few streams are
// merged by position, so that what others have costs nothing; for many, the log
// is read.
func (d *DB) readSelection(ctx context.Context, r store.Range, b *budget, scratch *[]store.Event) error {
	r, err := d.resolvePositions(ctx, r)
	if err != nil {
		return err
	}
	after, upTo := r.After.N, r.UpTo.N
	if after >= upTo {
		return nil
	}
	w := window{selection: r.Select, backward: r.Backward}
	if upTo-after > windowEvents {
		dense, err := d.dense(ctx, &w, after, upTo)
		if err != nil {
			return err
		}
		var found *survey
		if !dense {
			if found, err = d.survey(ctx, r.Select); err != nil {
				return err
			}
		}
		if found != nil && found.fewer(after, upTo) {
			m := merger{after: after, upTo: upTo, backward: r.Backward}
			// Who meets damage reads the log, which knows where it is.
			if err := d.readMerged(ctx, found, &m, b); !errors.Is(err, errWide) && !errors.Is(err, store.ErrDamaged) {
				return err
			}
			after, upTo = m.after, m.upTo
		}
		if found != nil {
			w.numbers = found.names
		}
	}
	start := after
	if r.Backward {
		start = upTo
	}
	least, most := 1, windowEvents // events of a window
	for after < upTo && !b.over() {
		w.after, w.upTo = after, upTo
		w.events, w.octets = min(most, max(least, b.events)), min(windowOctets, max(least, b.octets))
		var reached uint64
		if *scratch, reached, err = d.readWindow(ctx, (*scratch)[:0], &w); err != nil {
			if !errors.Is(err, store.ErrDamaged) || len(w.pieces) == 0 {
				return err
			}
			if w.planned > 1 { // what comes before the damage is good
				most = w.planned / 2
				continue
			}
			return d.lostAt(ctx, err, &w)
		}
		most = windowEvents
		for e := range w.inOrder(*scratch) {
			if !b.spend(e) {
				break
			}
		}
		if r.Backward {
			upTo = reached
		} else {
			after = reached
		}
		if len(*scratch) > 0 {
			start, least = reached, 1
			continue
		}
		least = min(2*least, windowOctets) // what is deleted or not selected may be much, and a commit is parsed for each window
		if r.Progress && after < upTo && distance(start, reached) >= lookedAt {
			start = reached
			b.stopped = !b.yield(store.Event{Position: reached}, nil)
		}
	}
	return nil
}

// lostAt returns the error of a window of which the only event cannot be read.
func (d *DB) lostAt(ctx context.Context, err error, w *window) error {
	position, id := w.reached, w.pieces[0].first
	if w.backward {
		return err
	}
	w.after, w.events = position-1, windowEvents
	if err := d.use(ctx, w.plan); err != nil {
		return err
	}
	return logscan.Lost(err, position, id, id+w.pieces[0].count-1)
}

// dense reports whether the selection takes a good part of the first events of a
// range: then it is not worth while to find its streams.
func (d *DB) dense(ctx context.Context, w *window, after, upTo uint64) (dense bool, err error) {
	const sample, part = 512, 16
	w.after, w.upTo, w.events, w.octets = after, upTo, sample, windowOctets
	err = d.use(ctx, func(db *leveldb.DB) error {
		if err := w.plan(db); err != nil {
			return err
		}
		return w.choose(db, &d.names)
	})
	taken := 0
	for i := range w.spans {
		if !w.spans[i].skip {
			taken += int(w.spans[i].Count)
		}
	}
	return taken > 0 && taken*part >= w.planned, err
}

func distance(a, b uint64) uint64 { return max(a, b) - min(a, b) }

// A survey is the streams that a selection takes, if they are not many.
type survey struct {
	streams []surveyed
	names   map[uint64][]byte // by number
	events  uint64
}

type surveyed struct {
	record.Counter
	name []byte
}

const (
	surveyMost = 4096  // streams that are found
	surveyLook = 16384 // that are looked at
)

// survey finds the streams that a selection takes. It returns nil if they are, or
// may be, too many.
func (d *DB) survey(ctx context.Context, sel *store.Selection) (*survey, error) {
	found := &survey{names: make(map[uint64][]byte)}
	looked := 0
	err := d.use(ctx, func(db *leveldb.DB) error {
		for _, prefix := range sel.Prefixes() {
			err := streamsFrom(db, prefix, nil, func(name []byte, c record.Counter) bool {
				if looked++; looked > surveyLook || len(found.streams) > surveyMost {
					return false
				}
				if c.Deleted < c.Last && sel.Matches(name) {
					name = slices.Clone(name)
					found.streams = append(found.streams, surveyed{c, name})
					found.names[c.Number] = name
					found.events += c.Last - c.Deleted
				}
				return true
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || looked > surveyLook || len(found.streams) > surveyMost {
		return nil, err
	}
	return found, nil
}

// fewer reports whether to merge streams is less work than to read the log: an
// event is found in one of k streams with a seek in each, or a few in long ones,
// each of which takes as long as to look at some hundred positions.
func (s *survey) fewer(after, upTo uint64) bool {
	if s.events == 0 {
		return true
	}
	const find, search = 160, 2560 // positions
	merge := uint64(len(s.streams)) * find
	if after > 0 && s.events > uint64(len(s.streams)) {
		merge = uint64(len(s.streams)) * search
	}
	positions := upTo - after
	return merge < positions/s.events*min(s.events, windowEvents)
}

// errWide: the events that are next are too large to be held at once.
var errWide = errors.New("too much to be held")

// mergeOctets is how much is held of the events that are next, about.
const mergeOctets = 64 << 20

// readMerged yields the events of few streams, as far as m has not come yet.
func (d *DB) readMerged(ctx context.Context, found *survey, m *merger, b *budget) error {
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
		if last := events[len(events)-1].Position; m.backward {
			m.upTo = last - 1
		} else {
			m.after = last
		}
	}
	return nil
}

// A merger orders streams by the position of their next event.
type merger struct {
	after, upTo uint64
	backward    bool
	sources     []mergeSource
}

// A mergeSource is some events of a stream that are next, and what comes then.
type mergeSource struct {
	stream    surveyed
	low, high uint64 // ids that were not read yet
	events    []store.Event
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

// mergeSome returns the next events, at most a window's.
func (d *DB) mergeSome(db *leveldb.DB, found *survey, m *merger, b *budget) (events []store.Event, err error) {
	m.sources = m.sources[:0]
	for _, s := range found.streams {
		source, err := d.locate(db, s, m)
		if err != nil {
			return nil, err
		}
		m.sources = append(m.sources, source)
	}
	r := logscan.NewPageReader(db) // now: what it finds of hidden pages is not among the sources
	defer r.Release()
	for i := range m.sources {
		if err := d.refill(db, r, m, &m.sources[i]); err != nil {
			return nil, err
		}
		if r.Taken > mergeOctets {
			return nil, errWide
		}
	}
	m.sources = slices.DeleteFunc(m.sources, func(s mergeSource) bool { return len(s.events) == 0 })
	heap.Init(m)
	octets := 0
	for len(m.sources) > 0 && len(events) < min(windowEvents, b.events) && octets < min(windowOctets, b.octets) {
		s := &m.sources[0]
		events = append(events, s.events[0])
		octets += len(s.events[0].Data)
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
func (d *DB) locate(db *leveldb.DB, s surveyed, m *merger) (source mergeSource, err error) {
	deleted := min(max(s.Deleted, d.eraser.hiddenUpTo(s.Number)), s.Last)
	source = mergeSource{stream: s, low: deleted + 1, high: s.Last}
	if m.after > 0 && deleted+1 < s.Last {
		low, err := lastID(db, s.Number, deleted, s.Last, func(p *record.Page) bool { return p.Position <= m.after })
		if err != nil {
			return source, err
		}
		if low > deleted {
			// The page that has the position may have events on both sides of it.
			first, err := firstOfPage(db, s.Number, low)
			if err != nil {
				// Somebody may have deleted it since lastID found it.
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

// refill reads the next events of a source that are between the merger's
// positions: about a page of them.
func (d *DB) refill(db *leveldb.DB, r *logscan.PageReader, m *merger, s *mergeSource) error {
	s.events = s.events[:0:0]
	for len(s.events) == 0 && s.low <= s.high {
		const some = 64
		want := record.Run{Number: s.stream.Number, First: s.low, Count: min(some, s.high+1-s.low)}
		var err error
		if m.backward {
			want.First = s.high + 1 - want.Count
			s.events, err = r.ReadBackward(nil, s.stream.name, want, record.PageOctets)
		} else {
			s.events, err = r.Read(nil, s.stream.name, want, record.PageOctets)
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

// cut leaves out the events that are not between the merger's positions, and ends
// a source that is beyond them.
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

// streamsFrom calls f for each stream whose name begins with prefix and is after
// a name, in byte order, also for those that hold no event. name is valid until f
// returns.
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
		return ldb.Fault("records of streams", err)
	}
	return nil
}
