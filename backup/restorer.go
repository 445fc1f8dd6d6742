package backup

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"gorewind/store"
	"gorewind/store/leveldb"
	"gorewind/store/leveldb/repair"
)

// A restorer makes a store from consecutive exports.
//
// If an export lacks events of a stream without a deletion that explains it, they
// were deleted after the export's end (see exporter), and so were all earlier
// events of the stream. The restorer deletes those at the end.
type restorer struct {
	to   *leveldb.Restore
	done uint64 // position that an earlier attempt reached

	last    store.Entry // the last commit
	missing map[uint64]hole
}

// A hole is the last missing event of a stream.
type hole struct {
	stream []byte
	id     uint64
}

func newRestorer(to *leveldb.Restore) *restorer {
	return &restorer{to: to, done: to.Position(), last: store.Entry{NextStream: 1}, missing: make(map[uint64]hole)}
}

// commit adds a commit.
func (r *restorer) commit(c *Entry) error {
	return r.take(c, func(next nextEvent) error { return r.entry(c.Entry, next) })
}

// A nextEvent returns the events of a commit one after the other, and nil after the
// last.
type nextEvent = func() (*store.Event, error)

// take adds a commit through add, which consumes its events, and notes which of
// them are missing.
func (r *restorer) take(c *Entry, add func(next nextEvent) error) error {
	var there []uint64
	err := add(func() (*store.Event, error) {
		e, err := c.Event()
		if e != nil {
			there = append(there, e.Position)
		}
		return e, err
	})
	if err != nil {
		return err
	}
	lost, err := c.Lost()
	if err != nil {
		return err
	}
	r.look(&c.Entry, there, lost)
	return r.lose(c.Position, lost)
}

// entry adds a commit, unless an earlier attempt did.
func (r *restorer) entry(e store.Entry, next nextEvent) error {
	r.last = store.Entry{Position: e.Position, Time: e.Time, NextStream: e.NextStream}
	if e.Position > r.done {
		return r.to.Add(e, next)
	}
	for {
		if e, err := next(); e == nil || err != nil {
			return err
		}
	}
}

// lose tells the store which events of the commit at a position are lost. An
// earlier attempt may have ended before it did.
func (r *restorer) lose(position uint64, lost []Lost) error {
	if position < r.done {
		return nil
	}
	for _, l := range lost {
		if err := r.to.Lose(l.Stream, l.First, l.Last); err != nil {
			return err
		}
	}
	return nil
}

// look notes which events are missing, or were missing and are deleted; there are
// the positions of the existing events.
func (r *restorer) look(e *store.Entry, there []uint64, lost []Lost) {
	at := e.First
	for i := range e.Changes {
		change := &e.Changes[i]
		switch change.Kind {
		case store.Appended:
			for id := change.First; id <= change.Last; id++ {
				if len(there) > 0 && there[0] == at+id-change.First {
					there = there[1:]
				} else if !isLost(lost, change.Stream, id) {
					r.missing[change.Number] = hole{change.Stream, id}
				}
			}
		case store.Deleted:
			if change.Last >= r.missing[change.Number].id {
				delete(r.missing, change.Number)
			}
		}
		at += change.Positions()
	}
}

// close deletes what was deleted after the end of the exports, and returns in how
// many streams.
func (r *restorer) close() (streams int, err error) {
	numbers := slices.SortedFunc(maps.Keys(r.missing), cmp.Compare[uint64])
	for some := range slices.Chunk(numbers, store.MaxCommitEvents) {
		e := store.Entry{First: r.last.Position + 1, Position: r.last.Position + uint64(len(some)), Time: r.last.Time, NextStream: r.last.NextStream}
		for _, number := range some {
			h := r.missing[number]
			e.Changes = append(e.Changes, store.Change{Kind: store.Deleted, Stream: h.stream, Number: number, First: 1, Last: h.id})
		}
		if err := r.entry(e, noEvents); err != nil {
			return 0, err
		}
	}
	return len(numbers), nil
}

func noEvents() (*store.Event, error) { return nil, nil }

// A Restored is the outcome of a restore.
type Restored struct {
	repair.Report
	Identity store.Identity
	Position uint64 // of the last commit
	Time     time.Time
	Deleted  int // streams with events that were deleted while the last export ran
}

// finish completes the store.
func (r *restorer) finish(ctx context.Context, progress func(done, of int)) (Restored, error) {
	streams, err := r.close()
	if err != nil {
		return Restored{}, err
	}
	report, err := r.to.Finish(ctx, progress)
	return Restored{report, r.to.Identity(), r.last.Position, r.last.Time, streams}, err
}
