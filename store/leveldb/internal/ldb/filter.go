package ldb

import (
	"github.com/syndtr/goleveldb/leveldb/filter"

	"gorewind/store/leveldb/internal/record"
)

// A counterFilter is a Bloom filter of the streams' counters, of cursors and of
// requests' keys only: these are looked up one by one, mostly those that are not
// there; events and commits are read in order, which no filter helps.
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
	return !filtered(key) || f.Filter.Contains(b, key)
}

type counterGenerator struct{ filter.FilterGenerator }

func (g counterGenerator) Add(key []byte) {
	if filtered(key) {
		g.FilterGenerator.Add(key)
	}
}

func filtered(key []byte) bool {
	return len(key) > 0 && (key[0] == record.KindStream || key[0] == record.KindCursor || key[0] == record.KindKey)
}
