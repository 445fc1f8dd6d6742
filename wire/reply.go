package wire

import (
	"bytes"
	"errors"
	"strings"
)

// The words that begin replies, besides ERROR and those that are also commands.
const (
	PUBLISHED = "PUBLISHED"
	APPENDED  = "APPENDED"
	EVENT     = "EVENT"
	LIVE      = "LIVE"
	STREAM    = "STREAM"
	END       = "END"
	REPLACED  = "REPLACED"
	DELETED   = "DELETED"
	COMMITTED = "COMMITTED"
	REACHED   = "REACHED"
	STORE     = "STORE"
	ENTRY     = "ENTRY"
	PONG      = "PONG"
)

// A Reply is one of Published, Appended, Event, Live, StreamReply, End, Replaced,
// Deleted, Committed, CursorReply, Reached, StoreReply, Entry, Pong, InfoReply and
// *Error.
type Reply interface {
	// Frames returns the reply as frames, without an envelope.
	Frames() [][]byte
}

// Published answers a Publish: the event is on disk under this id.
type Published struct{ ID uint64 }

// Frames implements Reply.
func (p Published) Frames() [][]byte { return [][]byte{[]byte(PUBLISHED), ID(p.ID)} }

// Appended answers an Append: the id of the last event of each group.
type Appended struct{ IDs []uint64 }

// Frames implements Reply.
func (a Appended) Frames() [][]byte {
	frames := [][]byte{[]byte(APPENDED)}
	for _, id := range a.IDs {
		frames = append(frames, ID(id))
	}
	return frames
}

// Live says that a follower has received every event so far.
type Live struct{}

// Frames implements Reply.
func (Live) Frames() [][]byte { return [][]byte{[]byte(LIVE)} }

// StreamReply is one stream of the answer to a Streams.
type StreamReply struct {
	Name []byte
	Last uint64
}

// Frames implements Reply.
func (s StreamReply) Frames() [][]byte { return [][]byte{[]byte(STREAM), s.Name, ID(s.Last)} }

// End says that the answer to a Query, a Streams or a Log is complete.
type End struct{}

// Frames implements Reply.
func (End) Frames() [][]byte { return [][]byte{[]byte(END)} }

// Replaced answers a Replace.
type Replaced struct{ ID uint64 }

// Frames implements Reply.
func (r Replaced) Frames() [][]byte { return [][]byte{[]byte(REPLACED), ID(r.ID)} }

// Deleted answers a Delete.
type Deleted struct{}

// Frames implements Reply.
func (Deleted) Frames() [][]byte { return [][]byte{[]byte(DELETED)} }

// Committed answers a Commit.
type Committed struct{ ID uint64 }

// Frames implements Reply.
func (c Committed) Frames() [][]byte { return [][]byte{[]byte(COMMITTED), ID(c.ID)} }

// CursorReply answers a Cursor; the id is 0 if there is no cursor.
type CursorReply struct{ ID uint64 }

// Frames implements Reply.
func (c CursorReply) Frames() [][]byte { return [][]byte{[]byte(CURSOR), ID(c.ID)} }

// Reached answers a Wait with where the cursor is.
type Reached struct{ Cursor uint64 }

// Frames implements Reply.
func (r Reached) Frames() [][]byte { return [][]byte{[]byte(REACHED), ID(r.Cursor)} }

// Pong answers a Ping with its frames.
type Pong struct{ Payload [][]byte }

// Frames implements Reply.
func (p Pong) Frames() [][]byte { return append([][]byte{[]byte(PONG)}, p.Payload...) }

// InfoReply answers an Info: facts about the server, in the server's order.
type InfoReply struct{ Facts []Param }

// Frames implements Reply.
func (r InfoReply) Frames() [][]byte {
	frames := [][]byte{[]byte(INFO)}
	for _, f := range r.Facts {
		frames = append(frames, []byte(f.Name+"="+f.Value))
	}
	return frames
}

// ErrReply means that the frames are not a reply known to this version.
var ErrReply = errors.New("not a reply of this protocol")

// ParseReply reads a reply, the frames after the envelope. It ignores frames that a
// newer server adds at the end.
func ParseReply(frames [][]byte) (Reply, error) {
	if len(frames) == 0 {
		return nil, ErrReply
	}
	if text, ok := bytes.CutPrefix(frames[0], []byte("ERROR ")); ok {
		return parseError(text), nil
	}
	args := frames[1:]
	switch string(frames[0]) {
	case APPENDED:
		return parseAppended(args)
	case EVENT:
		return parseEvent(args)
	case LIVE:
		return Live{}, nil
	case STREAM:
		return parseStreamReply(args)
	case END:
		return End{}, nil
	case DELETED:
		return Deleted{}, nil
	case STORE:
		return parseStoreReply(args)
	case ENTRY:
		return parseEntry(args)
	case PONG:
		return Pong{args}, nil
	case INFO:
		return parseInfo(args), nil
	}
	return parseIDReply(string(frames[0]), args)
}

// parseIDReply reads the replies that consist of a word and an id.
func parseIDReply(word string, args [][]byte) (Reply, error) {
	id, ok := parseIDFrame(args)
	if !ok {
		return nil, ErrReply
	}
	switch word {
	case PUBLISHED:
		return Published{id}, nil
	case REPLACED:
		return Replaced{id}, nil
	case COMMITTED:
		return Committed{id}, nil
	case CURSOR:
		return CursorReply{id}, nil
	case REACHED:
		return Reached{id}, nil
	}
	return nil, ErrReply
}

// parseAppended reads ids up to the first frame that is not an id.
func parseAppended(args [][]byte) (Reply, error) {
	var a Appended
	for _, f := range args {
		id, ok := ParseID(f)
		if !ok {
			break
		}
		a.IDs = append(a.IDs, id)
	}
	if len(a.IDs) == 0 {
		return nil, ErrReply
	}
	return a, nil
}

func parseStreamReply(args [][]byte) (Reply, error) {
	if len(args) < 2 {
		return nil, ErrReply
	}
	last, ok := ParseID(args[1])
	if !ok {
		return nil, ErrReply
	}
	return StreamReply{args[0], last}, nil
}

func parseInfo(args [][]byte) InfoReply {
	var r InfoReply
	for _, f := range args {
		name, value, _ := strings.Cut(string(f), "=")
		r.Facts = append(r.Facts, Param{name, value})
	}
	return r
}

func parseIDFrame(args [][]byte) (uint64, bool) {
	if len(args) == 0 {
		return 0, false
	}
	return ParseID(args[0])
}
