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

// A restorer makes a store of exports that follow each other.
//
// What an export lacks of a stream, without a deletion that says so, was deleted
// after its end (see exporter), as was all that came before it in the stream: so that
// is deleted at the end.
type restorer struct {
	to   *leveldb.Restore
	done uint64 // position that an earlier attempt had reached

	last    store.Entry // the last commit
	missing map[uint64]hole
}

// A hole is the last event of a stream that is missing.
type hole struct {
	stream []byte
	id     uint64
}

func newRestorer(to *leveldb.Restore) *restorer {
	return &restorer{to: to, done: to.Position(), last: store.Entry{NextStream: 1}, missing: make(map[uint64]hole)}
}

// commit adds a commit.
func (r *restorer) commit(c *Commit) error {
	return r.take(c, func(next nextEvent) error { return r.entry(c.Entry, next) })
}

// A nextEvent returns the events of a commit, one after the other, and nil after the
// last.
type nextEvent = func() (*store.Event, error)

// take adds a commit by a function that takes its events, and finds what is missing
// of them.
func (r *restorer) take(c *Commit, add func(next nextEvent) error) error {
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

// entry adds a commit, unless that was done before.
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

// lose has the store know what is lost of the commit at a position. An earlier attempt
// may have ended before it did.
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

// look finds what is missing, or was and is deleted, given the positions of the events
// that are there.
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

// close deletes what was deleted after the end, and returns in how many streams.
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

// A Restored says what became of a restore.
type Restored struct {
	repair.Report
	Identity store.Identity
	Position uint64 // of the last commit
	Time     time.Time
	Deleted  int // streams of which events were deleted while the last export ran
}

// finish ends the store.
func (r *restorer) finish(ctx context.Context, progress func(done, of int)) (Restored, error) {
	streams, err := r.close()
	if err != nil {
		return Restored{}, err
	}
	report, err := r.to.Finish(ctx, progress)
	return Restored{report, r.to.Identity(), r.last.Position, r.last.Time, streams}, err
}
