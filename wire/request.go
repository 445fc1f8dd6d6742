// Package wire converts frames into the requests and replies of the Gorewind
// protocol, and back. It does not know sockets. protocol.md is the specification.
//
// Parsed values share the memory of their frames; frames share the memory of the
// formatted value.
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

// Cancel asks to end the oldest unfinished long-running request of its envelope.
type Cancel struct{}

// Frames implements Request.
func (Cancel) Frames() [][]byte { return [][]byte{[]byte(CANCEL)} }

// Info asks for facts about the server and its store.
type Info struct{}

// Frames implements Request.
func (Info) Frames() [][]byte { return [][]byte{[]byte(INFO)} }

// Ping asks for a Pong with the same frames.
type Ping struct{ Payload [][]byte }

// Frames implements Request.
func (p Ping) Frames() [][]byte {
	return append([][]byte{[]byte(PING)}, p.Payload...)
}

// ParseRequest reads a request, the frames after the envelope. Its errors are ready
// to be sent to the peer. It does not check the size of events.
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

// ParsePublish reads the frames after PUBLISH. It is separate from ParseRequest
// because this is the hot path, and an interface value costs an allocation.
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

// checkCount refuses a request with more or fewer frames than n.
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

// toASCII replaces everything in b except printable ASCII, because an ERROR is
// ASCII. It also replaces semicolons, which separate the parts of an ERROR.
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
