package wire

import "encoding/binary"

// IDSize is the size of an id or a position on the wire, in bytes: an unsigned
// 64-bit integer, big-endian, so that ids sort bytewise.
const IDSize = 8

// ID returns the 8 bytes that name n on the wire.
func ID(n uint64) []byte {
	return binary.BigEndian.AppendUint64(nil, n)
}

// ParseID is the inverse of ID. It reports false unless b has 8 bytes.
func ParseID(b []byte) (n uint64, ok bool) {
	if len(b) != IDSize {
		return 0, false
	}
	return binary.BigEndian.Uint64(b), true
}
