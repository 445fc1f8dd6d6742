package leveldb

import (
	"github.com/syndtr/goleveldb/leveldb/filter"
)

// A counterFilter is a Bloom filter of the streams' counters only: these are
// looked up one by one, mostly those of new streams; events and commits are
// read in order, which no filter helps.
type counterFilter struct{ filter.Filter }

func newCounterFilter() counterFilter {
	const bits = 10 // a key; one in a hundred look-ups of what is not there reads a block
	return counterFilter{filter.NewBloomFilter(bits)}
}

func (f counterFilter) Name() string { return "gorewind.counters." + f.Filter.Name() }

func (f counterFilter) NewGenerator() filter.FilterGenerator {
	return counterGenerator{f.Filter.NewGenerator()}
}

func (f counterFilter) Contains(b, key []byte) bool {
	return len(key) == 0 || key[0] != kindStream || f.Filter.Contains(b, key)
}

type counterGenerator struct{ filter.FilterGenerator }

func (g counterGenerator) Add(key []byte) {
	if len(key) > 0 && key[0] == kindStream {
		g.FilterGenerator.Add(key)
	}
}
