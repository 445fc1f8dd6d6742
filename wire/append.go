package wire

import (
	"slices"
	"strconv"
)

// Limits of an Append.
const (
	MaxKey          = 64
	MaxGroups       = 1_000
	MaxAppendEvents = 10_000
	MaxAppendBytes  = 8 << 20 // of data
)

// Append asks to append events to streams, all groups or none.
type Append struct {
	Key    []byte  // at most 64 bytes; may be empty
	Groups []Group // 1 to 1,000
}

// A Group is the events that an Append adds to a stream.
type Group struct {
	Stream   []byte   // 1 to 255 bytes
	Expected Bound    // id of the stream's last event; id zero: it holds none
	Events   [][]byte // at least one
}

// Frames implements Request.
func (a Append) Frames() [][]byte {
	n := 2
	for _, g := range a.Groups {
		n += 3 + len(g.Events)
	}
	frames := append(make([][]byte, 0, n), []byte(APPEND), a.Key)
	for _, g := range a.Groups {
		frames = append(frames, g.Stream, g.Expected.frame(), strconv.AppendInt(nil, int64(len(g.Events)), 10))
		frames = append(frames, g.Events...)
	}
	return frames
}

func parseAppend(args [][]byte) (Request, *Error) {
	if len(args) < 1 {
		return nil, tooFew(APPEND, "a key, then stream, expected, count and data for each group", len(args))
	}
	a := Append{Key: args[0]}
	if len(a.Key) > MaxKey {
		return nil, tooLong("key", len(a.Key), MaxKey)
	}
	rest := args[1:]
	for len(rest) > 0 {
		if len(rest[0]) == 0 {
			if len(rest) > 1 {
				return nil, badOption(APPEND, rest[1])
			}
			break
		}
		if len(a.Groups) == MaxGroups {
			return nil, tooMuch("groups", MaxGroups)
		}
		var g Group
		var err *Error
		if g, rest, err = parseGroup(rest); err != nil {
			return nil, err.With(Param{"group", strconv.Itoa(len(a.Groups))})
		}
		a.Groups = append(a.Groups, g)
	}
	if err := a.check(); err != nil {
		return nil, err
	}
	return a, nil
}

// parseGroup reads the first group of args, and returns what follows it.
func parseGroup(args [][]byte) (g Group, rest [][]byte, err *Error) {
	if len(args) < 3 {
		return g, nil, Errorf(Malformed, "send as many frames of data as count says, and stream, expected and count before them",
			"%d frames are left for the next group", len(args))
	}
	g.Stream = args[0]
	if err := checkStream(g.Stream); err != nil {
		return g, nil, err
	}
	if g.Expected, err = parseBound("expected", args[1]); err != nil {
		return g, nil, err
	}
	n, ok := parseDigits(args[2])
	args = args[3:]
	switch {
	case !ok || n == 0:
		return g, nil, Errorf(Malformed, "send how many frames of data follow, in decimal digits, 1 or more",
			"the frame count is not a number of 1 or more")
	case n > MaxAppendEvents:
		return g, nil, tooMuch("events", MaxAppendEvents)
	case n > uint64(len(args)):
		return g, nil, Errorf(Malformed, "send as many frames of data as count says",
			"%d frames of data are announced and %d follow", n, len(args))
	}
	g.Events = args[:n:n]
	return g, args[n:], nil
}

// check refuses what no single group shows.
func (a Append) check() *Error {
	if len(a.Groups) == 0 {
		return Errorf(Malformed, "send stream, expected, count and data after the key", "%s has no group", APPEND)
	}
	events, size := 0, 0
	for _, g := range a.Groups {
		events += len(g.Events)
		for _, e := range g.Events {
			size += len(e)
		}
	}
	switch {
	case events > MaxAppendEvents:
		return tooMuch("events", MaxAppendEvents)
	case size > MaxAppendBytes:
		return tooMuch("bytes of data", MaxAppendBytes)
	}
	return a.checkExpectations()
}

// checkExpectations refuses an expectation in a stream's second group. Expectations
// are about the state before the request, which the first group already states.
func (a Append) checkExpectations() *Error {
	expects := func(g Group) bool { return g.Expected.Given }
	if len(a.Groups) == 1 || !slices.ContainsFunc(a.Groups[1:], expects) {
		return nil
	}
	seen := make(map[string]bool, len(a.Groups))
	for i, g := range a.Groups {
		if g.Expected.Given && seen[string(g.Stream)] {
			return Errorf(Malformed, "leave expected empty in all groups of a stream but the first",
				"a stream's second group has an expectation").
				With(Param{"group", strconv.Itoa(i)})
		}
		seen[string(g.Stream)] = true
	}
	return nil
}

func tooMuch(of string, limit int) *Error {
	return Errorf(TooLarge, "send it in several requests", "%s has more than %d %s", APPEND, limit, of).
		With(Param{"limit", strconv.Itoa(limit)})
}
