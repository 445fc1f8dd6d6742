package record

import (
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"slices"

	"gorewind/store"
)

// A Run is some consecutive events of one stream in a commit.
type Run struct{ Number, First, Count uint64 }

// A Commit is the record of a commit.
type Commit struct {
	Last       uint64 // last position, the key
	Time       int64  // µs since 1970
	First      uint64 // first position
	NextNumber uint64 // the number that the next new stream gets
	Bytes      uint64 // of the events' data
	Runs       []Run
	Operations []Operation
	Chain      uint64 // proves this record and all before it
}

// Events returns the number of events that the commit appended.
func (c *Commit) Events() (n uint64) {
	for _, r := range c.Runs {
		n += r.Count
	}
	return n
}

// Lost reports whether c stands for lost commits.
func (c *Commit) Lost() bool {
	return len(c.Operations) > 0 && c.Operations[0].Kind == OpLost && c.Operations[0].Count > 0
}

// Append encodes c after computing its chain from the chain before it.
func (c *Commit) Append(b []byte, before uint64) []byte {
	start := len(b)
	b = append(b, 0)
	b = binary.BigEndian.AppendUint64(b, uint64(c.Time))
	b = binary.BigEndian.AppendUint64(b, c.First)
	b = binary.AppendUvarint(b, c.NextNumber)
	b = binary.AppendUvarint(b, c.Bytes)
	b = binary.AppendUvarint(b, uint64(len(c.Runs)))
	for _, r := range c.Runs {
		b = binary.AppendUvarint(b, r.Number)
		b = binary.AppendUvarint(b, r.First)
		b = binary.AppendUvarint(b, r.Count)
	}
	b = binary.AppendUvarint(b, uint64(len(c.Operations)))
	for i := range c.Operations {
		b = c.Operations[i].appendTo(b)
	}
	c.Chain = Chain(before, c.Last, b[start:])
	return binary.BigEndian.AppendUint64(b, c.Chain)
}

// Chain returns the chain of a commit, given the chain before it, its last
// position, and its encoding without the chain.
func Chain(before, last uint64, value []byte) uint64 {
	sum := crc64.Update(0, ecma, binary.BigEndian.AppendUint64(nil, before))
	sum = crc64.Update(sum, ecma, CommitKey(last))
	return crc64.Update(sum, ecma, value)
}

// Parse reads a commit into c, reusing its memory. It does not verify the chain;
// Follows does. A malformed commit is an ErrDamaged.
func (c *Commit) Parse(key, value []byte) error {
	damaged := fmt.Errorf("%w: malformed commit record %x", store.ErrDamaged, key)
	if len(key) != 9 || len(value) < 8 {
		return damaged
	}
	d := decoder{b: value[:len(value)-8]}
	if d.nextByte() != 0 {
		return damaged
	}
	c.Last = KeyNumber(key)
	c.Time = int64(d.fixed64())
	c.First = d.fixed64()
	c.NextNumber = d.uvarint()
	c.Bytes = d.uvarint()
	c.Runs, c.Operations = c.Runs[:0], c.Operations[:0]
	for n := d.uvarint(); n > 0 && !d.short; n-- {
		c.Runs = append(c.Runs, Run{d.uvarint(), d.uvarint(), d.uvarint()})
	}
	for n := d.uvarint(); n > 0 && !d.short; n-- {
		c.Operations = append(c.Operations, d.operation())
	}
	if !d.end() {
		return damaged
	}
	c.Chain = binary.BigEndian.Uint64(value[len(value)-8:])
	return nil
}

// Follows verifies that value is the record after a commit whose chain is before.
func (c *Commit) Follows(before uint64, value []byte) bool {
	return Chain(before, c.Last, value[:len(value)-8]) == c.Chain
}

// A Tip is the end of the log.
type Tip struct {
	Position   uint64 // of the last commit
	Time       int64  // its time, µs since 1970
	Chain      uint64
	NextNumber uint64 // the number that the next new stream gets
}

// Tip returns the end of a log whose last commit is c.
func (c *Commit) Tip() Tip { return Tip{c.Last, c.Time, c.Chain, c.NextNumber} }

// MaxPositions is the most positions that a commit may take, not counting omitted
// ones. No commit needs as many.
const MaxPositions = 1 << 20

// Possible reports whether a commit takes as many positions as it says, and no more
// than MaxPositions.
func (c *Commit) Possible() bool {
	var taken, omitted uint64
	for _, r := range c.Runs {
		taken += min(r.Count, MaxPositions+1)
	}
	for i := range c.Operations {
		o := &c.Operations[i]
		if taken += o.Positions(); o.Kind == OpOmitted {
			omitted += o.Count
		}
	}
	return c.Last-c.First+1 == taken && taken-omitted <= MaxPositions
}

// Clone returns a copy that shares no memory with the source of c.
func (c *Commit) Clone() Commit {
	k := *c
	k.Runs = slices.Clone(c.Runs)
	k.Operations = slices.Clone(c.Operations)
	for i := range k.Operations {
		o := &k.Operations[i]
		o.Name, o.Sum = slices.Clone(o.Name), slices.Clone(o.Sum)
	}
	return k
}
