package wire

// Streams asks for the names of streams, in byte order.
type Streams struct {
	Prefix []byte // at most 255 bytes
	After  []byte // at most 255 bytes, exclusive; empty: from the first
	Limit  uint64 // streams; 0 is no limit
}

// Frames implements Request.
func (s Streams) Frames() [][]byte {
	frames := [][]byte{[]byte(STREAMS), s.Prefix, s.After}
	if s.Limit > 0 {
		frames = append(frames, optionFrame(optLimit, formatLimit(s.Limit)))
	}
	return frames
}

var streamsOptions = map[string]string{optLimit: limitForm}

func parseStreams(args [][]byte) (Request, *Error) {
	if len(args) < 2 {
		return nil, tooFew(STREAMS, "prefix and after", len(args))
	}
	s := Streams{Prefix: args[0], After: args[1]}
	set := func(_ string, value []byte) (ok bool) {
		s.Limit, ok = parseLimit(value)
		return ok
	}
	if err := parseOptions(STREAMS, streamsOptions, args[2:], set); err != nil {
		return nil, err
	}
	if len(s.Prefix) > MaxStream {
		return nil, tooLong("prefix", len(s.Prefix), MaxStream)
	}
	if len(s.After) > MaxStream {
		return nil, tooLong("after", len(s.After), MaxStream)
	}
	return s, nil
}
