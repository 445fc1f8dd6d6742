package metrics

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"gorewind/store/leveldb"
)

// Clients choose the number and the names of consumers, and Prometheus keeps memory for
// each series. So both are limited.
const (
	maxCursors   = 10_000 // read for one scrape at most, 2 to 17 µs each
	maxConsumers = 100    // with a series of each kind
)

var (
	consumerEvents    = gauge("consumer_lag_events", "Events that a consumer is behind, summed over all streams in which it has a cursor. Only the 100 consumers that are farthest behind are shown.", "consumer")
	consumerPositions = gauge("consumer_lag_positions", "Positions that a consumer's cursor in the whole store is behind the last event. Only the 100 consumers that are farthest behind are shown.", "consumer")
	consumersLeftOut  = gauge("consumers_left_out", "Consumers without a series of their own, because they are less far behind than the 100 that are shown.")
	cursorsLeftOut    = gauge("consumer_cursors_left_out", "1 if there are more than 10,000 cursors, so that the lag of consumers leaves some out; 0 otherwise.")
)

func (s sink) consumers(ctx context.Context, st Store) error {
	all, more, err := st.Consumers(ctx, maxCursors)
	if err != nil {
		return err
	}
	shown := make(map[string]bool)
	s.farthest(consumerEvents, shown, all, func(c *leveldb.Consumer) (uint64, bool) { return c.Events, c.Streams > 0 })
	s.farthest(consumerPositions, shown, all, func(c *leveldb.Consumer) (uint64, bool) { return c.Positions, c.Store })
	s.put(consumersLeftOut, float64(len(all)-len(shown)))
	s.put(cursorsLeftOut, flag(more))
	return nil
}

// farthest emits a metric for the consumers that have a lag of its kind, those with the
// largest lag.
func (s sink) farthest(m shape, shown map[string]bool, all []leveldb.Consumer, lag func(*leveldb.Consumer) (uint64, bool)) {
	var some []*leveldb.Consumer
	for i := range all {
		if _, has := lag(&all[i]); has {
			some = append(some, &all[i])
		}
	}
	slices.SortStableFunc(some, func(a, b *leveldb.Consumer) int {
		x, _ := lag(a)
		y, _ := lag(b)
		return cmp.Compare(y, x)
	})
	for _, c := range some[:min(len(some), maxConsumers)] {
		n, _ := lag(c)
		s.put(m, float64(n), label(c.Name))
		shown[string(c.Name)] = true
	}
}

// label turns a name, which may hold any bytes, into valid text. Different names stay
// different.
func label(name []byte) string {
	quoted := strconv.Quote(string(name))
	return quoted[1 : len(quoted)-1]
}
