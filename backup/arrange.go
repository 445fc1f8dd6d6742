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
	add func(e store.Entry, events []store.Event) error

	pending store.Entry // not added yet: what is omitted after it belongs to it; no position is none
	events  []store.Event
	reached uint64 // position
	streams uint64 // number that the next new stream gets
	time    time.Time
}

// mostPositions is how many positions a commit takes at most.
const mostPositions = 1 << 20

func newArranger(add func(store.Entry, []store.Event) error) *arranger {
	return &arranger{add: add, streams: 1, time: time.UnixMicro(0)}
}

// commit arranges the changes of a commit.
func (a *arranger) commit(c *Commit) error {
	a.time = c.Time
	if err := a.omit(c.First - 1); err != nil {
		return err
	}
	events := c.Events
	begun := false
	for i := range c.Changes {
		change := c.Changes[i]
		switch {
		case change.Kind == store.Omitted:
			if err := a.omit(a.reached + change.Count); err != nil {
				return err
			}
			continue
		case change.Kind == store.Gap && change.Count == 0:
			continue // it only made the chain go on, which another takes the place of
		}
		if !begun || change.Kind == store.Appended && a.pending.Changes[len(a.pending.Changes)-1].Kind != store.Appended {
			if err := a.begin(); err != nil {
				return err
			}
			begun = true
		}
		a.pending.Changes = append(a.pending.Changes, change)
		a.reached += change.Positions()
		a.pending.Position = a.reached
		a.streams = max(a.streams, change.Number+1) // after a gap, whatever tells of it first
		a.pending.NextStream = a.streams
		if change.Kind == store.Appended {
			events = a.take(events, change.Positions())
		}
	}
	a.events = append(a.events, events...) // which the commit replaced
	return nil
}

// take takes the events at the last positions.
func (a *arranger) take(events []store.Event, last uint64) []store.Event {
	for len(events) > 0 && events[0].Position > a.reached-last && events[0].Position <= a.reached {
		a.events = append(a.events, events[0])
		a.pending.Octets += uint64(len(events[0].Data))
		events = events[1:]
	}
	return events
}

// begin begins a commit.
func (a *arranger) begin() error {
	err := a.flush()
	a.pending = store.Entry{First: a.reached + 1, Position: a.reached, Time: a.time, NextStream: a.streams}
	return err
}

// omit omits what there is up to a position.
func (a *arranger) omit(upTo uint64) error {
	for a.reached < upTo {
		if room := a.pending.First + mostPositions - 1; a.pending.Position == 0 || a.reached >= room {
			if err := a.begin(); err != nil {
				return err
			}
		}
		n := min(upTo, a.pending.First+mostPositions-1) - a.reached
		a.pending.Changes = append(a.pending.Changes, store.Change{Kind: store.Omitted, Count: n})
		a.reached += n
		a.pending.Position = a.reached
	}
	return nil
}

// flush adds the commit that is pending, if there is one.
func (a *arranger) flush() error {
	if a.pending.Position == 0 {
		return nil
	}
	e, events := a.pending, a.events
	a.pending, a.events = store.Entry{}, nil
	return a.add(e, events)
}
