package leveldb

import (
	"context"
	"errors"

	"gorewind/store"
	"gorewind/store/leveldb/internal/logscan"
)

// Limits of a scan chunk.
const (
	scanEvents  = 16384
	scanBytes   = 2 << 20
	scanCommits = 16384 // including commits with no selected event
)

// lookedAt is how many positions a Read scans before it reports progress, if asked
// to.
const lookedAt = 1 << 20

// A scanner reads the log for a selection, one scan chunk at a time. Chunks grow
// while they find nothing, and shrink in front of an event that cannot be read,
// until a chunk holds only that event.
type scanner struct {
	scanChunk
	rest     stretch // not reached by any chunk yet
	budget   *budget
	progress bool   // report progress where there is nothing to yield
	told     uint64 // the position yielded last, or where it began
	least    int    // events and bytes that a chunk may hold even if fewer are wanted
	most     int    // events that a chunk may hold
}

// scan yields what s selects of a stretch of the log.
func (d *DB) scan(ctx context.Context, s *scanner, of stretch, scratch *[]store.Event) (err error) {
	s.rest, s.told, s.least, s.most = of, of.start(), 1, scanEvents
	for !s.rest.empty() && !s.budget.over() {
		s.begin()
		var reached uint64
		if *scratch, reached, err = d.readScanChunk(ctx, (*scratch)[:0], &s.scanChunk); err == nil {
			s.spend(*scratch)
			s.end(reached, len(*scratch) > 0)
		} else if !s.shrink(err) {
			return d.lostAt(ctx, err, &s.scanChunk)
		}
	}
	return nil
}

// begin prepares the next chunk.
func (s *scanner) begin() {
	s.stretch = s.rest
	s.events, s.bytes = min(s.most, max(s.least, s.budget.events)), min(scanBytes, max(s.least, s.budget.bytes))
}

// spend yields the chunk's events as far as the budget goes.
func (s *scanner) spend(events []store.Event) {
	for e := range s.inOrder(events) {
		if !s.budget.spend(e) {
			return
		}
	}
}

// end notes how far the chunk reached, and whether it had events.
func (s *scanner) end(reached uint64, some bool) {
	s.rest.pass(reached)
	s.most = scanEvents
	if some {
		s.told, s.least = reached, 1
		return
	}
	s.least = min(2*s.least, scanBytes) // deleted and unselected events may be many, and each chunk parses a commit
	if s.progress && !s.rest.empty() && distance(s.told, reached) >= lookedAt {
		s.told = reached
		s.budget.stopped = !s.budget.yield(store.Event{Position: reached}, nil)
	}
}

// shrink makes the next chunk smaller if damage is in the way and readable events
// may come before it. It reports whether it did.
func (s *scanner) shrink(err error) bool {
	if !errors.Is(err, store.ErrDamaged) || s.planned <= 1 {
		return false
	}
	s.most = s.planned / 2
	return true
}

// lostAt turns the error of a chunk with at most one event into a store.Lost, if
// that event is damaged.
func (d *DB) lostAt(ctx context.Context, err error, w *scanChunk) error {
	if w.backward || len(w.pieces) == 0 || !errors.Is(err, store.ErrDamaged) {
		return err
	}
	position, id := w.reached, w.pieces[0].first
	w.after, w.events = position-1, scanEvents
	if err := d.use(ctx, w.plan); err != nil {
		return err
	}
	return logscan.Lost(err, position, id, id+w.pieces[0].count-1)
}

func distance(a, b uint64) uint64 { return max(a, b) - min(a, b) }
