package leveldb

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"slices"

	"gorewind/store"
)

// A run is some neighbouring events of one stream in a commit.
type run struct{ number, first, count uint64 }

// A commitRecord is what the store keeps of a commit.
type commitRecord struct {
	last       uint64 // last position, the key
	time       int64  // µs since 1970
	first      uint64 // first position
	nextNumber uint64 // of the stream that is made next
	octets     uint64 // of the events' data
	runs       []run
	operations []operation
	chain      uint64 // proves the record and all before it
}

// events returns how many events the commit has.
func (c *commitRecord) events() (n uint64) {
	for _, r := range c.runs {
		n += r.count
	}
	return n
}

// lost reports whether c stands for lost commits.
func (c *commitRecord) lost() bool {
	return len(c.operations) > 0 && c.operations[0].kind == opLost && c.operations[0].count > 0
}

// append encodes c after setting its chain from the one before it.
func (c *commitRecord) append(b []byte, before uint64) []byte {
	start := len(b)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(c.time))
	b = binary.BigEndian.AppendUint64(b, c.first)
	b = binary.AppendUvarint(b, c.nextNumber)
	b = binary.AppendUvarint(b, c.octets)
	b = binary.AppendUvarint(b, uint64(len(c.runs)))
	for _, r := range c.runs {
		b = binary.AppendUvarint(b, r.number)
		b = binary.AppendUvarint(b, r.first)
		b = binary.AppendUvarint(b, r.count)
	}
	b = binary.AppendUvarint(b, uint64(len(c.operations)))
	for i := range c.operations {
		b = c.operations[i].append(b)
	}
	c.chain = chain(before, c.last, b[start:])
	return binary.BigEndian.AppendUint64(b, c.chain)
}

func chain(before, last uint64, value []byte) uint64 {
	sum := crc64.Update(0, ecma, binary.BigEndian.AppendUint64(nil, before))
	sum = crc64.Update(sum, ecma, commitKey(last))
	return crc64.Update(sum, ecma, value)
}

// parse reads a commit into c, whose memory it uses again. It does not verify the
// chain: follows does.
func (c *commitRecord) parse(key, value []byte) error {
	damaged := fmt.Errorf("%w: record of the commit %x", store.ErrDamaged, key)
	if len(key) != 9 || len(value) < 8 {
		return damaged
	}
	d := decoder{b: value[:len(value)-8]}
	if d.octet() != 0 {
		return damaged
	}
	c.last = keyNumber(key)
	c.time = int64(d.uint64())
	c.first = d.uint64()
	c.nextNumber = d.uvarint()
	c.octets = d.uvarint()
	c.runs, c.operations = c.runs[:0], c.operations[:0]
	for n := d.uvarint(); n > 0 && !d.short; n-- {
		c.runs = append(c.runs, run{d.uvarint(), d.uvarint(), d.uvarint()})
	}
	for n := d.uvarint(); n > 0 && !d.short; n-- {
		c.operations = append(c.operations, d.operation())
	}
	if !d.end() {
		return damaged
	}
	c.chain = binary.BigEndian.Uint64(value[len(value)-8:])
	return nil
}

// follows verifies that value is the record that came after one whose chain
// was before.
func (c *commitRecord) follows(before uint64, value []byte) bool {
	return chain(before, c.last, value[:len(value)-8]) == c.chain
}

// A tip is the end of the log.
type tip struct {
	position   uint64
	time       int64
	chain      uint64
	nextNumber uint64
}

func (c *commitRecord) tip() tip { return tip{c.last, c.time, c.chain, c.nextNumber} }

// mostPositions is how many positions a commit may take besides those that it omits; it
// never needs so many.
const mostPositions = 1 << 20

// possible reports whether a commit takes the positions that it says, and not more than
// any can.
func (c *commitRecord) possible() bool {
	var taken, omitted uint64
	for _, r := range c.runs {
		taken += min(r.count, mostPositions+1)
	}
	for i := range c.operations {
		o := &c.operations[i]
		if taken += o.positions(); o.kind == opOmitted {
			omitted += o.count
		}
	}
	return c.last-c.first+1 == taken && taken-omitted <= mostPositions
}

// clone returns a copy that shares no memory with what c was read from.
func (c *commitRecord) clone() commitRecord {
	k := *c
	k.runs = slices.Clone(c.runs)
	k.operations = slices.Clone(c.operations)
	for i := range k.operations {
		o := &k.operations[i]
		o.name, o.sum = slices.Clone(o.name), slices.Clone(o.sum)
	}
	return k
}
