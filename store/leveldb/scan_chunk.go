package leveldb

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// A stretch is a range of positions.
type stretch struct {
	after, upTo uint64
	backward    bool // it is read from its end
}

func (s *stretch) empty() bool { return s.after >= s.upTo }

// start returns the position where reading starts: the one before the first, or
// backward the last.
func (s *stretch) start() uint64 {
	if s.backward {
		return s.upTo
	}
	return s.after
}

// pass removes what was read: everything up to a position, or backward everything
// after it.
func (s *stretch) pass(reached uint64) {
	if s.backward {
		s.upTo = reached
	} else {
		s.after = reached
	}
}

// A scanChunk is what is read of the log at once: the selected events of some
// adjacent commits, in the order of their positions. The commits say which events
// those are; then each stream is read once. If streams alternate, that costs one
// seek per stream instead of one per event.
type scanChunk struct {
	stretch
	selection *store.Selection  // nil: all streams
	numbers   map[uint64][]byte // names of all selected streams, if they are known
	events    int               // end at this many events
	bytes     int               // or at about this much data

	pieces   []piece
	spans    []span
	at       map[uint64]int // stream number to index in spans
	commits  int            // commits scanned
	planned  int
	took     uint64 // bytes planned
	reached  uint64 // everything up to this position, or backward after it, is planned
	lostUpTo uint64 // a lost commit up to this position ends the chunk; 0: none does
}

// A piece is a part of a run.
type piece struct {
	span         int
	first, count uint64
}

// A span is one stream's share of a chunk.
type span struct {
	record.Run
	name     []byte
	skip     bool   // the selection does not take it
	hidden   uint64 // deleted up to this id, though the pages may still exist
	from, to int    // where its events are, once they are read
}

// readScanChunk appends a chunk's events to events, grouped by stream; inOrder
// sorts them by position. It has scanned everything up to the position reached, or
// backward everything after it.
func (d *DB) readScanChunk(ctx context.Context, events []store.Event, w *scanChunk) (_ []store.Event, reached uint64, err error) {
	for {
		err = d.use(ctx, func(db *leveldb.DB) (err error) {
			if err := w.prepare(db, &d.names); err != nil {
				return err
			}
			events, err = d.readSpans(db, events, w.spans)
			return err
		})
		if !errors.Is(err, errWide) {
			return events, w.reached, err
		}
		events = events[:0]
		w.events = max(1, w.planned/8) // events were replaced by larger ones, which commits do not record
	}
}

// prepare plans the chunk and chooses its spans.
func (w *scanChunk) prepare(db *leveldb.DB, names *logscan.Names) error {
	if err := w.plan(db); err != nil {
		return err
	}
	return w.choose(db, names)
}

// plan lists the chunk's events from commits, until they are enough.
func (w *scanChunk) plan(db *leveldb.DB) error {
	w.pieces, w.spans, w.commits, w.planned, w.took, w.lostUpTo = w.pieces[:0], w.spans[:0], 0, 0, 0, 0
	if w.at == nil {
		w.at = make(map[uint64]int)
	}
	clear(w.at)
	it := db.NewIterator(util.BytesPrefix([]byte{record.KindCommit}), nil)
	defer it.Release()
	var c record.Commit
	step := it.Next
	if w.backward {
		step = it.Prev
	}
	w.reached = w.start()
	for ok := it.Seek(w.from()); ok && w.left(); ok = step() {
		if err := c.Parse(it.Key(), it.Value()); err != nil {
			return err
		}
		w.planCommit(&c)
		w.commits++
	}
	if err := it.Error(); err != nil {
		return ldb.Fault(fmt.Sprintf("commits from position %d on", w.reached), err)
	}
	if w.lostUpTo > 0 && w.commits == 1 { // otherwise the events before it are read first
		err := fmt.Errorf("%w: the commits at the positions %d to %d were lost in an earlier repair", store.ErrAccepted, c.First, c.Last)
		if w.backward {
			return err
		}
		return &store.Lost{After: w.lostUpTo, Err: err}
	}
	if w.left() {
		return fmt.Errorf("%w: the commit at position %d is missing", store.ErrDamaged, w.reached)
	}
	return nil
}

// from returns the key of the first commit.
func (w *scanChunk) from() []byte {
	if w.backward {
		return record.CommitKey(w.upTo)
	}
	return record.CommitKey(w.after + 1)
}

// left reports whether there are positions left to scan.
func (w *scanChunk) left() bool {
	if w.lostUpTo > 0 || w.planned >= w.events || w.took >= uint64(w.bytes) || w.commits >= scanCommits {
		return false
	}
	if w.backward {
		return w.reached > w.after
	}
	return w.reached < w.upTo
}

// planCommit plans the chunk's share of a commit.
func (w *scanChunk) planCommit(c *record.Commit) {
	if c.Lost() {
		w.lostUpTo = min(c.Last, w.upTo)
		return
	}
	events := c.Events()
	size := uint64(0) // of one event, about
	if events > 0 {
		size = c.Bytes/events + 1
	}
	if w.backward {
		position := c.First + events // after the run
		for i := len(c.Runs) - 1; i >= 0 && w.left(); i-- {
			r := c.Runs[i]
			position -= r.Count
			w.take(r, position, size)
		}
		if w.left() {
			w.reached = max(c.First-1, w.after)
		}
		return
	}
	position := c.First
	for _, r := range c.Runs {
		if !w.left() {
			return
		}
		w.take(r, position, size)
		position += r.Count
	}
	if w.left() {
		w.reached = min(c.Last, w.upTo)
	}
}

// take plans the chunk's share of a run that begins at a position; size is about
// the size of one event.
func (w *scanChunk) take(r record.Run, position, size uint64) {
	low, high := max(position, w.after+1), min(position+r.Count-1, w.upTo)
	if w.backward {
		high = min(high, w.reached)
	}
	if low > high {
		return
	}
	if w.numbers != nil && w.numbers[r.Number] == nil {
		w.look(low, high)
		return
	}
	most := uint64(w.events - w.planned)
	if size > 0 {
		most = min(most, (uint64(w.bytes)-w.took)/size+1)
	}
	if high-low >= most {
		if w.backward {
			low = high - most + 1
		} else {
			high = low + most - 1
		}
	}
	w.look(low, high)
	p := piece{first: r.First + low - position, count: high - low + 1}
	i, ok := w.at[r.Number]
	if !ok {
		i = len(w.spans)
		w.at[r.Number] = i
		w.spans = append(w.spans, span{Run: record.Run{Number: r.Number, First: p.first, Count: 0}, name: w.numbers[r.Number]})
	}
	s := &w.spans[i]
	s.First = min(s.First, p.first)
	s.Count += p.count
	p.span = i
	w.pieces = append(w.pieces, p)
	w.planned += int(p.count)
	w.took += p.count * size
}

// look notes that the positions from low to high are planned.
func (w *scanChunk) look(low, high uint64) {
	if w.backward {
		w.reached = low - 1
	} else {
		w.reached = high
	}
}

// choose sets the names of the spans, and marks those that the selection skips.
func (w *scanChunk) choose(db *leveldb.DB, names *logscan.Names) error {
	if w.numbers != nil {
		return nil
	}
	numbers := make([]uint64, len(w.spans))
	for i := range w.spans {
		numbers[i] = w.spans[i].Number
	}
	slices.Sort(numbers)
	found, err := names.Of(db, numbers)
	if err != nil {
		return err
	}
	for i, number := range numbers {
		s := &w.spans[w.at[number]]
		s.name = found[i]
		s.skip = w.selection != nil && !w.selection.Matches(s.name)
	}
	return nil
}

// readSpans appends the events of spans, stream by stream.
func (d *DB) readSpans(db *leveldb.DB, events []store.Event, spans []span) ([]store.Event, error) {
	order := make([]int, 0, len(spans))
	count := 0
	for i := range spans {
		if !spans[i].skip {
			order = append(order, i)
			count += int(spans[i].Count)
		}
	}
	events = slices.Grow(events, count)
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(spans[a].Number, spans[b].Number) })
	for _, i := range order {
		spans[i].hidden = d.eraser.hiddenUpTo(spans[i].Number)
	}
	r := logscan.NewPageReader(db) // created now: pages that were hidden before stay hidden
	r.Least = 64 << 10             // enough for many short spans
	defer r.Release()
	for _, i := range order {
		s := &spans[i]
		s.from = len(events)
		var err error
		if events, err = d.readSpan(db, r, events, s); err != nil {
			return events, err
		}
		s.to = len(events)
	}
	return events, nil
}

// readSpan appends the events of a span that are not deleted.
func (d *DB) readSpan(db *leveldb.DB, r *logscan.PageReader, events []store.Event, s *span) ([]store.Event, error) {
	end := s.First + s.Count
	next := max(s.First, s.hidden+1)
	for next < end {
		have := len(events)
		var err error
		events, err = r.Read(events, s.name, record.Run{Number: s.Number, First: next, Count: end - next}, mergeBytes)
		next += uint64(len(events) - have)
		if r.Taken > mergeBytes {
			return events, errWide
		}
		if err == nil {
			continue
		}
		deleted, lookup := d.deletedUpTo(db, s.name)
		if lookup != nil {
			return events, lookup
		}
		if deleted < next {
			return events, err
		}
		next = deleted + 1
	}
	return events, nil
}

// deletedUpTo returns the id up to which a stream is deleted.
func (d *DB) deletedUpTo(db *leveldb.DB, name []byte) (uint64, error) {
	c, ok := d.streams.cached(name)
	if !ok {
		var err error
		if c, err = loadCounter(db, name); err != nil {
			return 0, err
		}
	}
	return c.Deleted, nil
}

// inOrder yields the events that were read in the order of the chunk's pieces.
func (w *scanChunk) inOrder(events []store.Event) iter.Seq[*store.Event] {
	return func(yield func(*store.Event) bool) {
		for i := range w.pieces {
			p := &w.pieces[i]
			s := &w.spans[p.span]
			for w.backward && s.to > s.from && events[s.to-1].ID >= p.first {
				s.to--
				if !yield(&events[s.to]) {
					return
				}
			}
			for !w.backward && s.from < s.to && events[s.from].ID < p.first+p.count {
				s.from++
				if !yield(&events[s.from-1]) {
					return
				}
			}
		}
	}
}
