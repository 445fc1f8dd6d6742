// Package storetest is the conformance suite of the store contract: an engine
// that passes it is one that the server and embedding programs can stand on.
package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gorewind/store"
)

// Run tests an engine. open is called once for each test and returns a function
// that opens the test's store, each time after it was closed with what it held.
// An engine whose stores end with Close returns them anew; it says so by
// volatile.
func Run(t *testing.T, volatile bool, open func(t *testing.T) func() store.Store) {
	for _, c := range []struct {
		name string
		test func(*testing.T, func() store.Store)
	}{
		{"R1 empty", testEmpty},
		{"R2 one and two events", testOneAndTwo},
		{"R3 prefix names do not mix", testPrefixNames},
		{"R4 parallel writers", testParallelWriters},
		{"R5 ids cross 255", testManyIDs},
		{"R6 names of any octets", testAnyNames},
		{"P3 P6 bounds", testBounds},
		{"several events at once", testSeveral},
		{"alternating streams", testAlternating},
		{"too large", testTooLarge},
		{"large events", testLargeEvents},
		{"octet limit", testOctets},
		{"order of calls", testOrder},
		{"read is fixed at its start", testFixedEnd},
		{"octets are not shared", testNotShared},
		{"tail", testTail},
		{"tail from the disk", testTailBehind},
		{"cancelled", testCancelled},
		{"closed", testClosed},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
	if !volatile {
		t.Run("P7 R7 reopen", func(t *testing.T) { testReopen(t, open(t)) })
		t.Run("model", func(t *testing.T) { testModel(t, open(t)) })
	}
}

// Append appends events to a stream and returns the id of the last.
func Append(t testing.TB, s store.Store, stream string, events ...string) uint64 {
	t.Helper()
	r := appendAll(s, store.Append{Stream: []byte(stream), Events: octets(events)})[0]
	if r.Err != nil {
		t.Fatalf("append to %q: %v", stream, r.Err)
	}
	return r.ID
}

func octets(parts []string) [][]byte {
	out := make([][]byte, len(parts))
	for i, p := range parts {
		out[i] = []byte(p)
	}
	return out
}

func appendAll(s store.Store, reqs ...store.Append) []store.Result {
	done := make(chan []store.Result, 1)
	s.Append(reqs, func(r []store.Result) { done <- r })
	return <-done
}

// Read returns the data of the events of a range and checks what every answer
// must satisfy.
func Read(t testing.TB, s store.Store, r store.Range) []string {
	t.Helper()
	got, err := read(s, r)
	if err != nil {
		t.Fatalf("read %+v: %v", r, err)
	}
	return got
}

func read(s store.Store, r store.Range) (got []string, err error) {
	var last store.Event
	for e, err := range s.Read(context.Background(), r) {
		if err != nil {
			return got, err
		}
		if !bytes.Equal(e.Stream, r.Stream) {
			return got, fmt.Errorf("event of %q in an answer for %q", e.Stream, r.Stream)
		}
		if e.ID <= last.ID || e.Position <= last.Position || e.Time.Before(last.Time) {
			return got, fmt.Errorf("%+v does not follow %+v", e, last)
		}
		last = e
		got = append(got, string(e.Data))
	}
	return got, nil
}

func want(t *testing.T, have []string, want ...string) {
	t.Helper()
	if len(have) != len(want) {
		t.Fatalf("want %d events, have %d", len(want), len(have))
	}
	for i := range want {
		if have[i] != want[i] {
			t.Fatalf("event %d of %d: want %q, have %q", i, len(want), want[i], have[i])
		}
	}
}

func all(stream string) store.Range { return store.Range{Stream: []byte(stream)} }

func testEmpty(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	want(t, Read(t, s, all("mystream")))
	if i := s.Info(); i.LastPosition != 0 || len(i.ID) != 32 || i.Generation == 0 {
		t.Errorf("info of an empty store: %+v", i)
	}
}

func testOneAndTwo(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	if id := Append(t, s, "mystream", "one"); id != 1 {
		t.Errorf("the first id is %d", id)
	}
	want(t, Read(t, s, all("mystream")), "one")
	if id := Append(t, s, "mystream", ""); id != 2 {
		t.Errorf("the second id is %d", id)
	}
	want(t, Read(t, s, all("mystream")), "one", "")
}

func testPrefixNames(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	names := []string{"stream1", "stream2", "stream4", "stream11", "stream"}
	written := map[string][]string{}
	for i := range 5 {
		for _, n := range names {
			data := fmt.Sprint(n, i)
			Append(t, s, n, data)
			written[n] = append(written[n], data)
			for _, n := range names {
				want(t, Read(t, s, all(n)), written[n]...)
			}
		}
	}
}

func testParallelWriters(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			name := fmt.Sprint("stream", w)
			var written []string
			for i := range 100 {
				data := fmt.Sprint(i)
				if id := Append(t, s, name, data); id != uint64(i+1) {
					t.Errorf("event %d of %s has id %d", i, name, id)
				}
				written = append(written, data)
			}
			want(t, Read(t, s, all(name)), written...)
		})
	}
	wg.Wait()
}

func testManyIDs(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	var reqs []store.Append
	var written []string
	for i := range 5000 {
		data := strconv.Itoa(i)
		written = append(written, data)
		reqs = append(reqs, store.Append{Stream: []byte("s"), Events: [][]byte{[]byte(data)}})
	}
	for i, r := range appendAll(s, reqs...) {
		if r.Err != nil || r.ID != uint64(i+1) {
			t.Fatalf("request %d: %+v", i, r)
		}
	}
	want(t, Read(t, s, all("s")), written...)
	want(t, Read(t, s, store.Range{Stream: []byte("s"), After: 254, UpTo: 258}), written[254:258]...)
}

func testAnyNames(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	names := []string{"\x00", "\x00\x00", "\xff", "\xff\xff", ":", "a", "a:", "a:b", "a\x00", "a\x00b", string(make([]byte, 255))}
	r, seed := Rand(t)
	for range 100 {
		b := make([]byte, 1+r.IntN(store.MaxStream))
		for i := range b {
			b[i] = byte(r.IntN(256))
		}
		names = append(names, string(b))
	}
	for i, n := range names {
		Append(t, s, n, strconv.Itoa(i), n)
	}
	for i, n := range names {
		have := Read(t, s, all(n))
		if len(have) < 2 || have[len(have)-1] != n {
			t.Errorf("seed %d: %q (%d) holds %q", seed, n, i, have)
		}
	}
}

func testBounds(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	var written []string
	for i := range 10 {
		written = append(written, strconv.Itoa(i))
		Append(t, s, "other", "x")
	}
	Append(t, s, "s", written...)
	for _, c := range []struct {
		after, upTo uint64
		first, last uint64
		err         error
	}{
		{0, 0, 1, 10, nil},
		{3, 0, 4, 10, nil},
		{0, 3, 1, 3, nil},
		{3, 7, 4, 7, nil},
		{3, 4, 4, 4, nil},
		{3, 3, 0, 0, nil},
		{10, 0, 0, 0, nil},
		{10, 10, 0, 0, nil},
		{11, 0, 0, 0, store.ErrUnknownID},
		{0, 11, 0, 0, store.ErrUnknownID},
		{11, 12, 0, 0, store.ErrUnknownID},
		{4, 3, 0, 0, store.ErrBadRange},
		{1 << 63, 0, 0, 0, store.ErrUnknownID},
	} {
		r := store.Range{Stream: []byte("s"), After: c.after, UpTo: c.upTo}
		first, last, err := s.Bounds(context.Background(), r)
		if !errors.Is(err, c.err) || last != c.last || last != 0 && first != c.first {
			t.Errorf("bounds %+v: %d, %d, %v", c, first, last, err)
		}
		have, err := read(s, r)
		if !errors.Is(err, c.err) {
			t.Errorf("read %+v: %v", c, err)
		}
		if c.last > 0 {
			want(t, have, written[c.first-1:c.last]...)
		} else {
			want(t, have)
		}
	}
	if _, err := read(s, store.Range{Stream: []byte("none"), After: 1}); !errors.Is(err, store.ErrUnknownID) {
		t.Errorf("a bound in a stream that does not exist: %v", err)
	}
}

func testSeveral(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	if id := Append(t, s, "s", "a", "b", "c"); id != 3 {
		t.Errorf("the last of three ids is %d", id)
	}
	many := make([]string, store.MaxCommitEvents)
	for i := range many {
		many[i] = strconv.Itoa(i)
	}
	Append(t, s, "many", many...)
	want(t, Read(t, s, all("many")), many...)
	want(t, Read(t, s, all("s")), "a", "b", "c")
}

// testAlternating: many requests at once, of several streams in turn, and any
// part of what they wrote.
func testAlternating(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	r, _ := Rand(t)
	streams := []string{"a", "b", "c"}
	var reqs []store.Append
	var order []string
	written := make(map[string][]string)
	for i := range 3000 {
		name := streams[i%len(streams)]
		var events []string
		for range 1 + r.IntN(2) {
			events = append(events, strings.Repeat(strconv.Itoa(i), r.IntN(30)))
		}
		reqs = append(reqs, store.Append{Stream: []byte(name), Events: octets(events)})
		written[name] = append(written[name], events...)
		order = append(order, events...)
	}
	for i, result := range appendAll(s, reqs...) {
		if result.Err != nil {
			t.Fatalf("request %d: %v", i, result.Err)
		}
	}
	for range 200 {
		name := streams[r.IntN(len(streams))]
		after := r.IntN(len(written[name]))
		upTo := after + 1 + r.IntN(len(written[name])-after)
		want(t, Read(t, s, store.Range{Stream: []byte(name), After: uint64(after), UpTo: uint64(upTo)}), written[name][after:upTo]...)
	}
	for i, e := range follow(t, s, 0, len(order)) {
		if string(e.Data) != order[i] {
			t.Fatalf("event %d of the store is %q, want %q", i, e.Data, order[i])
		}
	}
}

func testTooLarge(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	big := make([]byte, store.MaxEvent)
	for name, a := range map[string]store.Append{
		"no name":         {Events: [][]byte{{1}}},
		"long name":       {Stream: make([]byte, store.MaxStream+1), Events: [][]byte{{1}}},
		"no event":        {Stream: []byte("s")},
		"too many events": {Stream: []byte("s"), Events: make([][]byte, store.MaxCommitEvents+1)},
		"large event":     {Stream: []byte("s"), Events: [][]byte{make([]byte, store.MaxEvent+1)}},
		"large commit":    {Stream: []byte("s"), Events: [][]byte{big, big, {1}}},
	} {
		results := appendAll(s, a, store.Append{Stream: []byte("t"), Events: [][]byte{{1}}})
		if !errors.Is(results[0].Err, store.ErrTooLarge) || results[1].Err != nil {
			t.Errorf("%s: %+v", name, results)
		}
	}
	want(t, Read(t, s, all("s")))
}

func testLargeEvents(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	var reqs []store.Append
	var written []string
	for i := range 12 {
		data := bytes.Repeat([]byte{byte('a' + i)}, store.MaxEvent-i)
		written = append(written, string(data))
		reqs = append(reqs, store.Append{Stream: []byte("s"), Events: [][]byte{data}})
	}
	for _, r := range appendAll(s, reqs...) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	want(t, Read(t, s, all("s")), written...)
}

func testOctets(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	Append(t, s, "s", "1234", "5678", "90")
	for octets, n := range map[int]int{0: 3, 1: 1, 4: 1, 5: 2, 8: 2, 9: 3, 1000: 3} {
		r := all("s")
		r.Octets = octets
		if have := Read(t, s, r); len(have) != n {
			t.Errorf("%d octets: %q", octets, have)
		}
	}
}

func testOrder(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	const calls, each = 200, 50
	done := make(chan int, calls)
	for n := range calls {
		reqs := make([]store.Append, each)
		for i := range reqs {
			reqs[i] = store.Append{Stream: []byte("s"), Events: [][]byte{[]byte(strconv.Itoa(n*each + i))}}
		}
		s.Append(reqs, func(r []store.Result) {
			for i, r := range r {
				if r.Err != nil || r.ID != uint64(n*each+i+1) {
					t.Errorf("call %d, request %d: %+v", n, i, r)
				}
			}
			if _, last, err := s.Bounds(context.Background(), all("s")); err != nil || last < uint64((n+1)*each) {
				t.Errorf("call %d is done, and the stream ends with %d, %v", n, last, err)
			}
			done <- n
		})
	}
	for n := range calls {
		if have := <-done; have != n {
			t.Fatalf("call %d was done as number %d", have, n)
		}
	}
}

func testFixedEnd(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	Append(t, s, "s", "a", "b")
	n := 0
	for _, err := range s.Read(context.Background(), all("s")) {
		if err != nil {
			t.Fatal(err)
		}
		n++
		Append(t, s, "s", "more")
	}
	if n != 2 {
		t.Errorf("%d events of the 2 that were there", n)
	}
}

func testNotShared(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	var written []string
	for i := range 20_000 {
		written = append(written, strconv.Itoa(i))
	}
	Append(t, s, "s", written[:10_000]...)
	Append(t, s, "s", written[10_000:]...)
	var kept []store.Event
	for e, err := range s.Read(context.Background(), all("s")) {
		if err != nil {
			t.Fatal(err)
		}
		kept = append(kept, e)
	}
	for i, e := range kept {
		if string(e.Data) != written[i] {
			t.Fatalf("event %d has turned into %q", i, e.Data)
		}
	}
}

// follow reads n events off a Tail.
func follow(t *testing.T, s store.Store, from uint64, n int) (events []store.Event) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for batch, err := range s.Tail(ctx, from) {
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range batch {
			if e.Position <= from {
				t.Fatalf("%+v comes after position %d", e, from)
			}
			from = e.Position
		}
		if events = append(events, batch...); len(events) >= n {
			break
		}
	}
	if len(events) != n {
		t.Fatalf("want %d events, have %d", n, len(events))
	}
	return events
}

func testTail(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	Append(t, s, "a", "1", "2")
	Append(t, s, "b", "3")
	got := make(chan []store.Event)
	go func() { got <- follow(t, s, 0, 6) }()
	go func() { got <- follow(t, s, 0, 6) }()
	Append(t, s, "a", "4")
	for _, r := range appendAll(s,
		store.Append{Stream: []byte("a"), Events: [][]byte{[]byte("5")}},
		store.Append{Stream: []byte("c"), Events: [][]byte{[]byte("6")}}) {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	for range 2 {
		text := ""
		for _, e := range <-got {
			text += fmt.Sprintf("%s/%d=%s ", e.Stream, e.ID, e.Data)
		}
		if want := "a/1=1 a/2=2 b/1=3 a/3=4 a/4=5 c/1=6 "; text != want {
			t.Errorf("want %s\nhave %s", want, text)
		}
	}
	all := follow(t, s, 0, 6)
	for i := range all {
		if rest := follow(t, s, all[i].Position, 5-i); i < 5 && rest[0].ID != all[i+1].ID {
			t.Errorf("from %d: %+v", all[i].Position, rest[0])
		}
		if i == 4 {
			break
		}
	}
}

func testTailBehind(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	const n, size = 40, 1 << 20 // more than an engine would keep in memory
	data := make([]byte, size)
	seen := 0
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	Append(t, s, "s", string(data))
	for batch, err := range s.Tail(ctx, 0) {
		if err != nil {
			t.Fatal(err)
		}
		if seen == 0 {
			for range n - 1 {
				Append(t, s, "s", string(data))
			}
		}
		for _, e := range batch {
			if seen++; e.ID != uint64(seen) || len(e.Data) != size {
				t.Fatalf("event %d has id %d and %d octets", seen, e.ID, len(e.Data))
			}
		}
		if seen == n {
			break
		}
	}
}

func testCancelled(t *testing.T, open func() store.Store) {
	s := open()
	defer s.Close()
	Append(t, s, "s", "a")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	started := make(chan bool, 1)
	go func() {
		for _, err := range s.Tail(ctx, 0) {
			if err != nil {
				ended <- err
				return
			}
			started <- true
		}
	}()
	<-started
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("tail ended with %v", err)
	}
	for _, err := range s.Read(ctx, all("s")) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("read ended with %v", err)
		}
	}
}

func testClosed(t *testing.T, open func() store.Store) {
	s := open()
	ended := make(chan error)
	Append(t, s, "s", "a")
	go func() {
		for _, err := range s.Tail(context.Background(), 0) {
			if err != nil {
				ended <- err
			}
		}
	}()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; !errors.Is(err, store.ErrClosed) {
		t.Errorf("tail ended with %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if r := appendAll(s, store.Append{Stream: []byte("s"), Events: [][]byte{{1}}}); !errors.Is(r[0].Err, store.ErrClosed) {
		t.Errorf("append: %v", r[0].Err)
	}
	if _, err := read(s, all("never seen")); !errors.Is(err, store.ErrClosed) {
		t.Errorf("read: %v", err)
	}
}

func testReopen(t *testing.T, open func() store.Store) {
	s := open()
	id := s.Info().ID
	var written []string
	for i := range 3 {
		data := strconv.Itoa(i)
		written = append(written, data)
		if got := Append(t, s, "s", data); got != uint64(i+1) {
			t.Errorf("id %d after %d restarts", got, i)
		}
		want(t, Read(t, s, all("s")), written...)
		at := s.Info().LastPosition
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open()
		if info := s.Info(); info.ID != id || info.LastPosition != at {
			t.Errorf("after a restart: %+v", info)
		}
	}
	want(t, Read(t, s, all("s")), written...)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// testModel does random things and compares with a map.
func testModel(t *testing.T, open func() store.Store) {
	r, seed := Rand(t)
	model := map[string][]string{}
	var order []string
	s := open()
	for step := range 3000 {
		name := "s" + strconv.Itoa(r.IntN(20))
		switch k := r.IntN(100); {
		case k == 0:
			if err := s.Close(); err != nil {
				t.Fatalf("seed %d, step %d: %v", seed, step, err)
			}
			s = open()
		case k < 50:
			var events []string
			for range 1 + r.IntN(3) {
				events = append(events, strconv.Itoa(r.IntN(1e6)))
			}
			model[name] = append(model[name], events...)
			order = append(order, events...)
			if id := Append(t, s, name, events...); id != uint64(len(model[name])) {
				t.Fatalf("seed %d, step %d: id %d", seed, step, id)
			}
		default:
			n := len(model[name])
			after := r.IntN(n + 1)
			upTo := after + r.IntN(n-after+1)
			have := Read(t, s, store.Range{Stream: []byte(name), After: uint64(after), UpTo: uint64(upTo)})
			if upTo == 0 {
				upTo = n
			}
			if fmt.Sprint(have) != fmt.Sprint(model[name][after:upTo]) {
				t.Fatalf("seed %d, step %d: want %q, have %q", seed, step, model[name][after:upTo], have)
			}
		}
	}
	for i, e := range follow(t, s, 0, len(order)) {
		if string(e.Data) != order[i] {
			t.Fatalf("seed %d: event %d of the store is %q, want %q", seed, i, e.Data, order[i])
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// Rand returns a source of random numbers whose seed is that of the environment
// variable SEED, or new and printed when the test fails.
func Rand(t testing.TB) (*rand.Rand, uint64) {
	seed, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		seed = rand.Uint64()
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("to repeat: SEED=%d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0)), seed
}
