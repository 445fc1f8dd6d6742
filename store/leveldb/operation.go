package leveldb

import "encoding/binary"

// An operation is what a commit did besides appending events; see format.go.
type operation struct {
	kind   byte
	number uint64 // of the stream; of the first group's where kind is opKey
	id     uint64 // that was replaced, was deleted up to, or that a cursor is at
	first  uint64 // opDelete: the first id that was deleted
	page   uint64 // opReplace: the last id of the page that held the event
	name   []byte // opCursor: the consumer; opKey: the key
	sum    []byte // opKey
	ids    []uint64
	count  uint64 // opLost, opOmitted: positions
	patch  uint64 // opLost: makes the chain what it was
}

// Kinds of operations.
const (
	opReplace = 'r'
	opDelete  = 'd'
	opCursor  = 'c'
	opKey     = 'k'
	opLost    = 'l'
	opOmitted = 'o'
)

// positions returns how many positions an operation takes.
func (o *operation) positions() uint64 {
	switch o.kind {
	case opKey:
		return 0
	case opLost, opOmitted:
		return o.count
	}
	return 1
}

func (o *operation) append(b []byte) []byte {
	b = append(b, o.kind)
	switch o.kind {
	case opLost:
		return binary.BigEndian.AppendUint64(binary.AppendUvarint(b, o.count), o.patch)
	case opOmitted:
		return binary.AppendUvarint(b, o.count)
	}
	b = binary.AppendUvarint(b, o.number)
	switch o.kind {
	case opReplace:
		b = binary.AppendUvarint(b, o.id)
		b = binary.AppendUvarint(b, o.page)
	case opDelete:
		b = binary.AppendUvarint(b, o.first)
		b = binary.AppendUvarint(b, o.id)
	case opCursor:
		b = binary.AppendUvarint(b, o.id)
		b = binary.AppendUvarint(b, uint64(len(o.name)))
		b = append(b, o.name...)
	case opKey:
		b = binary.AppendUvarint(b, uint64(len(o.name)))
		b = append(b, o.name...)
		b = appendRemembered(b, o.sum, o.ids)
	}
	return b
}

// operation reads one; what it has of octets shares the decoder's.
func (d *decoder) operation() (o operation) {
	o.kind = d.octet()
	switch o.kind {
	case opLost:
		o.count, o.patch = d.uvarint(), d.uint64()
		return o
	case opOmitted:
		o.count = d.uvarint()
		return o
	}
	o.number = d.uvarint()
	switch o.kind {
	case opReplace:
		o.id, o.page = d.uvarint(), d.uvarint()
	case opDelete:
		o.first, o.id = d.uvarint(), d.uvarint()
	case opCursor:
		o.id = d.uvarint()
		o.name = d.bytes()
	case opKey:
		o.name = d.bytes()
		o.sum, o.ids = d.remembered()
	default:
		d.short = true
	}
	return o
}
