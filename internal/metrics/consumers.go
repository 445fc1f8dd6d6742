package metrics

import (
	"cmp"
	"context"
	"slices"
	"strconv"

	"gorewind/store/leveldb"
)

// Consumers and their names are the clients' to make, and each series costs
// memory in Prometheus for as long as it keeps them; so both are bounded.
const (
	maxCursors   = 10_000 // that one scrape looks at: 2 to 17 µs each
	maxConsumers = 100    // that have a series of each kind
)

var (
	consumerEvents    = gauge("consumer_lag_events", "Events after a consumer's cursors, in all streams where it has one, of the 100 consumers that are farthest behind.", "consumer")
	consumerPositions = gauge("consumer_lag_positions", "Positions after a consumer's cursor in the whole store up to the last event, of the 100 consumers that are farthest behind.", "consumer")
	consumersLeftOut  = gauge("consumers_left_out", "Consumers that are less far behind and have no series.")
	cursorsLeftOut    = gauge("consumer_cursors_left_out", "1 if there are more than 10,000 cursors, of which only those are looked at.")
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

// farthest shows the consumers that have a lag of a kind, those with the largest first.
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

// label writes a name, which may be any octets, as text in which no two are alike.
func label(name []byte) string {
	quoted := strconv.Quote(string(name))
	return quoted[1 : len(quoted)-1]
}
