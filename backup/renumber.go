package backup

import (
	"time"

	"gorewind/store"
)

// A renumberer turns an export of selected streams into the log of a store of its
// own. Positions stay as they were; missing ones are omitted in the log. If events
// in the middle of a commit are omitted, the events on both sides become separate
// commits, because the events of one commit come first and without a gap.
type renumberer struct {
	emit func(e store.Entry, next nextEvent) error

	reached uint64 // position
	streams uint64 // number of the next new stream
	time    time.Time

	next  nextEvent // the events of the present commit
	event *store.Event
}

func newRenumberer(add func(store.Entry, nextEvent) error) *renumberer {
	return &renumberer{emit: add, streams: 1, time: time.UnixMicro(0)}
}

// commit writes the changes of a commit.
func (a *renumberer) commit(c *store.Entry, next nextEvent) error {
	a.time = c.Time
	if err := a.omit(c.First - 1); err != nil {
		return err
	}
	a.next, a.event = next, nil
	entries := a.split(c)
	for i := range entries {
		upTo := entries[i].Position
		if i == len(entries)-1 {
			upTo = 0
		}
		if err := a.emit(entries[i], a.events(c.First, upTo)); err != nil {
			return err
		}
	}
	return nil
}

// split returns the commits that replace a commit. All changes other than appended
// events are in the last one.
func (a *renumberer) split(c *store.Entry) (entries []store.Entry) {
	var e *store.Entry
	for i := range c.Changes {
		change := c.Changes[i]
		if change.Kind == store.Gap && change.Count == 0 {
			continue // it only patched the chain, which is computed anew
		}
		if e == nil || change.Kind == store.Appended && e.Changes[len(e.Changes)-1].Kind != store.Appended {
			entries = append(entries, store.Entry{First: a.reached + 1, Time: a.time})
			e = &entries[len(entries)-1]
		}
		e.Changes = append(e.Changes, change)
		a.reached += change.Positions()
		a.streams = max(a.streams, change.Number+1) // after a gap, any change may name a stream first
		e.Position, e.NextStream = a.reached, a.streams
	}
	return entries
}

// events returns the events of a commit from its first position up to another, or
// all remaining ones if that is 0.
func (a *renumberer) events(first, upTo uint64) nextEvent {
	return func() (e *store.Event, err error) {
		if a.event == nil {
			if a.event, err = a.next(); a.event == nil {
				return nil, err
			}
		}
		if e = a.event; upTo > 0 && (e.Position > upTo || e.Position < first) { // or a replaced event
			return nil, nil
		}
		a.event = nil
		return e, nil
	}
}

// omit omits the positions up to one.
func (a *renumberer) omit(upTo uint64) error {
	if a.reached >= upTo {
		return nil
	}
	e := store.Entry{
		First: a.reached + 1, Position: upTo, Time: a.time, NextStream: a.streams,
		Changes: []store.Change{{Kind: store.Omitted, Count: upTo - a.reached}},
	}
	a.reached = upTo
	return a.emit(e, noEvents)
}
