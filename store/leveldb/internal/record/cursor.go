package record

// ParseCursorKey reads whose cursor it is, and in which stream; 0 is the whole store.
func ParseCursorKey(key []byte) (consumer []byte, number uint64, ok bool) {
	d := decoder{b: key[1:]}
	consumer = d.take(int(d.nextByte()))
	number, rest, ok := CutNumber(d.b)
	return consumer, number, ok && !d.short && len(rest) == 0 && len(consumer) > 0
}

// ParseCursor reads where a cursor is. One that is nowhere is not stored.
func ParseCursor(value []byte) (id uint64, ok bool) {
	d := decoder{b: value}
	id = d.uvarint()
	return id, d.end() && id > 0
}
