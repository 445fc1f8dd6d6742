package leveldb

import (
	"context"
	"errors"

	"gorewind/store"
	"gorewind/store/leveldb/internal/logscan"
)

// What is read of the log at once for a selection.
const (
	windowEvents  = 16384
	scanBytes     = 2 << 20
	windowCommits = 16384 // also of those that have nothing of it
)

// lookedAt is how many positions a Read looks at before it says how far it is,
// if it was asked to.
const lookedAt = 1 << 20

// A scanner reads the log for a selection, a window at a time. Windows grow while they have
// nothing of it, and shrink before an event that cannot be read, until it is alone in one.
type scanner struct {
	window
	rest     stretch // what no window has reached
	budget   *budget
	progress bool   // to say how far it is, where there is nothing to yield
	told     uint64 // the position that was yielded last, or begun at
	least    int    // events and bytes that a window may have, though fewer are wanted
	most     int    // events that it may have
}

// scan yields what s takes of a stretch of the log.
func (d *DB) scan(ctx context.Context, s *scanner, of stretch, scratch *[]store.Event) (err error) {
	s.rest, s.told, s.least, s.most = of, of.start(), 1, windowEvents
	for !s.rest.empty() && !s.budget.over() {
		s.begin()
		var reached uint64
		if *scratch, reached, err = d.readWindow(ctx, (*scratch)[:0], &s.window); err == nil {
			s.spend(*scratch)
			s.end(reached, len(*scratch) > 0)
		} else if !s.shrink(err) {
			return d.lostAt(ctx, err, &s.window)
		}
	}
	return nil
}

// begin makes the window the next one.
func (s *scanner) begin() {
	s.stretch = s.rest
	s.events, s.bytes = min(s.most, max(s.least, s.budget.events)), min(scanBytes, max(s.least, s.budget.bytes))
}

// spend yields the window's events as far as the budget goes.
func (s *scanner) spend(events []store.Event) {
	for e := range s.inOrder(events) {
		if !s.budget.spend(e) {
			return
		}
	}
}

// end takes note of how far the window reached, and whether it had events.
func (s *scanner) end(reached uint64, some bool) {
	s.rest.pass(reached)
	s.most = windowEvents
	if some {
		s.told, s.least = reached, 1
		return
	}
	s.least = min(2*s.least, scanBytes) // what is deleted or not selected may be much, and a commit is parsed for each window
	if s.progress && !s.rest.empty() && distance(s.told, reached) >= lookedAt {
		s.told = reached
		s.budget.stopped = !s.budget.yield(store.Event{Position: reached}, nil)
	}
}

// shrink has the next window end earlier, if damage is in the way and something may come
// before it, which is good; and reports whether it does.
func (s *scanner) shrink(err error) bool {
	if !errors.Is(err, store.ErrDamaged) || s.planned <= 1 {
		return false
	}
	s.most = s.planned / 2
	return true
}

// lostAt returns the error of a window that has at most one event, which is damaged if the
// error says so.
func (d *DB) lostAt(ctx context.Context, err error, w *window) error {
	if w.backward || len(w.pieces) == 0 || !errors.Is(err, store.ErrDamaged) {
		return err
	}
	position, id := w.reached, w.pieces[0].first
	w.after, w.events = position-1, windowEvents
	if err := d.use(ctx, w.plan); err != nil {
		return err
	}
	return logscan.Lost(err, position, id, id+w.pieces[0].count-1)
}

func distance(a, b uint64) uint64 { return max(a, b) - min(a, b) }
