package leveldb

import "encoding/binary"

// sumOctets is how much is kept of the HMAC-SHA-256 of a request: two of 2^64
// requests under one key may be taken for the same.
const sumOctets = 16

// appendRemembered encodes what is kept of a request that had a key.
func appendRemembered(b, sum []byte, ids []uint64) []byte {
	b = append(b, sum...)
	b = binary.AppendUvarint(b, uint64(len(ids)))
	for _, id := range ids {
		b = binary.AppendUvarint(b, id)
	}
	return b
}

func (d *decoder) remembered() (sum []byte, ids []uint64) {
	sum = d.take(sumOctets)
	for n := d.uvarint(); n > 0 && !d.short; n-- {
		ids = append(ids, d.uvarint())
	}
	return sum, ids
}

// parseRemembered reads what is kept of a request that had a key.
func parseRemembered(value []byte) (sum []byte, ids []uint64, ok bool) {
	d := decoder{b: value}
	sum, ids = d.remembered()
	return sum, ids, d.end()
}
