package leveldb

import (
	"bytes"
	"hash/maphash"
	"unsafe"

	"gorewind/store/leveldb/internal/record"
)

// counters maps streams to their counters without using pointers. A million streams
// with names of 30 bytes take 90 MB: half of what a Go map takes, with nothing for
// the garbage collector to follow.
type counters struct {
	slots   []uint32 // hash to index in entries, plus 1; 0 is empty; the length is a power of two
	entries []counterEntry
	names   []byte
}

type counterEntry struct {
	record.Counter
	commit uint64 // serial number of the last commit that touched it
	staged uint32 // index in that commit's list of streams
	hash   uint32
	name   uint32 // offset in names
	size   uint8  // length of the name
}

var counterSeed = maphash.MakeSeed()

func hashStream(name []byte) uint32 { return uint32(maphash.Bytes(counterSeed, name)) }

// find returns the index of a stream in entries, or -1.
func (c *counters) find(name []byte, hash uint32) int {
	if len(c.slots) == 0 {
		return -1
	}
	mask := uint32(len(c.slots) - 1)
	for at := hash & mask; c.slots[at] != 0; at = (at + 1) & mask {
		i := int(c.slots[at]) - 1
		e := &c.entries[i]
		if e.hash == hash && bytes.Equal(c.names[e.name:e.name+uint32(e.size)], name) {
			return i
		}
	}
	return -1
}

// insert adds a stream that is not in the map, and returns its index in entries.
func (c *counters) insert(name []byte, hash uint32, k record.Counter) int {
	if len(c.entries) >= len(c.slots)/4*3 {
		c.grow()
	}
	c.entries = append(c.entries, counterEntry{Counter: k, hash: hash, name: uint32(len(c.names)), size: uint8(len(name))})
	c.names = append(c.names, name...)
	c.put(hash, uint32(len(c.entries)))
	return len(c.entries) - 1
}

func (c *counters) put(hash, entry uint32) {
	mask := uint32(len(c.slots) - 1)
	at := hash & mask
	for c.slots[at] != 0 {
		at = (at + 1) & mask
	}
	c.slots[at] = entry
}

// size returns the memory that the map takes, in bytes.
func (c *counters) size() int {
	return cap(c.entries)*int(unsafe.Sizeof(counterEntry{})) + cap(c.names) + 4*len(c.slots)
}

func (c *counters) grow() {
	c.slots = make([]uint32, max(64, 2*len(c.slots)))
	for i := range c.entries {
		c.put(c.entries[i].hash, uint32(i+1))
	}
}
