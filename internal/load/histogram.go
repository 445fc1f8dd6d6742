package load

import (
	"math"
	"time"
)

// A Histogram counts latencies with an error of less than 1 %, in constant space. The zero value
// is empty.
type Histogram struct {
	// 64 buckets for each power of two of nanoseconds; then the largest value.
	// C fills it, see ld_record.
	counts [buckets + 1]uint64
}

// Count returns the number of values.
func (h *Histogram) Count() (n uint64) {
	for _, c := range h.counts[:buckets] {
		n += c
	}
	return n
}

// Max returns the largest value.
func (h *Histogram) Max() time.Duration { return time.Duration(h.counts[buckets]) }

// Quantile returns the value that a part q of all values, 0 to 1, does not exceed; 0 if the
// histogram is empty.
func (h *Histogram) Quantile(q float64) time.Duration {
	rank := max(1, uint64(math.Ceil(q*float64(h.Count()))))
	for i, c := range h.counts[:buckets] {
		if c >= rank {
			return min(bucketMiddle(i), h.Max())
		}
		rank -= c
	}
	return h.Max()
}

// bucketMiddle returns the value in the middle of a bucket.
func bucketMiddle(i int) time.Duration {
	shift := max(0, i/64-1)
	return time.Duration(uint64(i-shift*64)<<shift + 1<<shift/2)
}
