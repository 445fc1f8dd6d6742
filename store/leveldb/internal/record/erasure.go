package record

import (
	"encoding/binary"
	"fmt"

	"gorewind/store"
)

// An Erasure is the record of something erased that may still be in files.
type Erasure struct {
	Position    uint64 // of the operation that erased; the key
	Kind        byte   // OpReplace or OpDelete
	Number      uint64
	First, Last uint64 // ids; for OpReplace, Last is the page's last id
}

// Append encodes e without its position.
func (e *Erasure) Append(b []byte) []byte {
	b = binary.AppendUvarint(append(b, e.Kind), e.Number)
	return binary.AppendUvarint(binary.AppendUvarint(b, e.First), e.Last)
}

// ParseErasure reads an erasure record. A malformed one is an ErrDamaged.
func ParseErasure(key, value []byte) (e Erasure, err error) {
	d := decoder{b: value}
	e = Erasure{Kind: d.nextByte(), Number: d.uvarint(), First: d.uvarint(), Last: d.uvarint()}
	if !d.end() || len(key) != 9 {
		return e, fmt.Errorf("%w: malformed erasure record %x", store.ErrDamaged, key)
	}
	e.Position = KeyNumber(key)
	return e, nil
}

// Erasure returns the erasure of an operation, if it erases something.
func (o *Operation) Erasure() (e Erasure, erases bool) {
	switch o.Kind {
	case OpReplace:
		return Erasure{Kind: o.Kind, Number: o.Number, First: o.ID, Last: o.Page}, true
	case OpDelete:
		return Erasure{Kind: o.Kind, Number: o.Number, First: o.First, Last: o.ID}, true
	}
	return e, false
}

// Erasures calls f for each erasure of a stored commit, with the position of its
// record.
func (c *Commit) Erasures(f func(position uint64, e Erasure)) {
	position := c.First + c.Events() - 1
	for i := range c.Operations {
		position += c.Operations[i].Positions()
		if e, erases := c.Operations[i].Erasure(); erases {
			f(position, e)
		}
	}
}
