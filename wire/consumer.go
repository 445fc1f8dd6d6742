package wire

import (
	"strconv"
	"time"
)

// MaxConsumer is the longest name of a consumer, in bytes.
const MaxConsumer = 255

// MaxWait is how long a Wait may last.
const MaxWait = 24 * time.Hour

// Commit asks to move a consumer's cursor.
type Commit struct {
	Consumer []byte // 1 to 255 bytes
	Stream   []byte // empty: the whole store
	ID       uint64
	Rewind   bool
}

// Frames implements Request.
func (c Commit) Frames() [][]byte {
	frames := [][]byte{[]byte(COMMIT), c.Consumer, c.Stream, ID(c.ID)}
	if c.Rewind {
		frames = append(frames, []byte(optRewind))
	}
	return frames
}

var commitOptions = map[string]string{optRewind: optRewind}

func parseCommit(args [][]byte) (Request, *Error) {
	if len(args) < 3 {
		return nil, tooFew(COMMIT, "consumer, stream and id", len(args))
	}
	c := Commit{Consumer: args[0], Stream: args[1]}
	set := func(string, []byte) bool {
		c.Rewind = true
		return true
	}
	if err := parseOptions(COMMIT, commitOptions, args[3:], set); err != nil {
		return nil, err
	}
	if err := checkCursor(c.Consumer, c.Stream); err != nil {
		return nil, err
	}
	var err *Error
	if c.ID, err = requireID(args[2]); err != nil {
		return nil, err
	}
	return c, nil
}

// Cursor asks where a consumer's cursor is.
type Cursor struct {
	Consumer []byte // 1 to 255 bytes
	Stream   []byte // empty: the whole store
}

// Frames implements Request.
func (c Cursor) Frames() [][]byte {
	return [][]byte{[]byte(CURSOR), c.Consumer, c.Stream}
}

func parseCursor(args [][]byte) (Request, *Error) {
	if err := checkCount(CURSOR, "consumer and stream", args, 2); err != nil {
		return nil, err
	}
	if err := checkCursor(args[0], args[1]); err != nil {
		return nil, err
	}
	return Cursor{args[0], args[1]}, nil
}

// Wait asks for an answer once a consumer has committed an id or a later one.
type Wait struct {
	Consumer []byte // 1 to 255 bytes
	Stream   []byte // empty: the whole store
	ID       uint64
	Timeout  time.Duration // whole milliseconds, at most MaxWait
}

// Frames implements Request.
func (w Wait) Frames() [][]byte {
	return [][]byte{[]byte(WAIT), w.Consumer, w.Stream, ID(w.ID), strconv.AppendInt(nil, w.Timeout.Milliseconds(), 10)}
}

func parseWait(args [][]byte) (Request, *Error) {
	if err := checkCount(WAIT, "consumer, stream, id and milliseconds", args, 4); err != nil {
		return nil, err
	}
	if err := checkCursor(args[0], args[1]); err != nil {
		return nil, err
	}
	id, err := requireID(args[2])
	if err != nil {
		return nil, err
	}
	ms, ok := parseDigits(args[3])
	if !ok {
		return nil, Errorf(Malformed, "send decimal digits", "the frame milliseconds is not a number")
	}
	if most := uint64(MaxWait.Milliseconds()); ms > most {
		return nil, Errorf(TooLarge, "wait for less, then wait again", "%s lasts at most %d milliseconds", WAIT, most).
			With(Param{"limit", strconv.FormatUint(most, 10)})
	}
	return Wait{args[0], args[1], id, time.Duration(ms) * time.Millisecond}, nil
}

// checkCursor refuses names that no cursor can have.
func checkCursor(consumer, stream []byte) *Error {
	switch {
	case len(consumer) == 0:
		return Errorf(Malformed, "send a name of 1 to 255 bytes", "the frame consumer is empty")
	case len(consumer) > MaxConsumer:
		return tooLong("consumer", len(consumer), MaxConsumer)
	case len(stream) > MaxStream:
		return tooLong("stream", len(stream), MaxStream)
	}
	return nil
}
