package store

import "time"

// An Entry is one commit as the log has it: what happened, without the events'
// data, which may be erased by now.
type Entry struct {
	Position   uint64 // the last that it took
	First      uint64 // and the first
	Time       time.Time
	Bytes      uint64 // of its events' data, as it was committed
	NextStream uint64 // the number that the next new stream gets
	Changes    []Change
	Chain      uint64 // checksum of the entry and all before it
}

// A Change is one thing that a commit did. Those that append stand first; their
// events have positions from Entry.First on, in order. Of the others each takes
// one position, but Keyed none, and Gap and Omitted Count.
type Change struct {
	Kind   ChangeKind
	Stream []byte // not of Gap and Omitted; empty in Moved where the cursor is that of the whole store
	Number uint64 // stands for the stream within the store; 0 where there is none
	Name   []byte // Moved: the consumer; Keyed: the key
	First  uint64 // Appended, Deleted: the first id; Replaced: the id
	Last   uint64 // Appended, Deleted: the last id; Replaced: the last id that shares its page; Moved: where the cursor is
	Sum    []byte // Keyed: what tells the request from others under the key
	IDs    []uint64
	Count  uint64 // Gap, Omitted: positions
	Patch  uint64 // Gap: makes Chain go on
}

// A ChangeKind says what a Change did.
type ChangeKind byte

// Kinds of changes.
const (
	Appended ChangeKind = iota + 1 // events to a stream
	Replaced                       // an event's data
	Deleted                        // a stream's first events
	Moved                          // a consumer's cursor
	Keyed                          // a request had a key, and IDs are its answer
	Gap                            // a repair went on without what there was
	Omitted                        // it is of streams that this copy of a store was made without
)

// Events returns how many events the entry appended.
func (e *Entry) Events() (n uint64) {
	for i := range e.Changes {
		if c := &e.Changes[i]; c.Kind == Appended {
			n += c.Positions()
		}
	}
	return n
}

// Positions returns how many positions the change takes.
func (c *Change) Positions() uint64 {
	switch c.Kind {
	case Appended:
		return c.Last - c.First + 1
	case Keyed:
		return 0
	case Gap, Omitted:
		return c.Count
	}
	return 1
}

// An Identity is what a copy of a store needs to stand for it.
type Identity struct {
	ID         string // lower-case hex
	Generation uint64
	Secret     string // with which it knows requests again that have a key, hex
}
