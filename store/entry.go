package store

import "time"

// An Entry is one commit in the log. It says what happened, but has no event data,
// which may have been erased.
type Entry struct {
	Position   uint64 // last position of the commit
	First      uint64 // first position of the commit
	Time       time.Time
	Bytes      uint64 // of its events' data, as it was committed
	NextStream uint64 // number of the next new stream
	Changes    []Change
	Chain      uint64 // checksum of the entry and all before it
}

// A Change is one thing that a commit did. Appending changes come first; their
// events take consecutive positions from Entry.First. Each other change takes one
// position, except Keyed, which takes none, and Gap and Omitted, which take Count.
type Change struct {
	Kind   ChangeKind
	Stream []byte // empty for Gap and Omitted, and for Moved if the cursor is in the whole store
	Number uint64 // the stream's number within the store; 0 if there is no stream
	Name   []byte // Moved: the consumer; Keyed: the key
	First  uint64 // Appended, Deleted: the first id; Replaced: the id
	Last   uint64 // Appended, Deleted: the last id; Replaced: the last id of its page; Moved: where the cursor is
	Sum    []byte // Keyed: distinguishes requests under the key
	IDs    []uint64
	Count  uint64 // Gap, Omitted: positions
	Patch  uint64 // Gap: makes Chain come out as it was
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
	Gap                            // a repair gave up what was here
	Omitted                        // it belongs to streams that this copy of a store leaves out
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

// An Identity is what a copy of a store needs to take its place.
type Identity struct {
	ID         string // lower-case hex
	Generation uint64
	Secret     string // recognizes repeated requests with a key; hex
}
