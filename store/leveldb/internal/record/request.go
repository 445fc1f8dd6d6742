package record

import "encoding/binary"

// SumSize is how many bytes of a request's HMAC-SHA-256 are stored: two of 2^64
// different requests under one key may be taken for the same.
const SumSize = 16

// AppendRequest encodes the record of a request with a key.
func AppendRequest(b, sum []byte, ids []uint64) []byte {
	b = append(b, sum...)
	b = binary.AppendUvarint(b, uint64(len(ids)))
	for _, id := range ids {
		b = binary.AppendUvarint(b, id)
	}
	return b
}

func (d *decoder) request() (sum []byte, ids []uint64) {
	sum = d.take(SumSize)
	for n := d.uvarint(); n > 0 && !d.short; n-- {
		ids = append(ids, d.uvarint())
	}
	return sum, ids
}

// ParseRequest reads the record of a request with a key: the sum, which shares
// value's memory, and the last id of each group.
func ParseRequest(value []byte) (sum []byte, ids []uint64, ok bool) {
	d := decoder{b: value}
	sum, ids = d.request()
	return sum, ids, d.end()
}
