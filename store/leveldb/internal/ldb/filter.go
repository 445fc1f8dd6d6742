package ldb

import (
	"github.com/syndtr/goleveldb/leveldb/filter"

	"gorewind/store/leveldb/internal/record"
)

// A counterFilter is a Bloom filter of counters, cursors and request keys only.
// These are looked up one by one, and mostly do not exist. Events and commits are
// read in order, where a filter does not help.
type counterFilter struct{ filter.Filter }

func newCounterFilter() counterFilter {
	const bits = 10 // per key: one in a hundred look-ups of a missing key reads a block
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
