package leveldb

import (
	"encoding/binary"
	"fmt"

	"gorewind/store"
)

// An erasure is what a record says.
type erasure struct {
	position    uint64 // of the commit's operation, the key
	kind        byte   // opReplace or opDelete
	number      uint64
	first, last uint64 // ids; opReplace: last is that of the page
}

func (e *erasure) append(b []byte) []byte {
	b = binary.AppendUvarint(append(b, e.kind), e.number)
	return binary.AppendUvarint(binary.AppendUvarint(b, e.first), e.last)
}

func parseErasure(key, value []byte) (e erasure, err error) {
	d := decoder{b: value}
	e = erasure{kind: d.octet(), number: d.uvarint(), first: d.uvarint(), last: d.uvarint()}
	if !d.end() || len(key) != 9 {
		return e, fmt.Errorf("%w: record of an erasure %x", store.ErrDamaged, key)
	}
	e.position = keyNumber(key)
	return e, nil
}

// erasure returns what an operation erases, if it does.
func (o *operation) erasure() (e erasure, erases bool) {
	switch o.kind {
	case opReplace:
		return erasure{kind: o.kind, number: o.number, first: o.id, last: o.page}, true
	case opDelete:
		return erasure{kind: o.kind, number: o.number, first: o.first, last: o.id}, true
	}
	return e, false
}

// erasures calls f for what a commit that is on disk erased, with the position of
// the record of it.
func (c *commitRecord) erasures(f func(position uint64, e erasure)) {
	position := c.first + c.events() - 1
	for i := range c.operations {
		position += c.operations[i].positions()
		if e, erases := c.operations[i].erasure(); erases {
			f(position, e)
		}
	}
}
