package record

import (
	"encoding/binary"
	"fmt"

	"gorewind/store"
)

// A Counter is the record of a stream.
type Counter struct {
	Number  uint64 // stands for the stream in keys; from 1
	Last    uint64 // id of the last event
	Deleted uint64 // events up to this id are gone
}

// Append encodes c.
func (c Counter) Append(b []byte) []byte {
	b = binary.AppendUvarint(b, c.Number)
	b = binary.AppendUvarint(b, c.Last)
	return binary.AppendUvarint(b, c.Deleted)
}

// ParseCounter reads a counter. An impossible one is an ErrDamaged.
func ParseCounter(b []byte) (c Counter, err error) {
	d := decoder{b: b}
	c = Counter{d.uvarint(), d.uvarint(), d.uvarint()}
	if !d.end() || c.Number == 0 || c.Deleted > c.Last {
		return c, fmt.Errorf("%w: malformed stream record: %x", store.ErrDamaged, b)
	}
	return c, nil
}

// Holds reports whether the stream has an event of this id.
func (c Counter) Holds(id uint64) bool { return id > c.Deleted && id <= c.Last }
