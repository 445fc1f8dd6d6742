package record

import (
	"encoding/binary"
	"fmt"

	"gorewind/store"
)

// An Erasure is what a record says.
type Erasure struct {
	Position    uint64 // of the commit's operation, the key
	Kind        byte   // OpReplace or OpDelete
	Number      uint64
	First, Last uint64 // ids; OpReplace: last is that of the page
}

// Append encodes e, but for its position.
func (e *Erasure) Append(b []byte) []byte {
	b = binary.AppendUvarint(append(b, e.Kind), e.Number)
	return binary.AppendUvarint(binary.AppendUvarint(b, e.First), e.Last)
}

// ParseErasure reads the record of an erasure. What is none is an ErrDamaged.
func ParseErasure(key, value []byte) (e Erasure, err error) {
	d := decoder{b: value}
	e = Erasure{Kind: d.nextByte(), Number: d.uvarint(), First: d.uvarint(), Last: d.uvarint()}
	if !d.end() || len(key) != 9 {
		return e, fmt.Errorf("%w: record of an erasure %x", store.ErrDamaged, key)
	}
	e.Position = KeyNumber(key)
	return e, nil
}

// Erasure returns what an operation erases, if it does.
func (o *Operation) Erasure() (e Erasure, erases bool) {
	switch o.Kind {
	case OpReplace:
		return Erasure{Kind: o.Kind, Number: o.Number, First: o.ID, Last: o.Page}, true
	case OpDelete:
		return Erasure{Kind: o.Kind, Number: o.Number, First: o.First, Last: o.ID}, true
	}
	return e, false
}

// Erasures calls f for what a commit that is on disk erased, with the position of
// the record of it.
func (c *Commit) Erasures(f func(position uint64, e Erasure)) {
	position := c.First + c.Events() - 1
	for i := range c.Operations {
		position += c.Operations[i].Positions()
		if e, erases := c.Operations[i].Erasure(); erases {
			f(position, e)
		}
	}
}
