package record

// ParseCursorKey reads the consumer and the stream number of a cursor; number 0 is
// the whole store.
func ParseCursorKey(key []byte) (consumer []byte, number uint64, ok bool) {
	d := decoder{b: key[1:]}
	consumer = d.take(int(d.nextByte()))
	number, rest, ok := CutNumber(d.b)
	return consumer, number, ok && !d.short && len(rest) == 0 && len(consumer) > 0
}

// ParseCursor reads the position of a cursor. A cursor at 0 is not stored.
func ParseCursor(value []byte) (id uint64, ok bool) {
	d := decoder{b: value}
	id = d.uvarint()
	return id, d.end() && id > 0
}
