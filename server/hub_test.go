package server

import (
	"bytes"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"gorewind/store"
)

// A hubTest is a hub without a server.
type hubTest struct {
	*loop
	t testing.TB
}

func newHubTest(t testing.TB) *hubTest {
	t.Helper()
	out, err := newOutbox()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { out.close() })
	return &hubTest{t: t, loop: &loop{
		out: out, stats: new(Stats),
		hub: hub{streams: make(map[string]*watch), selections: make(map[*watch]struct{}), followers: make(map[*query]struct{})},
	}}
}

// follower returns a follower that has joined and read up to at.
func (h *hubTest) follower(c *conn, r store.Range, at uint64) *query {
	q := &query{
		question: question{follow: true}, parking: parking{slot: -1},
		reading: reading{r: r, at: place{n: at, left: math.MaxUint64, live: true}},
	}
	q.task = &task{lane: &lane{conn: c}, source: q}
	h.hub.join(q)
	h.hub.beforeRead(q)
	return q
}

func (h *hubTest) park(q *query, want bool) {
	h.t.Helper()
	if have := h.hub.park(q); have != want {
		h.t.Fatalf("parked: want %v, have %v", want, have)
	}
}

// dispatch dispatches events of one stream. Their positions are ten times their ids.
func (h *hubTest) dispatch(stream, data string, first, last uint64) {
	var events []store.Event
	for n := first; n <= last; n++ {
		events = append(events, store.Event{Stream: []byte(stream), ID: n, Position: 10 * n, Data: []byte(data)})
	}
	h.hub.dispatch(events, 0, h.loop)
}

// ids returns the ids of the events that q has packed.
func ids(q *query) (ids []int) {
	for rest := q.task.chunk.packed; len(rest) > 0; {
		var frames [][]byte
		frames, rest = q.task.lane.envelope.Unpack(rest)
		ids = append(ids, number(frames[1]))
	}
	return ids
}

func TestHubDispatchesWhatIsNew(t *testing.T) {
	h, c := newHubTest(t), new(conn)
	q := h.follower(c, store.Range{Stream: []byte("s")}, 3)
	h.park(q, true)
	h.dispatch("t", "x", 1, 9)
	h.dispatch("s", "x", 1, 3) // q has read them from the store
	if q.slot < 0 || q.task.chunk.packed != nil {
		t.Fatal("events that it has had woke it")
	}
	h.dispatch("s", "x", 3, 5)
	if have := ids(q); q.slot >= 0 || len(have) != 2 || have[0] != 4 || have[1] != 5 {
		t.Fatalf("want 4 and 5, have %v", have)
	}
	h.dispatch("s", "x", 6, 6)
	q.passAll()
	h.park(q, false) // it has not had the last one
	q.at.n = 6
	h.park(q, true)
	if !h.hub.leave(q) || len(h.hub.streams) != 0 {
		t.Error("it is still there")
	}
}

// TestHubSelection: a follower that has waited for long does not read again what did
// not concern it.
func TestHubSelection(t *testing.T) {
	h, c := newHubTest(t), new(conn)
	q := h.follower(c, store.Range{Select: store.Prefix([]byte("s"))}, 7)
	h.park(q, true)
	h.dispatch("t", "x", 1, 90)
	h.dispatch("s1", "x", 91, 92)
	if have := ids(q); q.at.n != 900 || len(have) != 2 || have[0] != 910 || have[1] != 920 {
		t.Fatalf("want 910 and 920 after 900, have %v after %d", have, q.at.n)
	}
	q.passAll()
	h.park(q, true)
}

// TestHubSkips: when events are skipped, every follower reads the store.
func TestHubSkips(t *testing.T) {
	h, c := newHubTest(t), new(conn)
	parked := h.follower(c, store.Range{Stream: []byte("s")}, 0)
	h.park(parked, true)
	away := h.follower(c, store.Range{Select: store.Prefix(nil)}, 0)
	h.hub.skip(100, h.loop)
	if parked.slot >= 0 || parked.task.chunk.packed != nil {
		t.Error("want it woken to read, have it parked or with a chunk")
	}
	for _, q := range []*query{parked, away} {
		h.park(q, false)
		h.hub.beforeRead(q)
		h.park(q, true)
	}
}

// TestHubMatchesForATime: selections that take long to match do not delay a commit, and
// their followers miss nothing.
func TestHubMatchesForATime(t *testing.T) {
	h := newHubTest(t)
	hard := store.Prefix([]byte("none"))
	for range 15 {
		if err := hard.Also('/', bytes.Repeat([]byte("**a"), 80)); err != nil {
			t.Fatal(err)
		}
	}
	if err := hard.Also('/', []byte("**")); err != nil {
		t.Fatal(err)
	}
	const n = 20_000
	var parked []*query
	for range n {
		q := h.follower(new(conn), store.Range{Select: hard}, 0)
		h.park(q, true)
		parked = append(parked, q)
	}
	name := strings.Repeat("a", 70) + strings.Repeat("c", 185) // only the last glob matches it
	began := time.Now()
	const some = n / 100
	for range some {
		hard.Matches([]byte(name))
	}
	all := time.Since(began) * (n / some)
	began = time.Now()
	h.dispatch(name, "x", 1, 1)
	if took := time.Since(began); took > all/4 {
		t.Errorf("it took %v, where all of them take %v", took, all)
	}
	for _, q := range parked {
		if q.slot >= 0 {
			t.Fatal("a follower that has not had the event is parked")
		}
		if len(q.task.chunk.packed) == 0 {
			h.park(q, false)
		}
	}
}

// BenchmarkHubOffersABatchToMany: a large batch costs little more than a small one,
// because a full follower is not offered the rest.
func BenchmarkHubOffersABatchToMany(b *testing.B) {
	const followers = 5 * maxRunning
	for _, events := range []uint64{100, store.MaxCommitEvents} {
		b.Run(fmt.Sprint(events), func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				h := newHubTest(b)
				var c *conn
				for i := range followers {
					if i%maxRunning == 0 {
						c = new(conn)
					}
					h.park(h.follower(c, store.Range{Stream: []byte("s")}, 0), true)
				}
				b.StartTimer()
				h.dispatch("s", "x", 1, events)
				if left := len(h.hub.streams["s"].parked); left > 0 {
					b.Fatalf("%d followers that have not had all are parked", left)
				}
			}
		})
	}
}

// TestHubIsBounded: the bytes that it packs are limited, for one peer and for all.
func TestHubIsBounded(t *testing.T) {
	const size, most = 100 << 10, maxReadAhead*chunkBytes + 101<<10
	data := string(make([]byte, size))
	h, greedy := newHubTest(t), new(conn)
	for range 1000 {
		h.park(h.follower(greedy, store.Range{Stream: []byte("s")}, 0), true)
	}
	h.dispatch("s", data, 1, 3)
	if have := greedy.charged.Load(); have > most || have < size {
		t.Errorf("a peer has %d bytes", have)
	}
	for range 1000 {
		h.park(h.follower(new(conn), store.Range{Stream: []byte("t")}, 0), true)
	}
	h.dispatch("t", data, 1, 3)
	if have := h.inHand.Load(); have > maxChunkBytes/2+most || have < maxChunkBytes/4 {
		t.Errorf("all have %d bytes", have)
	}
	if len(h.hub.streams["t"].parked) != 0 {
		t.Error("followers without a chunk have to be woken, too")
	}
}

// TestHubCostsNothingUnused: neither queries that do not follow, nor followers of other
// streams, cost a commit anything.
func TestHubCostsNothingUnused(t *testing.T) {
	h := newHubTest(t)
	events := []store.Event{{Stream: []byte("s"), ID: 1, Position: 1}, {Stream: []byte("t"), ID: 1, Position: 2}}
	dispatch := func() { h.hub.dispatch(events, 0, h.loop) }
	if n := testing.AllocsPerRun(100, dispatch); n > 0 {
		t.Errorf("without followers: %v allocations", n)
	}
	for range 1000 {
		h.park(h.follower(new(conn), store.Range{Stream: []byte("other")}, 0), true)
	}
	if n := testing.AllocsPerRun(100, dispatch); n > 0 {
		t.Errorf("with followers: %v allocations", n)
	}
	if len(h.out.posts) > 0 {
		t.Error("a follower was woken")
	}
}
