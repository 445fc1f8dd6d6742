// Package wire turns frames into the requests and replies of the Gorewind
// protocol and back. It knows nothing of sockets. protocol.md is the
// specification.
//
// What it parses shares the memory of the frames that it was given; what it
// formats shares the memory of its fields.
package wire

import (
	"fmt"
	"strconv"
)

// MaxStream is the longest name of a stream, in bytes.
const MaxStream = 255

// The commands.
const (
	PUBLISH = "PUBLISH"
	APPEND  = "APPEND"
	QUERY   = "QUERY"
	STREAMS = "STREAMS"
	CANCEL  = "CANCEL"
	REPLACE = "REPLACE"
	DELETE  = "DELETE"
	COMMIT  = "COMMIT"
	CURSOR  = "CURSOR"
	WAIT    = "WAIT"
	LOG     = "LOG"
	INFO    = "INFO"
	PING    = "PING"
)

// A Request is one of Publish, Append, Query, Streams, Cancel, Replace, Delete,
// Commit, Cursor, Wait, Log, Info and Ping.
type Request interface {
	// Frames returns the request as frames, without an envelope.
	Frames() [][]byte
}

// Publish asks to append one event to a stream.
type Publish struct {
	Stream []byte // 1 to 255 bytes
	Data   []byte // may be empty
}

// Frames implements Request.
func (p Publish) Frames() [][]byte {
	return [][]byte{[]byte(PUBLISH), p.Stream, p.Data}
}

// Cancel asks to end the oldest unfinished request of its envelope that may last.
type Cancel struct{}

// Frames implements Request.
func (Cancel) Frames() [][]byte { return [][]byte{[]byte(CANCEL)} }

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
	case APPEND:
		return parseAppend(args)
	case QUERY:
		return parseQuery(args)
	case STREAMS:
		return parseStreams(args)
	case CANCEL:
		return Cancel{}, checkCount(CANCEL, "nothing after it", args, 0)
	case REPLACE:
		return parseReplace(args)
	case DELETE:
		return parseDelete(args)
	case COMMIT:
		return parseCommit(args)
	case CURSOR:
		return parseCursor(args)
	case WAIT:
		return parseWait(args)
	case LOG:
		return parseLog(args)
	case INFO:
		return Info{}, checkCount(INFO, "nothing after it", args, 0)
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

func checkStream(s []byte) *Error {
	switch {
	case len(s) == 0:
		return Errorf(Malformed, "send a name of 1 to 255 bytes", "the frame stream is empty")
	case len(s) > MaxStream:
		return tooLong("stream", len(s), MaxStream)
	}
	return nil
}

func tooLong(name string, size, limit int) *Error {
	return Errorf(TooLarge, fmt.Sprintf("send at most %d bytes", limit), "the frame %s has %d bytes", name, size).
		With(Param{"limit", strconv.Itoa(limit)})
}

// checkCount refuses a request that has not exactly as many frames as it wants.
func checkCount(command, wants string, args [][]byte, n int) *Error {
	switch {
	case len(args) < n:
		return tooFew(command, wants, len(args))
	case len(args) > n:
		return badOption(command, args[n])
	}
	return nil
}

func tooFew(command, wants string, got int) *Error {
	return Errorf(Malformed, "send "+wants, "%s has %d frames after the command", command, got)
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
