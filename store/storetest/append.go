package storetest

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"gorewind/store"
)

var appendCases = []testCase{
	{"R1 empty", testEmpty},
	{"R2 one and two events", testOneAndTwo},
	{"R3 prefix names do not mix", testPrefixNames},
	{"R4 A5 G6 parallel writers", testParallelWriters},
	{"A5 parallel writers of one stream", testParallelOnOne},
	{"R5 ids cross 255", testManyIDs},
	{"R6 F36 names of any bytes", testAnyNames},
	{"several events at once", testSeveral},
	{"alternating streams", testAlternating},
	{"E1 invalid", testInvalid},
	{"too large", testTooLarge},
	{"large events", testLargeEvents},
	{"A1 A3 groups", testGroups},
	{"most groups", testMostGroups},
	{"all groups or none", testAllOrNone},
	{"F6 F7 F8 F9 F30 A2 A3b E3 expectations", testExpectations},
	{"expectations see the requests before", testExpectEarlier},
	{"second group of a stream", testSecondGroup},
	{"conflict", testConflict},
	{"an emptied stream is empty", testExpectEmptied},
	{"F32 five writers expect an empty stream", testFiveWriters},
}

func testEmpty(f *fixture) {
	f.holds("mystream")
	f.wants(everything())
	if i := f.s.Info(); i.LastPosition != 0 || len(i.ID) != 32 || i.Generation == 0 {
		f.t.Errorf("info of an empty store: %+v", i)
	}
}

func testOneAndTwo(f *fixture) {
	if id := f.appendEvents("mystream", "one"); id != 1 {
		f.t.Errorf("the first id is %d", id)
	}
	f.holds("mystream", "one")
	if id := f.appendEvents("mystream", ""); id != 2 {
		f.t.Errorf("the second id is %d", id)
	}
	f.twice(func() {
		f.holds("mystream", "one", "")
		f.lists("", "", "mystream=2")
	})
}

func testPrefixNames(f *fixture) {
	names := []string{"stream1", "stream2", "stream4", "stream11", "stream"}
	written := map[string][]string{}
	for i := range 5 {
		for _, n := range names {
			data := fmt.Sprint(n, i)
			f.appendEvents(n, data)
			written[n] = append(written[n], data)
			for _, n := range names {
				f.holds(n, written[n]...)
			}
		}
	}
}

func testParallelWriters(f *fixture) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			name := fmt.Sprint("stream", w)
			for i, data := range numbers(100) {
				r := f.one(group(name, data))
				if r.Err != nil || r.IDs[0] != uint64(i+1) {
					f.t.Errorf("event %d of %s: %+v", i, name, r)
					return
				}
			}
		})
	}
	wg.Wait()
	for w := range 4 {
		f.holds(fmt.Sprint("stream", w), numbers(100)...)
	}
}

func testParallelOnOne(f *fixture) {
	var wg sync.WaitGroup
	var given sync.Map
	for w := range 4 {
		wg.Go(func() {
			for i := range 100 {
				r := f.one(group("s", fmt.Sprint(w, " ", i)))
				if r.Err != nil {
					f.t.Error(r.Err)
					return
				}
				if _, twice := given.LoadOrStore(r.IDs[0], true); twice || r.IDs[0] > 400 {
					f.t.Errorf("id %d was given twice or too early", r.IDs[0])
				}
			}
		})
	}
	wg.Wait()
	if have := Read(f.t, f.s, whole("s")); len(have) != 400 {
		f.t.Errorf("%d events of 400", len(have))
	}
}

func testManyIDs(f *fixture) {
	written := numbers(5000)
	var reqs []store.Append
	for _, data := range written {
		reqs = append(reqs, request(group("s", data)))
	}
	for i, r := range appendAll(f.s, reqs...) {
		if r.Err != nil || r.IDs[0] != uint64(i+1) {
			f.t.Fatalf("request %d: %+v", i, r)
		}
	}
	f.twice(func() {
		f.holds("s", written...)
		f.wants(store.Range{Stream: []byte("s"), After: store.Some(254), UpTo: store.Some(258)}, written[254:258]...)
	})
}

func testAnyNames(f *fixture) {
	names := []string{"\x00", "\x00\x00", "\xff", "\xff\xff", ":", "a", "a:", "a:b", "a\x00", "a\x00b",
		"Foo", "Foo/Bar/2", "Foo/Bar/10", string(make([]byte, 255))}
	r, _ := Rand(f.t)
	for range 100 {
		names = append(names, randomName(r))
	}
	written := map[string][]string{}
	for i, n := range names {
		f.appendEvents(n, strconv.Itoa(i), n)
		written[n] = append(written[n], strconv.Itoa(i), n)
	}
	f.twice(func() {
		for n, events := range written {
			f.holds(n, events...)
		}
	})
}

func testSeveral(f *fixture) {
	if id := f.appendEvents("s", "a", "b", "c"); id != 3 {
		f.t.Errorf("the last of three ids is %d", id)
	}
	many := numbers(store.MaxCommitEvents)
	f.appendEvents("many", many...)
	f.twice(func() {
		f.holds("many", many...)
		f.holds("s", "a", "b", "c")
	})
}

// testAlternating appends many requests at once to several streams in turn, and
// reads any part of what they wrote.
func testAlternating(f *fixture) {
	r, _ := Rand(f.t)
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
		reqs = append(reqs, request(group(name, events...)))
		written[name] = append(written[name], events...)
		order = append(order, events...)
	}
	f.all(reqs...)
	for range 200 {
		name := streams[r.IntN(len(streams))]
		after := r.IntN(len(written[name]))
		upTo := after + 1 + r.IntN(len(written[name])-after)
		f.wants(store.Range{Stream: []byte(name), After: store.Some(uint64(after)), UpTo: store.Some(uint64(upTo))}, written[name][after:upTo]...)
	}
	f.twice(func() {
		same(f.t, texts(f.log(len(order))), order)
		f.wants(everything(), order...)
	})
}

func testInvalid(f *fixture) {
	for name, a := range map[string]store.Append{
		"no group":        {},
		"no name":         request(group("", "x")),
		"no second name":  request(group("s", "x"), group("", "x")),
		"no event":        request(group("s")),
		"no second event": request(group("s", "x"), group("t")),
		"two conditions":  request(expecting(0, "s", "x"), expecting(0, "s", "x")),
		"late condition":  request(group("s", "x"), group("t", "x"), expecting(1, "s", "x")),
	} {
		f.refused(name, a, store.ErrInvalid)
	}
	f.holds("s")
}

func testTooLarge(f *fixture) {
	big := string(make([]byte, store.MaxEvent))
	half := string(make([]byte, store.MaxEvent/2))
	key := request(group("s", "x"))
	key.Key = make([]byte, store.MaxKey+1)
	groups := make([]store.Group, store.MaxGroups+1)
	for i := range groups {
		groups[i] = group("s", "x")
	}
	most := make([]string, store.MaxCommitEvents)
	for name, a := range map[string]store.Append{
		"long name":            request(group(string(make([]byte, store.MaxStream+1)), "x")),
		"long key":             key,
		"too many groups":      request(groups...),
		"too many events":      request(group("s", append(most, "")...)),
		"too many in groups":   request(group("s", most...), group("t", "")),
		"large event":          request(group("s", big+"x")),
		"large commit":         request(group("s", big, big, "x")),
		"large in two groups":  request(group("s", big, half), group("t", half, "x")),
		"large in second only": request(group("s", "x"), group("t", big+"x")),
	} {
		f.refused(name, a, store.ErrTooLarge)
	}
	f.holds("s")
}

// refused checks that a request is refused, but not its neighbour in the same call.
func (f *fixture) refused(name string, a store.Append, want error) {
	f.t.Helper()
	results := appendAll(f.s, a, request(group("neighbour", "x")))
	f.is(name, results[0].Err, want)
	f.is("what comes after "+name, results[1].Err, nil)
}

func testLargeEvents(f *fixture) {
	var reqs []store.Append
	var written []string
	for i := range 12 {
		data := string(bytes.Repeat([]byte{byte('a' + i)}, store.MaxEvent-i))
		written = append(written, data)
		reqs = append(reqs, request(group("s", data)))
	}
	f.all(reqs...)
	f.holds("s", written...)
	f.all(request(group("t", written[0]), group("u", written[0]))) // as much as a commit may hold
	f.reopen()
	f.wants(store.Range{Select: store.Prefix(nil), Backward: true, Limit: 3}, written[0], written[0], written[11])
}

func testGroups(f *fixture) {
	r := f.one(group("a", "1", "2", "3"), group("b", "4", "5", "6"))
	if r.Err != nil || fmt.Sprint(r.IDs) != "[3 3]" {
		f.t.Errorf("two groups of three events: %+v", r)
	}
	r = f.one(group("b", "7"), group("a", "8"), group("b", "9"))
	if r.Err != nil || fmt.Sprint(r.IDs) != "[4 4 5]" {
		f.t.Errorf("two groups of one stream: %+v", r)
	}
	f.twice(func() {
		f.holds("a", "1", "2", "3", "8")
		f.holds("b", "4", "5", "6", "7", "9")
		f.wants(everything(), "1", "2", "3", "4", "5", "6", "7", "8", "9")
		same(f.t, texts(f.log(9)), numbers(10)[1:])
	})
}

func testMostGroups(f *fixture) {
	var groups []store.Group
	for i, data := range numbers(store.MaxGroups) {
		groups = append(groups, group(fmt.Sprint("stream", i%700), data))
	}
	r := f.one(groups...)
	if r.Err != nil || len(r.IDs) != store.MaxGroups || r.IDs[0] != 1 || r.IDs[700] != 2 {
		f.t.Fatalf("%v, %d ids", r.Err, len(r.IDs))
	}
	f.twice(func() { f.wants(everything(), numbers(store.MaxGroups)...) })
}

func testAllOrNone(f *fixture) {
	f.appendEvents("b", "there")
	r := f.one(group("a", "x"), expecting(0, "b", "x"), group("c", "x"))
	f.conflict("the second of three groups", r.Err, 1, "b", 1)
	f.twice(func() {
		f.wants(everything(), "there")
		f.lists("", "", "b=1")
	})
	if id := f.appendEvents("a", "y"); id != 1 {
		f.t.Errorf("the first id after a request that failed is %d", id)
	}
}

func testExpectations(f *fixture) {
	for _, c := range []struct {
		name     string
		expected uint64
		last     uint64 // where it fails
		ok       bool
	}{
		{"A2 2, and it is empty", 2, 0, false},
		{"A3b F30 zero, and it is empty", 0, 0, true},
		{"F30 zero, and there is one", 0, 1, false},
		{"F9 20, and there is one", 20, 1, false},
		{"F7 the last", 1, 0, true},
		{"F8 E3 what was the last", 1, 2, false},
		{"F6 far beyond", 12349813, 2, false},
		{"the largest id", 1<<64 - 1, 2, false},
		{"the last again", 2, 0, true},
	} {
		r := f.one(expecting(c.expected, "s", c.name))
		if c.ok {
			f.is(c.name, r.Err, nil)
		} else {
			f.conflict(c.name, r.Err, 0, "s", c.last)
		}
		f.reopen()
	}
	f.holds("s", "A3b F30 zero, and it is empty", "F7 the last", "the last again")
}

// testExpectEarlier: requests of one call share a commit, but each sees those
// before it.
func testExpectEarlier(f *fixture) {
	results := appendAll(f.s,
		request(expecting(0, "s", "a", "b")),
		request(expecting(0, "s", "x")),
		request(group("t", "c"), expecting(2, "s", "d")),
		request(expecting(2, "s", "x"), group("t", "x")),
		request(group("u", "x"), expecting(0, "t", "x")),
		request(expecting(0, "u", "e"), expecting(3, "s", "f"), expecting(1, "t", "g")),
	)
	f.conflict("1", results[1].Err, 0, "s", 2)
	f.conflict("3", results[3].Err, 0, "s", 3)
	f.conflict("4", results[4].Err, 1, "t", 1)
	for i, want := range map[int]string{0: "[2]", 2: "[1 3]", 5: "[1 4 2]"} {
		if results[i].Err != nil || fmt.Sprint(results[i].IDs) != want {
			f.t.Errorf("request %d: want %s, have %+v", i, want, results[i])
		}
	}
	f.twice(func() { f.wants(everything(), "a", "b", "c", "d", "e", "f", "g") })
}

// testSecondGroup: an expectation is about the state before its request, not about
// what an earlier group adds.
func testSecondGroup(f *fixture) {
	f.is("first", f.one(expecting(0, "s", "a"), group("t", "b"), group("s", "c")).Err, nil)
	f.is("second", f.one(group("u", "d"), expecting(2, "s", "e"), group("s", "f", "g")).Err, nil)
	f.conflict("third", f.one(expecting(2, "s", "x"), group("s", "x")).Err, 0, "s", 5)
	f.holds("s", "a", "c", "e", "f", "g")
	f.wants(everything(), "a", "b", "c", "d", "e", "f", "g")
}

// testConflict: the error names the first expectation that is not met.
func testConflict(f *fixture) {
	f.appendEvents("a", "1")
	f.appendEvents("b", "1", "2")
	r := f.one(expecting(1, "a", "x"), group("none", "x"), expecting(3, "b", "x"), expecting(7, "a/b", "x"))
	f.conflict("two of three are not met", r.Err, 2, "b", 2)
	r = f.one(expecting(7, "a/b", "x"), expecting(3, "b", "x"))
	f.conflict("a stream that does not exist", r.Err, 0, "a/b", 0)
	f.lists("", "", "a=1", "b=2")
}

func testExpectEmptied(f *fixture) {
	f.appendEvents("s", "a", "b")
	f.empty("s")
	f.twice(func() {
		f.conflict("its last id", f.one(expecting(2, "s", "x")).Err, 0, "s", 0)
		f.conflict("beside another", f.one(group("t", "x"), expecting(1, "s", "x")).Err, 1, "s", 0)
	})
	if r := f.one(expecting(0, "s", "c")); r.Err != nil || r.IDs[0] != 3 {
		f.t.Errorf("an emptied stream does not match zero, or its ids do not go on: %+v", r)
	}
	f.conflict("afterwards", f.one(expecting(0, "s", "x")).Err, 0, "s", 3)
	f.is("delete", f.deleteEvents("s", 2), nil)
	f.is("the last after a delete before it", f.one(expecting(3, "s", "d")).Err, nil)
	f.holds("s", "c", "d")
}

func testFiveWriters(f *fixture) {
	var won, told atomic.Int64
	var wg sync.WaitGroup
	for w := range 5 {
		wg.Go(func() {
			r := f.one(expecting(0, "s", strconv.Itoa(w)))
			if r.Err == nil {
				won.Add(1)
				return
			}
			f.conflict("a writer that came too late", r.Err, 0, "s", 1)
			told.Add(1)
		})
	}
	wg.Wait()
	if won.Load() != 1 || told.Load() != 4 {
		f.t.Errorf("%d won and %d were told", won.Load(), told.Load())
	}
	if have := Read(f.t, f.s, whole("s")); len(have) != 1 {
		f.t.Errorf("the stream holds %q", have)
	}
}
