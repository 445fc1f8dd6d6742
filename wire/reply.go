package wire

import (
	"bytes"
	"errors"
	"strings"
)

// The words that begin replies, besides ERROR.
const (
	PUBLISHED = "PUBLISHED"
	EVENT     = "EVENT"
	END       = "END"
	PONG      = "PONG"
)

// A Reply is one of Published, Event, End, Pong, InfoReply and *Error.
type Reply interface {
	// Frames returns the reply as frames, without an envelope.
	Frames() [][]byte
}

// Published answers a Publish: the event is on disk under this id.
type Published struct{ ID uint64 }

// Frames implements Reply.
func (p Published) Frames() [][]byte { return [][]byte{[]byte(PUBLISHED), ID(p.ID)} }

// Event is one event of the answer to a Query.
type Event struct {
	ID   uint64
	Data []byte
}

// Frames implements Reply.
func (e Event) Frames() [][]byte { return [][]byte{[]byte(EVENT), ID(e.ID), e.Data} }

// End says that the answer to a Query is complete.
type End struct{}

// Frames implements Reply.
func (End) Frames() [][]byte { return [][]byte{[]byte(END)} }

// Pong answers a Ping with its frames.
type Pong struct{ Payload [][]byte }

// Frames implements Reply.
func (p Pong) Frames() [][]byte { return append([][]byte{[]byte(PONG)}, p.Payload...) }

// InfoReply answers an Info: facts about the server, in its order.
type InfoReply struct{ Facts []Param }

// Frames implements Reply.
func (r InfoReply) Frames() [][]byte {
	frames := [][]byte{[]byte(INFO)}
	for _, f := range r.Facts {
		frames = append(frames, []byte(f.Name+"="+f.Value))
	}
	return frames
}

// A Broadcast is what PUB sends for an event.
type Broadcast struct {
	Stream []byte
	ID     uint64
	Data   []byte
}

// Frames returns the message. The stream comes first, so that subscriptions
// filter by its prefix.
func (b Broadcast) Frames() [][]byte { return [][]byte{b.Stream, ID(b.ID), b.Data} }

// ErrReply is returned for frames that are no reply known to this version.
var ErrReply = errors.New("not a reply of this protocol")

// ParseReply reads a reply, the frames after the envelope. Frames that a newer
// server adds at the end are ignored.
func ParseReply(frames [][]byte) (Reply, error) {
	if len(frames) == 0 {
		return nil, ErrReply
	}
	if text, ok := bytes.CutPrefix(frames[0], []byte("ERROR ")); ok {
		return parseError(text), nil
	}
	args := frames[1:]
	switch string(frames[0]) {
	case PUBLISHED:
		if id, ok := parseIDFrame(args); ok {
			return Published{id}, nil
		}
	case EVENT:
		if id, ok := parseIDFrame(args); ok && len(args) > 1 {
			return Event{id, args[1]}, nil
		}
	case END:
		return End{}, nil
	case PONG:
		return Pong{args}, nil
	case INFO:
		var r InfoReply
		for _, f := range args {
			name, value, _ := strings.Cut(string(f), "=")
			r.Facts = append(r.Facts, Param{name, value})
		}
		return r, nil
	}
	return nil, ErrReply
}

// ParseBroadcast reads a message of PUB. It reports false for one that is
// reserved (its first frame is empty) or not understood.
func ParseBroadcast(frames [][]byte) (b Broadcast, ok bool) {
	if len(frames) < 3 || len(frames[0]) == 0 {
		return b, false
	}
	id, ok := ParseID(frames[1])
	return Broadcast{frames[0], id, frames[2]}, ok
}

func parseIDFrame(args [][]byte) (uint64, bool) {
	if len(args) == 0 {
		return 0, false
	}
	return ParseID(args[0])
}
