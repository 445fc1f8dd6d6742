package record

import "encoding/binary"

// An Operation is something that a commit did besides appending events; see
// format.go.
type Operation struct {
	Kind   byte
	Number uint64 // of the stream; for OpKey, of the first group's
	ID     uint64 // the replaced event, the last deleted event, or where the cursor is
	First  uint64 // OpDelete: the first deleted id
	Page   uint64 // OpReplace: the last id of the page that held the event
	Name   []byte // OpCursor: the consumer; OpKey: the key
	Sum    []byte // OpKey
	IDs    []uint64
	Count  uint64 // OpLost, OpOmitted: positions
	Patch  uint64 // OpLost: makes the following chain come out as it was
}

// Kinds of operations.
const (
	OpReplace = 'r'
	OpDelete  = 'd'
	OpCursor  = 'c'
	OpKey     = 'k'
	OpLost    = 'l'
	OpOmitted = 'o'
)

// Positions returns how many positions an operation takes.
func (o *Operation) Positions() uint64 {
	switch o.Kind {
	case OpKey:
		return 0
	case OpLost, OpOmitted:
		return o.Count
	}
	return 1
}

func (o *Operation) appendTo(b []byte) []byte {
	b = append(b, o.Kind)
	switch o.Kind {
	case OpLost:
		return binary.BigEndian.AppendUint64(binary.AppendUvarint(b, o.Count), o.Patch)
	case OpOmitted:
		return binary.AppendUvarint(b, o.Count)
	}
	b = binary.AppendUvarint(b, o.Number)
	switch o.Kind {
	case OpReplace:
		b = binary.AppendUvarint(b, o.ID)
		b = binary.AppendUvarint(b, o.Page)
	case OpDelete:
		b = binary.AppendUvarint(b, o.First)
		b = binary.AppendUvarint(b, o.ID)
	case OpCursor:
		b = binary.AppendUvarint(b, o.ID)
		b = binary.AppendUvarint(b, uint64(len(o.Name)))
		b = append(b, o.Name...)
	case OpKey:
		b = binary.AppendUvarint(b, uint64(len(o.Name)))
		b = append(b, o.Name...)
		b = AppendRequest(b, o.Sum, o.IDs)
	}
	return b
}

// operation reads an operation; its byte slices share the decoder's memory.
func (d *decoder) operation() (o Operation) {
	o.Kind = d.nextByte()
	switch o.Kind {
	case OpLost:
		o.Count, o.Patch = d.uvarint(), d.fixed64()
		return o
	case OpOmitted:
		o.Count = d.uvarint()
		return o
	}
	o.Number = d.uvarint()
	switch o.Kind {
	case OpReplace:
		o.ID, o.Page = d.uvarint(), d.uvarint()
	case OpDelete:
		o.First, o.ID = d.uvarint(), d.uvarint()
	case OpCursor:
		o.ID = d.uvarint()
		o.Name = d.bytes()
	case OpKey:
		o.Name = d.bytes()
		o.Sum, o.IDs = d.request()
	default:
		d.short = true
	}
	return o
}
