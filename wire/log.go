package wire

import (
	"encoding/binary"
	"time"
)

// Log asks for the log of the store: its commits in order, without the events'
// data.
type Log struct {
	After uint64 // position, exclusive; 0 is the beginning
	Limit uint64 // commits; 0 is no limit
	Store string // ID.GENERATION of the store, if not empty
}

// Frames implements Request.
func (l Log) Frames() [][]byte {
	frames := [][]byte{[]byte(LOG), ID(l.After)}
	if l.Limit > 0 {
		frames = append(frames, optionFrame(optLimit, formatLimit(l.Limit)))
	}
	if l.Store != "" {
		frames = append(frames, optionFrame(optStore, l.Store))
	}
	return frames
}

var logOptions = map[string]string{optLimit: limitForm, optStore: storeForm}

func parseLog(args [][]byte) (Request, *Error) {
	if len(args) < 1 {
		return nil, tooFew(LOG, "after", len(args))
	}
	var l Log
	set := func(name string, value []byte) (ok bool) {
		if name == optStore {
			l.Store = string(value)
			return isStore(value)
		}
		l.Limit, ok = parseLimit(value)
		return ok
	}
	if err := parseOptions(LOG, logOptions, args[1:], set); err != nil {
		return nil, err
	}
	after, err := parseBound("after", args[0])
	l.After = after.ID
	if err != nil {
		return nil, err
	}
	return l, nil
}

// StoreReply begins the answer to a Log. It says whose log it is, and has the
// secret with which the store recognizes repeated requests with a key.
type StoreReply struct {
	ID         string // lower-case hex
	Generation uint64
	Secret     string
	Position   uint64 // of the last commit
}

// Frames implements Reply.
func (s StoreReply) Frames() [][]byte {
	return [][]byte{[]byte(STORE), []byte(s.ID), ID(s.Generation), []byte(s.Secret), ID(s.Position)}
}

func parseStoreReply(args [][]byte) (Reply, error) {
	if len(args) < 4 {
		return nil, ErrReply
	}
	s := StoreReply{ID: string(args[0]), Secret: string(args[2])}
	var isGeneration, isPosition bool
	s.Generation, isGeneration = ParseID(args[1])
	s.Position, isPosition = ParseID(args[3])
	if !isGeneration || !isPosition {
		return nil, ErrReply
	}
	return s, nil
}

// Entry is one commit of the answer to a Log.
type Entry struct {
	Position uint64    // the last position that it took
	First    uint64    // and the first
	Time     time.Time // UTC, in microseconds
	Next     uint64    // the number that the next new stream gets
	Bytes    uint64    // of its events' data, as it was committed
	Chain    uint64    // checksum of the entry and all before it
	Changes  []Change
}

// A Change is one thing that a commit did.
type Change struct {
	Kind   string // one of the words below
	Stream []byte
	Number uint64 // the stream's number within the store; 0 is the whole store
	Name   []byte // CursorMoved: the consumer; RequestKeyed: the key
	First  uint64 // EventsAppended, EventsDeleted: the first id; EventReplaced: the id
	Last   uint64 // EventsAppended, EventsDeleted: the last id; EventReplaced: the last id of its page; CursorMoved: the id
	Sum    []byte // RequestKeyed: distinguishes requests under the key
	IDs    []uint64
	Count  uint64 // PositionsLost, PositionsOmitted
	Patch  uint64 // PositionsLost
}

// Kinds of changes, as words on the wire.
const (
	EventsAppended   = "events"
	EventReplaced    = "replace"
	EventsDeleted    = "delete"
	CursorMoved      = "commit"
	RequestKeyed     = "key"
	PositionsLost    = "lost"
	PositionsOmitted = "omitted"
)

// Frames implements Reply.
func (e Entry) Frames() [][]byte {
	var changes []byte
	var fields [][]byte
	for i := range e.Changes {
		fields = e.Changes[i].appendFields(fields[:0])
		for _, f := range fields {
			changes = binary.BigEndian.AppendUint32(changes, uint32(len(f)))
			changes = append(changes, f...)
		}
	}
	return [][]byte{[]byte(ENTRY), ID(e.Position), ID(e.First), []byte(e.Time.UTC().Format(TimeForm)),
		ID(e.Next), ID(e.Bytes), ID(e.Chain), ID(uint64(len(e.Changes))), changes}
}

// appendFields appends the fields of a change. All changes share one frame: there
// may be thousands, and a frame costs both sides more than its contents.
func (c *Change) appendFields(fields [][]byte) [][]byte {
	fields = append(fields, []byte(c.Kind))
	switch c.Kind {
	case PositionsLost:
		return append(fields, ID(c.Count), ID(c.Patch))
	case PositionsOmitted:
		return append(fields, ID(c.Count))
	}
	fields = append(fields, c.Stream, ID(c.Number))
	switch c.Kind {
	case CursorMoved:
		return append(fields, c.Name, ID(c.Last))
	case RequestKeyed:
		ids := make([]byte, 0, IDSize*len(c.IDs))
		for _, id := range c.IDs {
			ids = append(ids, ID(id)...)
		}
		return append(fields, c.Name, c.Sum, ids)
	}
	return append(fields, ID(c.First), ID(c.Last))
}

func parseEntry(args [][]byte) (Reply, error) {
	f := fields{args: args}
	e := Entry{Position: f.id(), First: f.id(), Time: f.time(), Next: f.id(), Bytes: f.id(), Chain: f.id()}
	n := f.id()
	changes := f.packed()
	for ; n > 0 && !changes.bad; n-- {
		e.Changes = append(e.Changes, changes.change())
	}
	if f.bad || changes.bad || len(changes.args) > 0 {
		return nil, ErrReply
	}
	return e, nil
}

// packed reads a frame of length-prefixed fields.
func (f *fields) packed() (in fields) {
	b := f.bytes()
	for len(b) >= lengthSize {
		n := uint64(binary.BigEndian.Uint32(b))
		if b = b[lengthSize:]; n > uint64(len(b)) {
			break
		}
		in.args = append(in.args, b[:n:n])
		b = b[n:]
	}
	in.bad = f.bad || len(b) > 0
	return in
}

const lengthSize = 4

// fields reads frames, or the fields of one, one by one; bad stays set once a field
// is malformed.
type fields struct {
	args [][]byte
	bad  bool
}

func (f *fields) bytes() (b []byte) {
	if len(f.args) == 0 {
		f.bad = true
		return nil
	}
	b, f.args = f.args[0], f.args[1:]
	return b
}

func (f *fields) id() uint64 {
	id, ok := ParseID(f.bytes())
	f.bad = f.bad || !ok
	return id
}

func (f *fields) time() time.Time {
	t, ok := parseTime(f.bytes())
	f.bad = f.bad || !ok
	return t
}

func (f *fields) change() (c Change) {
	c.Kind = string(f.bytes())
	switch c.Kind {
	case PositionsLost:
		c.Count, c.Patch = f.id(), f.id()
		return c
	case PositionsOmitted:
		c.Count = f.id()
		return c
	}
	c.Stream, c.Number = f.bytes(), f.id()
	switch c.Kind {
	case CursorMoved:
		c.Name, c.Last = f.bytes(), f.id()
	case RequestKeyed:
		c.Name, c.Sum = f.bytes(), f.bytes()
		ids := f.bytes()
		for ; len(ids) >= IDSize; ids = ids[IDSize:] {
			id, _ := ParseID(ids[:IDSize])
			c.IDs = append(c.IDs, id)
		}
		f.bad = f.bad || len(ids) > 0
	case EventsAppended, EventReplaced, EventsDeleted:
		c.First, c.Last = f.id(), f.id()
	default:
		f.bad = true
	}
	return c
}
