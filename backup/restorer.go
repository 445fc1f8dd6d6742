package backup

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"gorewind/store"
	"gorewind/store/leveldb"
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
	r.look(c)
	if err := r.entry(c.Entry, c.Events); err != nil {
		return err
	}
	return r.lose(c)
}

// entry adds a commit, unless that was done before.
func (r *restorer) entry(e store.Entry, events []store.Event) error {
	r.last = store.Entry{Position: e.Position, Time: e.Time, NextStream: e.NextStream}
	if e.Position <= r.done {
		return nil
	}
	return r.to.Add(e, events)
}

// lose has the store know what is lost. An earlier attempt may have ended before
// it did.
func (r *restorer) lose(c *Commit) error {
	if c.Position < r.done {
		return nil
	}
	for _, l := range c.Lost {
		if err := r.to.Lose(l.Stream, l.First, l.Last); err != nil {
			return err
		}
	}
	return nil
}

// look finds what is missing, or was and is deleted.
func (r *restorer) look(c *Commit) {
	there := c.Events
	at := c.First
	for i := range c.Changes {
		change := &c.Changes[i]
		switch change.Kind {
		case store.Appended:
			for id := change.First; id <= change.Last; id++ {
				if len(there) > 0 && there[0].Position == at+id-change.First {
					there = there[1:]
				} else if !c.lost(change.Stream, id) {
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

// lost reports whether the commit says that an event is lost.
func (c *Commit) lost(stream []byte, id uint64) bool {
	return slices.ContainsFunc(c.Lost, func(l Lost) bool {
		return id >= l.First && id <= l.Last && string(l.Stream) == string(stream)
	})
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
		if err := r.entry(e, nil); err != nil {
			return 0, err
		}
	}
	return len(numbers), nil
}

// A Restored says what became of a restore.
type Restored struct {
	leveldb.Report
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
