package wire

import "math"

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

func parseBound(name string, f []byte) (Bound, *Error) {
	if len(f) == 0 {
		return Bound{}, nil
	}
	id, ok := ParseID(f)
	if !ok {
		return Bound{}, Errorf(Malformed, "send 8 bytes, or an empty frame for none",
			"the frame %s has %d bytes", name, len(f))
	}
	return Bound{id, true}, nil
}

// requireID reads an id that must be present.
func requireID(f []byte) (uint64, *Error) {
	id, ok := ParseID(f)
	if !ok {
		return 0, Errorf(Malformed, "send 8 bytes", "the frame id has %d bytes", len(f))
	}
	return id, nil
}

// parseDigits reads a number in decimal digits without a sign. It returns the
// largest int64 for larger numbers; that is beyond every limit.
func parseDigits(b []byte) (n uint64, ok bool) {
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		if d := uint64(c - '0'); n <= (math.MaxInt64-d)/10 {
			n = n*10 + d
		} else {
			n = math.MaxInt64
		}
	}
	return n, len(b) > 0
}
