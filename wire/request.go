// Package wire turns frames into the requests and replies of the Gorewind
// protocol and back. It knows nothing of sockets. protocol.md is the
// specification.
//
// What it parses shares the memory of the frames that it was given; what it
// formats shares the memory of its fields.
package wire

import "fmt"

// MaxStream is the longest name of a stream, in octets.
const MaxStream = 255

// The commands.
const (
	PUBLISH = "PUBLISH"
	QUERY   = "QUERY"
	INFO    = "INFO"
	PING    = "PING"
)

// A Request is one of Publish, Query, Info and Ping.
type Request interface {
	// Frames returns the request as frames, without an envelope.
	Frames() [][]byte
}

// Publish asks to append one event to a stream.
type Publish struct {
	Stream []byte // 1 to 255 octets
	Data   []byte // may be empty
}

// Frames implements Request.
func (p Publish) Frames() [][]byte {
	return [][]byte{[]byte(PUBLISH), p.Stream, p.Data}
}

// Query asks for the events of a stream with After < id <= UpTo.
type Query struct {
	Stream []byte // 1 to 255 octets
	After  Bound
	UpTo   Bound
}

// Frames implements Request.
func (q Query) Frames() [][]byte {
	return [][]byte{[]byte(QUERY), q.Stream, q.After.frame(), q.UpTo.frame()}
}

// A Bound is one end of a range of ids, or none.
type Bound struct {
	ID    uint64
	Given bool // false: an empty frame, no bound at this end
}

func (b Bound) frame() []byte {
	if !b.Given {
		return []byte{}
	}
	return ID(b.ID)
}

// Info asks what server and which store this is.
type Info struct{}

// Frames implements Request.
func (Info) Frames() [][]byte { return [][]byte{[]byte(INFO)} }

// Ping asks for a Pong with the same frames.
type Ping struct{ Payload [][]byte }

// Frames implements Request.
func (p Ping) Frames() [][]byte {
	return append([][]byte{[]byte(PING)}, p.Payload...)
}

// ParseRequest reads a request, the frames after the envelope. Any error is
// ready to be sent to the peer. It does not look at the size of events.
func ParseRequest(frames [][]byte) (Request, *Error) {
	if len(frames) == 0 {
		return nil, Errorf(Malformed, "send a command after the empty frame", "the request has no frames")
	}
	args := frames[1:]
	switch string(frames[0]) {
	case PUBLISH:
		p, err := ParsePublish(args)
		if err != nil {
			return nil, err
		}
		return p, nil
	case QUERY:
		q, err := parseQuery(args)
		if err != nil {
			return nil, err
		}
		return q, nil
	case INFO:
		if len(args) > 0 {
			return nil, badOption(INFO, args[0])
		}
		return Info{}, nil
	case PING:
		return Ping{args}, nil
	}
	if !isWord(frames[0]) {
		return nil, Errorf(Malformed, "put a command there, or an empty frame before it",
			"the first frame of the request is not a word of 3 to 12 capitals")
	}
	return nil, Errorf(UnknownCommand, "see INFO for the protocol that this server speaks",
		"there is no command %s", frames[0])
}

// ParsePublish reads what follows the word PUBLISH. It is apart from
// ParseRequest because it is the hot path, and an interface value costs an
// allocation.
func ParsePublish(args [][]byte) (Publish, *Error) {
	if len(args) < 2 {
		return Publish{}, tooFew(PUBLISH, "stream and data", len(args))
	}
	if len(args) > 2 {
		return Publish{}, badOption(PUBLISH, args[2])
	}
	if err := checkStream(args[0]); err != nil {
		return Publish{}, err
	}
	return Publish{args[0], args[1]}, nil
}

func parseQuery(args [][]byte) (q Query, err *Error) {
	if len(args) < 3 {
		return q, tooFew(QUERY, "stream, after and upto", len(args))
	}
	if len(args) > 3 {
		return q, badOption(QUERY, args[3])
	}
	if err = checkStream(args[0]); err != nil {
		return q, err
	}
	q.Stream = args[0]
	if q.After, err = parseBound("after", args[1]); err != nil {
		return q, err
	}
	q.UpTo, err = parseBound("upto", args[2])
	return q, err
}

func parseBound(name string, f []byte) (Bound, *Error) {
	if len(f) == 0 {
		return Bound{}, nil
	}
	id, ok := ParseID(f)
	if !ok {
		return Bound{}, Errorf(Malformed, "send 8 octets, or an empty frame for no bound",
			"the frame %s has %d octets", name, len(f))
	}
	return Bound{id, true}, nil
}

func checkStream(s []byte) *Error {
	switch {
	case len(s) == 0:
		return Errorf(Malformed, "send a name of 1 to 255 octets", "the frame stream is empty")
	case len(s) > MaxStream:
		return Errorf(TooLarge, "send a name of 1 to 255 octets", "the name of the stream has %d octets", len(s)).
			With(Param{"limit", fmt.Sprint(MaxStream)})
	}
	return nil
}

func tooFew(command, wants string, got int) *Error {
	return Errorf(Malformed, "send "+wants, "%s has %d frames after the command", command, got)
}

// badOption refuses a frame that stands where options stand.
func badOption(command string, option []byte) *Error {
	const shown = 64
	if len(option) > shown {
		option = option[:shown]
	}
	return Errorf(BadOption, "leave it out", "%s has no option %q", command, toASCII(option)).
		With(Hex("option", option))
}

// toASCII returns b with everything but printable ASCII replaced, since an
// ERROR is ASCII, and its semicolons too, which part its text.
func toASCII(b []byte) string {
	out := make([]byte, len(b))
	for i, c := range b {
		if c < ' ' || c > '~' || c == ';' {
			c = '?'
		}
		out[i] = c
	}
	return string(out)
}
