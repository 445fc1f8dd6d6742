package backup

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"gorewind/store"
)

// A Source is a store to be exported. Its methods may be called concurrently.
type Source interface {
	// Identity returns the identity of the store, and the position of its last
	// commit.
	Identity(ctx context.Context) (store.Identity, uint64, error)
	// Log yields the commits after one position and up to another. A commit that
	// holds the first position itself is yielded too.
	Log(ctx context.Context, after, upTo uint64) iter.Seq2[store.Entry, error]
	// Events yields the events after one position and up to another, of all streams
	// or of those selected. It ends with a *store.Lost in front of what cannot be
	// read.
	Events(ctx context.Context, of *Selection, after, upTo uint64) iter.Seq2[store.Event, error]
	// Event returns one event, and whether it exists.
	Event(ctx context.Context, stream []byte, id uint64) (store.Event, bool, error)
}

// An exporter exports what a store holds between two positions. The log says what
// was committed, and the events are what is left of it. What is only in the log was
// erased, or cannot be read.
//
// Nothing is locked, so events are exported as they are when they are read. An
// event replaced during the export may already have its new data. An event deleted
// during the export may be missing, while its deletion comes after the end of the
// export. That deletion also covers all earlier events of the stream: a restore
// from the export deletes those (see restorer). The end of the export is fixed at its
// beginning.
type exporter struct {
	source Source
	w      *Writer
	upTo   uint64
	// Events up to began may be in this export, or an earlier one, with data that
	// was replaced since; so their new data is exported too.
	began      uint64
	acceptLoss bool
	stop       int64 // end after a commit once there is this much text, or before a large one; 0 is never
	progress   func(position, of uint64)

	selected *store.Selection // nil: all
	events   *eventReader
	lost     []Lost // of the commit
}

// run exports up to the end, or up to an earlier commit once there is enough text.
func (x *exporter) run(ctx context.Context) (err error) {
	if s := x.w.Header.Selection; s != nil {
		if x.selected, err = s.compile(); err != nil {
			return err
		}
	}
	defer func() {
		if x.events != nil {
			x.events.stop()
		}
	}()
	after := x.w.End()
	x.progress(after, x.upTo) // an earlier run did this part
	for e, err := range x.source.Log(ctx, after, x.upTo) {
		if err != nil {
			return err
		}
		if x.events == nil {
			x.events = newEventReader(ctx, x.source, x.w.Header.Selection, e.First-1, x.upTo)
		}
		if err := x.commit(ctx, &e); errors.Is(err, errLarge) {
			return nil
		} else if err != nil {
			return err
		}
		x.progress(e.Position, x.upTo)
		after = e.Position
		if x.stop > 0 && x.w.sums.bytes >= x.stop {
			return nil
		}
	}
	if after < x.upTo {
		return fmt.Errorf("the log ended at position %d, not at %d: check the store with gorewind verify", after, x.upTo)
	}
	return nil
}

// commit exports one commit, if any of it is selected.
func (x *exporter) commit(ctx context.Context, e *store.Entry) error {
	if x.selected != nil {
		if e.Changes = x.choose(e.Changes); e.Changes == nil {
			return nil
		}
	}
	x.w.begin(e)
	x.lost = x.lost[:0]
	at := e.First
	for i := range e.Changes {
		change := &e.Changes[i]
		if change.Kind == store.Appended {
			if err := x.appended(e, change, at); err != nil {
				return err
			}
		}
		at += change.Positions()
	}
	for i := range e.Changes {
		if change := &e.Changes[i]; change.Kind == store.Replaced && x.began > 0 {
			if err := x.replaced(ctx, e, change); err != nil {
				return err
			}
		}
	}
	return x.w.end(x.lost)
}

// choose returns a commit's changes with the unselected ones omitted, and nil if
// none is selected.
func (x *exporter) choose(changes []store.Change) (chosen []store.Change) {
	found := false
	for i := range changes {
		c := changes[i]
		switch {
		case c.Kind == store.Gap, len(c.Stream) > 0 && x.selected.Matches(c.Stream):
			found = true
		case c.Kind == store.Keyed:
			continue
		default:
			c = store.Change{Kind: store.Omitted, Count: c.Positions()}
		}
		if n := len(chosen); n > 0 && c.Kind == store.Omitted && chosen[n-1].Kind == store.Omitted {
			chosen[n-1].Count += c.Count
			continue
		}
		chosen = append(chosen, c)
	}
	if !found {
		return nil
	}
	return chosen
}

// appended exports the events of a change that still exist.
func (x *exporter) appended(of *store.Entry, change *store.Change, at uint64) error {
	for id := change.First; id <= change.Last; id++ {
		position := at + id - change.First
		e, err := x.events.at(position)
		if err != nil {
			return err
		}
		switch {
		case e != nil && (e.ID != id || string(e.Stream) != string(change.Stream) || !e.Time.Equal(of.Time)):
			return fmt.Errorf("at position %d the log has event %d of the stream %+q, but a query yields event %d of %+q: check the store with gorewind verify",
				position, id, change.Stream, e.ID, e.Stream)
		case e != nil:
			err = x.w.event(e)
		case x.events.isLost(position):
			if !x.acceptLoss {
				return x.events.lost
			}
			x.lose(change.Stream, id)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// replaced exports the present data of a replaced event.
func (x *exporter) replaced(ctx context.Context, of *store.Entry, change *store.Change) error {
	e, ok, err := x.source.Event(ctx, change.Stream, change.First)
	switch {
	case errors.As(err, new(*store.Lost)):
		// Earlier exports have the old data, and there is nothing to replace it
		// with.
		return fmt.Errorf("event %d of the stream %+q was replaced and cannot be read: begin a new export of everything: %w", change.First, change.Stream, err)
	case err != nil:
		return err
	case ok && e.Position <= x.began && e.Position < of.First:
		return x.w.event(&e)
	}
	return nil
}

// lose notes an event that cannot be read.
func (x *exporter) lose(stream []byte, id uint64) {
	if n := len(x.lost); n > 0 && x.lost[n-1].Last == id-1 && string(x.lost[n-1].Stream) == string(stream) {
		x.lost[n-1].Last = id
		return
	}
	x.lost = append(x.lost, Lost{stream, id, id})
}

// An eventReader looks up events by rising positions.
type eventReader struct {
	ctx    context.Context
	source Source
	of     *Selection
	upTo   uint64

	next  func() (store.Event, error, bool)
	stop  func()
	event store.Event // the next one
	state int
	lost  error
	from  uint64 // events after this position
	to    uint64 // and up to this one are lost
}

// States of an eventReader.
const (
	eventUnread = iota // the next event was not read yet
	eventRead          // event is the next one
	eventNone          // there is none
)

func newEventReader(ctx context.Context, source Source, of *Selection, after, upTo uint64) *eventReader {
	r := &eventReader{ctx: ctx, source: source, of: of, upTo: upTo, from: after, to: after}
	r.begin(after)
	return r
}

func (r *eventReader) begin(after uint64) {
	if r.stop != nil {
		r.stop()
	}
	r.next, r.stop = iter.Pull2(r.source.Events(r.ctx, r.of, after, r.upTo))
	r.state = eventUnread
}

// at returns the event at a position, or nil.
func (r *eventReader) at(position uint64) (*store.Event, error) {
	for {
		switch {
		case r.state == eventNone || r.state == eventRead && r.event.Position > position:
			return nil, nil
		case r.state == eventRead && r.event.Position == position:
			r.state = eventUnread
			return &r.event, nil
		case r.state == eventRead:
			return nil, fmt.Errorf("a query yields an event at position %d, where the log has none: check the store with gorewind verify", r.event.Position)
		}
		if position <= r.to && r.lost != nil {
			return nil, nil
		}
		if err := r.read(); err != nil {
			return nil, err
		}
	}
}

// isLost reports whether the event at a position could not be read.
func (r *eventReader) isLost(position uint64) bool { return position > r.from && position <= r.to }

// read reads the next event, or notes what cannot be read before it.
func (r *eventReader) read() error {
	e, err, ok := r.next()
	var lost *store.Lost
	switch {
	case errors.As(err, &lost) && lost.After > r.to:
		r.lost, r.from, r.to = err, r.last(), lost.After
		r.begin(lost.After)
	case err != nil:
		return err
	case !ok:
		r.state = eventNone
	default:
		r.event, r.state = e, eventRead
	}
	return nil
}

// last returns the position up to which everything was read.
func (r *eventReader) last() uint64 { return max(r.event.Position, r.to) }
