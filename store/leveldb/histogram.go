package leveldb

import (
	"sync/atomic"
	"time"
)

// A histogram counts values in fixed buckets. Only the holder of the turn adds to
// it; anybody may read it. Neither takes a lock nor allocates.
type histogram struct {
	bounds []uint64 // upper bound of each bucket, rising
	counts [histogramBuckets + 1]atomic.Uint64
	sum    atomic.Uint64
}

const histogramBuckets = 17

// A Histogram is a snapshot of a histogram.
type Histogram struct {
	Bounds []float64 // upper bound of each bucket, rising
	Counts []uint64  // one more than Bounds: the last counts larger values
	Sum    float64   // of all values
}

// durations are bounds in nanoseconds, from the sync of a fast disk to a wait that
// nobody should see.
var durations = scaled(time.Microsecond, 50, 100, 200, 500, 1e3, 2e3, 5e3, 10e3, 20e3, 50e3, 100e3, 200e3, 500e3, 1e6, 2e6, 5e6, 10e6)

// numbers are bounds of the number of events in a commit, up to the maximum.
var numbers = scaled(1, 0, 1, 2, 3, 5, 10, 20, 30, 50, 100, 200, 300, 500, 1000, 2000, 5000, 10_000)

func scaled(unit time.Duration, bounds ...uint64) []uint64 {
	for i := range bounds {
		bounds[i] *= uint64(unit)
	}
	return bounds
}

func (h *histogram) observe(value uint64) {
	i := 0
	for i < len(h.bounds) && value > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(value)
}

// read returns a snapshot of h, divided by a unit.
func (h *histogram) read(unit float64) Histogram {
	r := Histogram{Sum: float64(h.sum.Load()) / unit}
	for i := range h.counts {
		r.Counts = append(r.Counts, h.counts[i].Load())
	}
	for _, b := range h.bounds {
		r.Bounds = append(r.Bounds, float64(b)/unit)
	}
	return r
}
