package leveldb

import (
	"time"

	"gorewind/store"
)

// entry returns what the log has of c, given the streams' names.
func (c *commitRecord) entry(named map[uint64][]byte) store.Entry {
	e := store.Entry{
		Position: c.last, First: c.first, Time: time.UnixMicro(c.time), Octets: c.octets,
		NextStream: c.nextNumber, Chain: c.chain, Changes: make([]store.Change, 0, len(c.runs)+len(c.operations)),
	}
	for _, r := range c.runs {
		e.Changes = append(e.Changes, store.Change{
			Kind: store.Appended, Number: r.number, Stream: named[r.number], First: r.first, Last: r.first + r.count - 1,
		})
	}
	for i := range c.operations {
		change := c.operations[i].change()
		change.Stream = named[change.Number]
		e.Changes = append(e.Changes, change)
	}
	return e
}

// change returns what an operation is in the log, without the stream's name.
func (o *operation) change() store.Change {
	c := store.Change{Number: o.number, Name: o.name}
	switch o.kind {
	case opReplace:
		c.Kind, c.First, c.Last = store.Replaced, o.id, o.page
	case opDelete:
		c.Kind, c.First, c.Last = store.Deleted, o.first, o.id
	case opCursor:
		c.Kind, c.Last = store.Moved, o.id
	case opKey:
		c.Kind, c.Sum, c.IDs = store.Keyed, o.sum, o.ids
	case opLost:
		c.Kind, c.Count, c.Patch = store.Gap, o.count, o.patch
	case opOmitted:
		c.Kind, c.Count = store.Omitted, o.count
	}
	return c
}

// operationOf is the inverse of change; ok is false for what appends.
func operationOf(c *store.Change) (o operation, ok bool) {
	o = operation{number: c.Number, name: c.Name}
	switch c.Kind {
	case store.Replaced:
		o.kind, o.id, o.page = opReplace, c.First, c.Last
	case store.Deleted:
		o.kind, o.first, o.id = opDelete, c.First, c.Last
	case store.Moved:
		o.kind, o.id = opCursor, c.Last
	case store.Keyed:
		o.kind, o.sum, o.ids = opKey, c.Sum, c.IDs
	case store.Gap:
		o.kind, o.count, o.patch = opLost, c.Count, c.Patch
	case store.Omitted:
		o.kind, o.count = opOmitted, c.Count
	default:
		return o, false
	}
	return o, true
}
