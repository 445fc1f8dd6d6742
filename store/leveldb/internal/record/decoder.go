package record

import "encoding/binary"

// A decoder reads numbers from a slice; short stays set once the slice was too
// short.
type decoder struct {
	b     []byte
	short bool
}

func (d *decoder) end() bool { return !d.short && len(d.b) == 0 }

func (d *decoder) take(n int) []byte {
	if d.short || n > len(d.b) {
		d.short = true
		return make([]byte, n)
	}
	head := d.b[:n:n]
	d.b = d.b[n:]
	return head
}

// bytes returns a length-prefixed slice.
func (d *decoder) bytes() []byte {
	n := d.uvarint()
	return d.take(int(min(n, uint64(len(d.b)+1))))
}

func (d *decoder) nextByte() byte { return d.take(1)[0] }

func (d *decoder) fixed64() uint64 { return binary.BigEndian.Uint64(d.take(8)) }

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	if n <= 0 {
		d.short = true
		return 0
	}
	d.take(n)
	return v
}
