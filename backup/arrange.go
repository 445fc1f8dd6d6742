package backup

import (
	"time"

	"gorewind/store"
)

// An arranger makes the log of a store of its own of an export of selected streams.
// Positions stay what they were; what is not there is in the log as omitted. Events
// of a commit between which some are omitted become commits of their own, since in a
// commit those that append stand first.
type arranger struct {
	add func(e store.Entry, next nextEvent) error

	reached uint64 // position
	streams uint64 // number that the next new stream gets
	time    time.Time

	next  nextEvent // those of the commit that is arranged
	event *store.Event
}

func newArranger(add func(store.Entry, nextEvent) error) *arranger {
	return &arranger{add: add, streams: 1, time: time.UnixMicro(0)}
}

// commit arranges the changes of a commit.
func (a *arranger) commit(c *store.Entry, next nextEvent) error {
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
		if err := a.add(entries[i], a.events(c.First, upTo)); err != nil {
			return err
		}
	}
	return nil
}

// split returns the commits that a commit becomes. All but what appends is in the last.
func (a *arranger) split(c *store.Entry) (entries []store.Entry) {
	var e *store.Entry
	for i := range c.Changes {
		change := c.Changes[i]
		if change.Kind == store.Gap && change.Count == 0 {
			continue // it only made the chain go on, which another takes the place of
		}
		if e == nil || change.Kind == store.Appended && e.Changes[len(e.Changes)-1].Kind != store.Appended {
			entries = append(entries, store.Entry{First: a.reached + 1, Time: a.time})
			e = &entries[len(entries)-1]
		}
		e.Changes = append(e.Changes, change)
		a.reached += change.Positions()
		a.streams = max(a.streams, change.Number+1) // after a gap, whatever tells of it first
		e.Position, e.NextStream = a.reached, a.streams
	}
	return entries
}

// events returns those of a commit that begins at a position which come up to another,
// or all that are left if that is 0.
func (a *arranger) events(first, upTo uint64) nextEvent {
	return func() (e *store.Event, err error) {
		if a.event == nil {
			if a.event, err = a.next(); a.event == nil {
				return nil, err
			}
		}
		if e = a.event; upTo > 0 && (e.Position > upTo || e.Position < first) { // or it was replaced
			return nil, nil
		}
		a.event = nil
		return e, nil
	}
}

// omit omits what there is up to a position.
func (a *arranger) omit(upTo uint64) error {
	if a.reached >= upTo {
		return nil
	}
	e := store.Entry{
		First: a.reached + 1, Position: upTo, Time: a.time, NextStream: a.streams,
		Changes: []store.Change{{Kind: store.Omitted, Count: upTo - a.reached}},
	}
	a.reached = upTo
	return a.add(e, noEvents)
}
