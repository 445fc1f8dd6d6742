package storetest

import (
	"context"
	"fmt"
	"strings"
	"time"

	"gorewind/store"
)

var selectionCases = []testCase{
	{"E2 in the order of commits", testSelectOrder},
	{"A4 F12 F13 F16 prefix and glob", testSelectNames},
	{"bounds are positions", testSelectBounds},
	{"E6 F15 F29 resume anywhere", testSelectResume},
	{"interleaved in one call", testInterleavedOne},
	{"interleaved in many calls", testInterleavedMany},
	{"few streams among many", testFewAmongMany},
	{"many streams", testManyStreams},
	{"a stream that is far ahead of the rest", testSelectUneven},
	{"selections in any combination", testSelectCombined},
	{"progress", testProgress},
}

// glob selects streams by the first pattern and also by the others.
func (f *fixture) glob(patterns ...string) *store.Selection {
	f.t.Helper()
	s := new(store.Selection)
	for _, p := range patterns {
		if err := s.Also('/', []byte(p)); err != nil {
			f.t.Fatal(err)
		}
	}
	return s
}

func testSelectOrder(f *fixture) {
	f.is("a, if it is not there", f.one(expecting(0, "s1", "a")).Err, nil)
	f.appendEvents("s2", "b")
	f.twice(func() {
		f.wants(everything(), "a", "b")
		f.wants(store.Range{Select: store.Prefix(nil), Backward: true}, "b", "a")
	})
	f.is("c, if b is the last", f.one(expecting(1, "s2", "c")).Err, nil)
	f.conflict("again", f.one(expecting(1, "s2", "x")).Err, 0, "s2", 2)
	f.appendEvents("s0", "d")
	f.twice(func() { f.wants(everything(), "a", "b", "c", "d") })
}

func testSelectNames(f *fixture) {
	for _, name := range []string{"user/id/added", "user/id/removed", "/p/123", "visits/123", "care-recipient/123", "/p/987", "user", "visits/9"} {
		f.appendEvents(name, name)
	}
	f.twice(func() {
		for _, c := range []struct {
			label string
			s     *store.Selection
			want  string
		}{
			{"A4 user.id.>", f.glob("user/id/**"), "user/id/added user/id/removed"},
			{"A4 user.*.*", f.glob("user/*/*"), "user/id/added user/id/removed"},
			{"A4 user.id.added", f.glob("user/id/added"), "user/id/added"},
			{"A4 >", f.glob("**"), "user/id/added user/id/removed /p/123 visits/123 care-recipient/123 /p/987 user visits/9"},
			{"F12 /p/{id}", f.glob("/p/*"), "/p/123 /p/987"},
			{"F13 visits/{id}", f.glob("visits/*"), "visits/123 visits/9"},
			{"F16 two templates", f.glob("visits/*", "/p/*"), "/p/123 visits/123 /p/987 visits/9"},
			{"one that both select", f.glob("visits/*", "visits/9", "*/9"), "visits/123 visits/9"},
			{"prefix", store.Prefix([]byte("user")), "user/id/added user/id/removed user"},
			{"the longest", store.Prefix([]byte("user/id/removed")), "user/id/removed"},
			{"none", store.Prefix([]byte("users")), ""},
			{"nothing", new(store.Selection), ""},
			{"one token", f.glob("*"), "user"},
		} {
			want := strings.Fields(c.want)
			same(f.t, Read(f.t, f.s, store.Range{Select: c.s}), want)
			f.agrees(c.label, f.log(8), store.Range{Select: c.s, Backward: true})
		}
	})
}

func testSelectBounds(f *fixture) {
	f.appendEvents("a", "1", "2")
	f.appendEvents("b", "3")
	f.appendEvents("a", "4")
	log := f.log(4)
	f.is("commit", f.setCursor(store.Cursor{Consumer: []byte("c"), Stream: []byte("a"), ID: 1}), nil)
	last := f.s.Info().LastPosition
	at := func(i int) store.Optional { return store.Some(log[i].Position) }
	a := store.Prefix([]byte("a"))
	f.twice(func() {
		for _, c := range []struct {
			after, upTo store.Optional
			err         error
			want        string
		}{
			{at(0), store.Optional{}, nil, "2 4"},
			{at(2), store.Optional{}, nil, "4"}, // another stream's
			{store.Optional{}, at(2), nil, "1 2"},
			{at(1), at(3), nil, "4"},
			{at(2), at(2), nil, ""},
			{store.Some(0), store.Some(0), nil, ""},
			{store.Some(last), store.Optional{}, nil, ""},
			{at(0), store.Some(last), nil, "2 4"},
			{store.Some(last + 1), store.Optional{}, store.ErrUnknownID, ""},
			{store.Optional{}, store.Some(last + 1), store.ErrUnknownID, ""},
			{at(2), at(1), store.ErrBadRange, ""},
		} {
			r := store.Range{Select: a, After: c.after, UpTo: c.upTo}
			f.reads(r, c.err, strings.Fields(c.want)...)
			if r.Nearest = true; c.err == nil {
				f.reads(r, nil, strings.Fields(c.want)...)
			}
		}
		f.reads(store.Range{Select: a, After: at(2), UpTo: at(1), Nearest: true}, nil)
		f.reads(store.Range{Select: a, After: at(1), UpTo: store.Some(1<<64 - 1), Nearest: true}, nil, "4")
		f.reads(store.Range{Select: a, After: store.Some(1<<64 - 1), Nearest: true}, nil)
		f.reads(store.Range{Select: new(store.Selection), After: store.Some(last + 1)}, store.ErrUnknownID)
	})
}

func testSelectResume(f *fixture) {
	log := f.interleave(7, 10, false)
	for _, s := range []*store.Selection{store.Prefix(nil), f.glob("*/1", "*/4"), f.glob("s/3")} {
		for _, e := range log {
			for _, limit := range []int{0, 3} {
				f.agrees("resume", log, store.Range{Select: s, After: store.Some(e.Position), Limit: limit})
				f.agrees("resume backward", log, store.Range{Select: s, UpTo: store.Some(e.Position - 1), Limit: limit, Backward: true})
			}
		}
	}
}

// interleave appends n events to each of some streams, in turn, in one call or in
// one call per event, and returns all.
func (f *fixture) interleave(streams, n int, one bool) []store.Event {
	f.t.Helper()
	var reqs []store.Append
	for i := range streams * n {
		reqs = append(reqs, request(group(fmt.Sprint("s/", i%streams), fmt.Sprint(i))))
	}
	if one {
		f.all(reqs...)
	} else {
		for _, r := range reqs {
			f.all(r)
		}
	}
	return f.log(streams * n)
}

func testInterleavedOne(f *fixture)  { f.interleaved(f.interleave(100, 50, true)) }
func testInterleavedMany(f *fixture) { f.interleaved(f.interleave(20, 25, false)) }

func (f *fixture) interleaved(log []store.Event) {
	f.t.Helper()
	for i, e := range log {
		if string(e.Data) != fmt.Sprint(i) {
			f.t.Fatalf("event %d is %q", i, e.Data)
		}
	}
	f.twice(func() {
		for name, s := range map[string]*store.Selection{
			"all": store.Prefix(nil), "glob for all": f.glob("**"), "one": f.glob("s/7"),
			"two": f.glob("s/3", "s/11"), "a tenth": f.glob("s/1*"), "by their end": f.glob("**2"),
		} {
			for _, backward := range []bool{false, true} {
				f.agrees(name, log, store.Range{Select: s, Backward: backward})
				f.agrees(name, log, store.Range{Select: s, Backward: backward, After: store.Some(log[len(log)/3].Position), Limit: 100})
				f.agrees(name, log, store.Range{Select: s, Backward: backward, UpTo: store.Some(log[len(log)/2].Position)})
			}
		}
	})
}

func testFewAmongMany(f *fixture) {
	var reqs []store.Append
	for i, data := range numbers(3000) {
		reqs = append(reqs, request(group("other/"+data, data)))
		if i%50 == 0 {
			reqs = append(reqs, request(group("m/"+data[:1], "1 "+data)), request(group("m/"+fmt.Sprint(i%3), "2 "+data)))
		}
	}
	f.all(reqs...)
	log := f.log(len(reqs))
	f.twice(func() {
		for name, s := range map[string]*store.Selection{
			"prefix": store.Prefix([]byte("m/")), "glob": f.glob("m/*"), "names": f.glob("m/0", "m/1", "m/2"),
			"by their end": f.glob("*/17"), "three of them": f.glob("other/17", "other/2999", "other/0"),
		} {
			f.agrees(name, log, store.Range{Select: s})
			f.agrees(name, log, store.Range{Select: s, Backward: true, Limit: 7})
			f.agrees(name, log, store.Range{Select: s, After: store.Some(log[1500].Position), Limit: 1})
		}
	})
}

func testManyStreams(f *fixture) {
	var reqs []store.Append
	for i, data := range numbers(10_000) {
		reqs = append(reqs, request(group(fmt.Sprint("stream/", (i*7)%5000), data)))
	}
	f.all(reqs...)
	log := f.log(len(reqs))
	f.twice(func() {
		f.agrees("prefix", log, everything())
		f.agrees("glob", log, store.Range{Select: f.glob("**"), Backward: true})
		f.agrees("half", log, store.Range{Select: f.glob("stream/*1*", "stream/*2*")})
		f.agrees("page", log, store.Range{Select: f.glob("stream/*"), After: store.Some(log[9000].Position), Limit: 50})
		f.agrees("last", log, store.Range{Select: f.glob("stream/*"), Backward: true, Limit: 1})
	})
}

// testSelectUneven merges streams that end at different places, and are large or
// empty.
func testSelectUneven(f *fixture) {
	big := strings.Repeat("x", 100_000)
	f.appendEvents("a", numbers(6000)...)
	f.appendEvents("b", "first")
	f.appendEvents("a", big, "", big)
	f.appendEvents("c", big, "")
	f.appendEvents("a", numbers(6000)...)
	f.appendEvents("b", "last", "")
	log := f.log(6000 + 1 + 3 + 2 + 6000 + 2)
	for _, s := range []*store.Selection{store.Prefix(nil), f.glob("a", "b"), f.glob("b", "c")} {
		f.agrees("forward", log, store.Range{Select: s})
		f.agrees("backward", log, store.Range{Select: s, Backward: true})
	}
}

func testSelectCombined(f *fixture) {
	r, seed := Rand(f.t)
	log := f.commits(60, "a", "b", "a/c", "a", "d")
	f.is("delete", f.deleteEvents("a", 7), nil)
	log = f.log(len(log) - 7)
	last := f.s.Info().LastPosition
	for range 300 {
		q := store.Range{Select: f.glob([]string{"a", "**", "*", "a**", "d"}[r.IntN(5)], "b"), Backward: r.IntN(2) == 0, Limit: r.IntN(4) * 5, Bytes: r.IntN(4) * 7}
		if r.IntN(2) == 0 {
			q.After = store.Some(r.Uint64N(last + 1))
		}
		if r.IntN(2) == 0 {
			q.UpTo = store.Some(q.After.N + r.Uint64N(last+1-q.After.N))
		}
		if r.IntN(3) == 0 {
			q.Since = log[r.IntN(len(log))].Time.Add(time.Duration(r.IntN(3)-1) * time.Microsecond)
		}
		if r.IntN(3) == 0 {
			q.Until = log[r.IntN(len(log))].Time
		}
		f.agrees(fmt.Sprint("seed ", seed), log, q)
	}
}

// testProgress: where little is found, Read reports how far it has scanned, and
// another Read can continue from there.
func testProgress(f *fixture) {
	var reqs []store.Append
	for _, data := range numbers(9000) {
		reqs = append(reqs, request(group("other/"+data[len(data)-1:], data)))
	}
	f.all(reqs...)
	f.appendEvents("rare", "first")
	f.all(reqs...)
	f.appendEvents("rare", "last", "last")
	log := f.log(2*9000 + 3)
	for _, backward := range []bool{false, true} {
		r := store.Range{Select: f.glob("**re"), Progress: true, Backward: backward}
		want := chosen(log, r)
		for e, err := range f.s.Read(context.Background(), r) {
			if err != nil {
				f.t.Fatal(err)
			}
			if len(e.Stream) > 0 {
				want = want[1:]
				continue
			}
			rest := store.Range{Select: r.Select, After: store.Some(e.Position), Backward: backward}
			if backward {
				rest.After, rest.UpTo = store.Optional{}, store.Some(e.Position)
			}
			f.wants(rest, texts(want)...)
		}
		if len(want) > 0 {
			f.t.Errorf("%d events are missing", len(want))
		}
	}
}
