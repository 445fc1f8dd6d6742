package leveldb

import (
	"encoding/binary"
	"fmt"

	"gorewind/store"
)

// A counter is what the store keeps of a stream.
type counter struct {
	number  uint64 // stands for the stream in keys; from 1
	last    uint64 // id of the last event
	deleted uint64 // events up to this id are gone
}

func (c counter) append(b []byte) []byte {
	b = binary.AppendUvarint(b, c.number)
	b = binary.AppendUvarint(b, c.last)
	return binary.AppendUvarint(b, c.deleted)
}

func parseCounter(b []byte) (c counter, err error) {
	d := decoder{b: b}
	c = counter{d.uvarint(), d.uvarint(), d.uvarint()}
	if !d.end() || c.number == 0 || c.deleted > c.last {
		return c, fmt.Errorf("%w: record of a stream: %x", store.ErrDamaged, b)
	}
	return c, nil
}

func (c counter) holds(id uint64) bool { return id > c.deleted && id <= c.last }
