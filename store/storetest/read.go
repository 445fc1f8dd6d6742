package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"gorewind/store"
)

var readCases = []testCase{
	{"P3 P6 E4 bounds", testBounds},
	{"bounds are fixed", testResolve},
	{"P6 nearest", testNearest},
	{"F31 F34 limit and backward", testLimit},
	{"byte limit", testByteLimit},
	{"A8 since and until", testTime},
	{"since and until of one commit", testTimeOfCommit},
	{"any combination", testReadCombined},
	{"backward over large events", testBackwardLarge},
	{"read is fixed at its start", testFixedEnd},
	{"bytes are not shared", testNotShared},
	{"F25 cancelled", testCancelled},
}

// between returns the range of a stream with both bounds.
func between(stream string, after, upTo uint64) store.Range {
	return store.Range{Stream: []byte(stream), After: store.Some(after), UpTo: store.Some(upTo)}
}

func testBounds(f *fixture) {
	written := numbers(10)
	for range written {
		f.appendEvents("other", "x")
	}
	f.appendEvents("s", written...)
	none := store.Optional{}
	f.twice(func() {
		for _, c := range []struct {
			after, upTo store.Optional
			first, last int // of the events read, if last is not 0
			err         error
		}{
			{none, none, 1, 10, nil},
			{store.Some(0), none, 1, 10, nil},
			{store.Some(3), none, 4, 10, nil},
			{none, store.Some(3), 1, 3, nil},
			{store.Some(3), store.Some(7), 4, 7, nil},
			{store.Some(3), store.Some(4), 4, 4, nil},
			{store.Some(3), store.Some(3), 0, 0, nil},
			{store.Some(10), none, 0, 0, nil},
			{store.Some(10), store.Some(10), 0, 0, nil},
			{none, store.Some(0), 0, 0, nil},
			{store.Some(0), store.Some(0), 0, 0, nil},
			{store.Some(11), none, 0, 0, store.ErrUnknownID},
			{none, store.Some(11), 0, 0, store.ErrUnknownID},
			{store.Some(11), store.Some(12), 0, 0, store.ErrUnknownID},
			{store.Some(11), store.Some(11), 0, 0, store.ErrUnknownID},
			{store.Some(4), store.Some(3), 0, 0, store.ErrBadRange},
			{store.Some(1 << 63), none, 0, 0, store.ErrUnknownID},
			{none, store.Some(1<<64 - 1), 0, 0, store.ErrUnknownID},
		} {
			r := store.Range{Stream: []byte("s"), After: c.after, UpTo: c.upTo}
			f.reads(r, c.err, written[max(c.first, 1)-1:max(c.last, 0)]...)
		}
	})
	f.reads(store.Range{Stream: []byte("none"), After: store.Some(1)}, store.ErrUnknownID)
	f.reads(between("none", 0, 0), nil)
}

// reads checks Read and Resolve of a range, forward and backward.
func (f *fixture) reads(r store.Range, want error, events ...string) {
	f.t.Helper()
	for _, r.Backward = range []bool{true, false} {
		_, err := f.s.Resolve(context.Background(), r)
		f.is(fmt.Sprint("resolve: ", query{Range: r}), err, want)
		have, err := read(f.s, r)
		f.is(query{Range: r}.String(), err, want)
		if r.Backward && len(have) != len(events) {
			f.t.Fatalf("%s: want %d events, have %d", query{Range: r}, len(events), len(have))
		}
		if !r.Backward {
			same(f.t, texts(have), events)
		}
	}
}

func testResolve(f *fixture) {
	f.appendEvents("s", "a", "b", "c")
	f.appendEvents("t", "d")
	log := f.log(4)
	for name, r := range map[string]store.Range{
		"stream":    {Stream: []byte("s"), After: store.Some(1)},
		"backward":  {Stream: []byte("s"), Backward: true, Limit: 2},
		"time":      {Stream: []byte("s"), Since: log[0].Time, Until: log[3].Time.Add(time.Hour)},
		"missing":   {Stream: []byte("none")},
		"selection": {Select: store.Prefix(nil), After: store.Some(log[0].Position)},
		"nearest":   {Stream: []byte("s"), After: store.Some(7), UpTo: store.Some(2), Nearest: true},
	} {
		fixed, err := f.s.Resolve(context.Background(), r)
		if err != nil {
			f.t.Fatalf("%s: %v", name, err)
		}
		if !fixed.After.Given || !fixed.UpTo.Given || !fixed.Since.IsZero() || !fixed.Until.IsZero() || !fixed.Nearest {
			f.t.Errorf("%s: %+v is not fixed", name, fixed)
		}
		want := chosen(log, r)
		f.appendEvents("s", "more")
		f.appendEvents("none", "more")
		same(f.t, Read(f.t, f.s, fixed), texts(want))
		log = f.log(len(log) + 2)
	}
}

func testNearest(f *fixture) {
	f.appendEvents("s", numbers(10)...)
	f.is("delete", f.deleteEvents("s", 4), nil)
	f.twice(func() {
		for _, c := range []struct {
			after, upTo uint64
			want        string
		}{
			{0, 10, "4 5 6 7 8 9"},
			{2, 6, "4 5"},
			{4, 6, "4 5"},
			{1, 3, ""},
			{8, 99, "8 9"},
			{99, 100, ""},
			{10, 1<<64 - 1, ""},
			{1<<64 - 1, 1<<64 - 1, ""},
			{8, 6, ""},
			{8, 0, ""},
		} {
			r := between("s", c.after, c.upTo)
			r.Nearest = true
			f.reads(r, nil, strings.Fields(c.want)...)
		}
		none := between("none", 3, 7)
		none.Nearest = true
		f.reads(none, nil)
	})
}

func testLimit(f *fixture) {
	written := numbers(20)
	f.appendEvents("s", written...)
	f.appendEvents("t", "x")
	page := store.Range{Stream: []byte("s"), Limit: 10}
	f.wants(page, written[:10]...)
	page.After = store.Some(10)
	f.wants(page, written[10:]...)
	f.wants(store.Range{Stream: []byte("s"), Backward: true, Limit: 5}, "19", "18", "17", "16", "15")
	f.wants(store.Range{Stream: []byte("s"), Backward: true, Limit: 1}, "19")
	f.wants(store.Range{Stream: []byte("s"), Backward: true, UpTo: store.Some(4)}, "3", "2", "1", "0")
	f.wants(store.Range{Stream: []byte("s"), Backward: true, After: store.Some(16), Limit: 9}, "19", "18", "17", "16")
	f.wants(store.Range{Stream: []byte("s"), After: store.Some(19), Limit: 1}, "19")
	f.wants(store.Range{Stream: []byte("s"), After: store.Some(20), Limit: 1})
	f.wants(store.Range{Stream: []byte("none"), Backward: true, Limit: 1})
}

func testByteLimit(f *fixture) {
	f.appendEvents("s", "1234", "5678", "90")
	for size, n := range map[int]int{0: 3, 1: 1, 4: 1, 5: 2, 8: 2, 9: 3, 1000: 3} {
		r := whole("s")
		r.Bytes = size
		if have := Read(f.t, f.s, r); len(have) != n {
			f.t.Errorf("%d bytes: %q", size, have)
		}
		f.agrees("bytes of a selection", f.log(3), store.Range{Select: store.Prefix(nil), Bytes: size})
		f.agrees("bytes backward", f.log(3), store.Range{Stream: []byte("s"), Bytes: size, Backward: true})
	}
}

// commits makes n commits to streams in turn, each at a different time, and returns
// all events.
func (f *fixture) commits(n int, streams ...string) []store.Event {
	f.t.Helper()
	var last time.Time
	for i, data := range numbers(n) {
		for !time.Now().Truncate(time.Microsecond).After(last) {
		}
		f.appendEvents(streams[i%len(streams)], data)
		events, err := read(f.s, store.Range{Select: store.Prefix(nil), Backward: true, Limit: 1})
		if err != nil {
			f.t.Fatal(err)
		}
		last = events[0].Time
	}
	return f.log(n)
}

// timesAround returns times before, at, between and after those of events.
func timesAround(log []store.Event) (at []time.Time) {
	for _, e := range log {
		at = append(at, e.Time.Add(-time.Microsecond), e.Time, e.Time.Add(time.Microsecond))
	}
	first, last := log[0].Time, log[len(log)-1].Time
	return append(at, time.Time{}, time.Unix(-1, 0), time.Unix(0, 0), first.Add(-time.Hour), last.Add(time.Hour), last.AddDate(5000, 0, 0))
}

func testTime(f *fixture) {
	log := f.commits(12, "a", "b", "a")
	f.twice(func() {
		for _, since := range timesAround(log) {
			for _, r := range []store.Range{whole("a"), whole("b"), everything()} {
				r.Since = since
				f.agrees("since", log, r)
				r.Since, r.Until = time.Time{}, since
				f.agrees("until", log, r)
				r.Since, r.Backward = log[3].Time, true
				f.agrees("both", log, r)
				r.After = store.Some(2)
				f.agrees("both and after", log, r)
			}
		}
	})
	f.wants(store.Range{Stream: []byte("none"), Since: log[0].Time})
	f.is("an id that the time leaves out", f.reading(store.Range{Stream: []byte("a"), Since: log[11].Time, After: store.Some(99)}), store.ErrUnknownID)
}

// reading returns the error of reading a range.
func (f *fixture) reading(r store.Range) error {
	_, err := read(f.s, r)
	return err
}

// testTimeOfCommit: events of one commit have the same time, and are selected
// together.
func testTimeOfCommit(f *fixture) {
	f.appendEvents("s", "before")
	f.all(request(group("s", "a"), group("t", "b"), group("s", "c")))
	log := f.log(4)
	if !log[1].Time.Equal(log[2].Time) || !log[2].Time.Equal(log[3].Time) {
		f.t.Errorf("times of one commit differ: %+v", log)
	}
	for _, at := range timesAround(log) {
		f.agrees("since", log, store.Range{Select: store.Prefix(nil), Since: at})
		f.agrees("until", log, store.Range{Stream: []byte("s"), Until: at})
	}
}

// testReadCombined combines every option with every other.
func testReadCombined(f *fixture) {
	r, seed := Rand(f.t)
	log := f.commits(60, "a", "b", "a", "a")
	f.is("delete", f.deleteEvents("a", 7), nil)
	log = f.log(len(log) - 7)
	for range 300 {
		q := store.Range{Stream: []byte("a"), Nearest: true, Backward: r.IntN(2) == 0, Limit: r.IntN(4) * 5, Bytes: r.IntN(4) * 7}
		if r.IntN(2) == 0 {
			q.After = store.Some(uint64(r.IntN(50)))
		}
		if r.IntN(2) == 0 {
			q.UpTo = store.Some(uint64(r.IntN(50)))
		}
		if r.IntN(3) == 0 {
			q.Since = log[r.IntN(len(log))].Time
		}
		if r.IntN(3) == 0 {
			q.Until = log[r.IntN(len(log))].Time
		}
		f.agrees(fmt.Sprint("seed ", seed), log, q)
	}
}

func testBackwardLarge(f *fixture) {
	var want []string
	for i := range 300 {
		data := strings.Repeat(string(rune('a'+i%26)), 1+i*i)
		if i%3 == 0 {
			data = ""
		}
		f.appendEvents("s", data)
		want = append([]string{data}, want...)
	}
	f.twice(func() {
		f.wants(store.Range{Stream: []byte("s"), Backward: true}, want...)
		f.wants(store.Range{Select: store.Prefix([]byte("s")), Backward: true}, want...)
	})
}

func testFixedEnd(f *fixture) {
	for _, r := range []store.Range{whole("s"), {Select: store.Prefix([]byte("s"))}} {
		f.appendEvents("s", "a", "b")
		before := len(Read(f.t, f.s, r))
		n := 0
		for _, err := range f.s.Read(context.Background(), r) {
			if err != nil {
				f.t.Fatal(err)
			}
			n++
			f.appendEvents("s", "more")
		}
		if n != before {
			f.t.Errorf("%d events of the %d that were there", n, before)
		}
	}
}

func testNotShared(f *fixture) {
	written := numbers(20_000)
	f.appendEvents("s", written[:10_000]...)
	f.appendEvents("s", written[10_000:]...)
	for _, r := range []store.Range{whole("s"), everything()} {
		var kept []store.Event
		for e, err := range f.s.Read(context.Background(), r) {
			if err != nil {
				f.t.Fatal(err)
			}
			kept = append(kept, e)
		}
		same(f.t, texts(kept), written)
	}
}

func testCancelled(f *fixture) {
	f.appendEvents("s", "a")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	started := make(chan bool, 1)
	go func() {
		for _, err := range f.s.Tail(ctx, 0) {
			if err != nil {
				ended <- err
				return
			}
			started <- true
		}
	}()
	<-started
	cancel()
	f.is("tail", <-ended, context.Canceled)
	for name, r := range map[string]store.Range{"stream": whole("s"), "selection": everything()} {
		last := errors.New("no error")
		for _, err := range f.s.Read(ctx, r) {
			last = err
		}
		f.is("read of a "+name, last, context.Canceled)
	}
	for _, err := range f.s.Streams(ctx, nil, nil) {
		f.is("streams", err, context.Canceled)
	}
}
