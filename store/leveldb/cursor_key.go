package leveldb

// parseCursorKey reads whose cursor it is, and in which stream.
func parseCursorKey(key []byte) (consumer []byte, number uint64, ok bool) {
	d := decoder{b: key[1:]}
	consumer = d.take(int(d.octet()))
	number, rest, ok := cutNumber(d.b)
	return consumer, number, ok && !d.short && len(rest) == 0 && len(consumer) > 0
}

// parseCursor reads where a cursor is. One that is nowhere is not stored.
func parseCursor(value []byte) (id uint64, ok bool) {
	d := decoder{b: value}
	id = d.uvarint()
	return id, d.end() && id > 0
}
