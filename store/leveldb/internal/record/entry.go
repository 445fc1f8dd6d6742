package record

import (
	"time"

	"gorewind/store"
)

// Entry returns c as a log entry, given the names of the streams.
func (c *Commit) Entry(named map[uint64][]byte) store.Entry {
	e := store.Entry{
		Position: c.Last, First: c.First, Time: time.UnixMicro(c.Time), Bytes: c.Bytes,
		NextStream: c.NextNumber, Chain: c.Chain, Changes: make([]store.Change, 0, len(c.Runs)+len(c.Operations)),
	}
	for _, r := range c.Runs {
		e.Changes = append(e.Changes, store.Change{
			Kind: store.Appended, Number: r.Number, Stream: named[r.Number], First: r.First, Last: r.First + r.Count - 1,
		})
	}
	for i := range c.Operations {
		change := c.Operations[i].change()
		change.Stream = named[change.Number]
		e.Changes = append(e.Changes, change)
	}
	return e
}

// change returns an operation as a change of the log, without the stream's name.
func (o *Operation) change() store.Change {
	c := store.Change{Number: o.Number, Name: o.Name}
	switch o.Kind {
	case OpReplace:
		c.Kind, c.First, c.Last = store.Replaced, o.ID, o.Page
	case OpDelete:
		c.Kind, c.First, c.Last = store.Deleted, o.First, o.ID
	case OpCursor:
		c.Kind, c.Last = store.Moved, o.ID
	case OpKey:
		c.Kind, c.Sum, c.IDs = store.Keyed, o.Sum, o.IDs
	case OpLost:
		c.Kind, c.Count, c.Patch = store.Gap, o.Count, o.Patch
	case OpOmitted:
		c.Kind, c.Count = store.Omitted, o.Count
	}
	return c
}

// OperationOf is the inverse of change; ok is false if the change appends events.
func OperationOf(c *store.Change) (o Operation, ok bool) {
	o = Operation{Number: c.Number, Name: c.Name}
	switch c.Kind {
	case store.Replaced:
		o.Kind, o.ID, o.Page = OpReplace, c.First, c.Last
	case store.Deleted:
		o.Kind, o.First, o.ID = OpDelete, c.First, c.Last
	case store.Moved:
		o.Kind, o.ID = OpCursor, c.Last
	case store.Keyed:
		o.Kind, o.Sum, o.IDs = OpKey, c.Sum, c.IDs
	case store.Gap:
		o.Kind, o.Count, o.Patch = OpLost, c.Count, c.Patch
	case store.Omitted:
		o.Kind, o.Count = OpOmitted, c.Count
	default:
		return o, false
	}
	return o, true
}
