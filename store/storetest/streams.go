package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"gorewind/store"
)

var streamsCases = []testCase{
	{"F36 streams in byte order", testStreams},
	{"streams by prefix and after a name", testStreamsPaged},
	{"emptied streams are left out", testStreamsEmptied},
	{"thousands of streams", testStreamsMany},
	{"streams come while they are listed", testStreamsWhileListed},
}

// randomName returns a name of any bytes and any length.
func randomName(r *rand.Rand) string {
	name := make([]byte, 1+r.IntN(store.MaxStream))
	for i := range name {
		name[i] = byte(r.IntN(256))
	}
	return string(name)
}

// lists checks what Streams yields, as name=last.
func (f *fixture) lists(prefix, after string, want ...string) {
	f.t.Helper()
	var have []string
	for s, err := range f.s.Streams(context.Background(), []byte(prefix), []byte(after)) {
		if err != nil {
			f.t.Fatalf("streams %q after %q: %v", prefix, after, err)
		}
		have = append(have, fmt.Sprintf("%s=%d", s.Name, s.Last))
	}
	if !slices.Equal(have, want) {
		f.t.Errorf("streams %q after %q: want %.500q, have %.500q", prefix, after, want, have)
	}
}

func testStreams(f *fixture) {
	f.lists("", "")
	for _, name := range []string{"Foo/Bar/2", "b", "Foo/Bar/10", "a", "\xff", "a\x00", "\x00", "ab", "Foo", "B"} {
		f.appendEvents(name, "x")
	}
	f.appendEvents("a", "y", "z")
	f.twice(func() {
		f.lists("", "", "\x00=1", "B=1", "Foo=1", "Foo/Bar/10=1", "Foo/Bar/2=1", "a=3", "a\x00=1", "ab=1", "b=1", "\xff=1")
	})
}

func testStreamsPaged(f *fixture) {
	for _, name := range []string{"a", "a/1", "a/10", "a/2", "b", "\xff", "\xff\xff", "\xff\xff\x00"} {
		f.appendEvents(name, "x")
	}
	f.twice(func() {
		f.lists("a/", "", "a/1=1", "a/10=1", "a/2=1")
		f.lists("a/", "a/1", "a/10=1", "a/2=1")
		f.lists("a/", "a/11", "a/2=1")
		f.lists("a/", "a/2")
		f.lists("a/", "a", "a/1=1", "a/10=1", "a/2=1")
		f.lists("a/", "b")
		f.lists("", "a/2", "b=1", "\xff=1", "\xff\xff=1", "\xff\xff\x00=1")
		f.lists("\xff", "", "\xff=1", "\xff\xff=1", "\xff\xff\x00=1")
		f.lists("\xff\xff", "\xff\xff", "\xff\xff\x00=1")
		f.lists("", "\xff\xff\x00")
		f.lists("c", "")
		f.lists(strings.Repeat("\xff", store.MaxStream), "")
	})
}

func testStreamsEmptied(f *fixture) {
	for _, name := range []string{"a", "b", "c"} {
		f.appendEvents(name, "x", "y")
	}
	f.empty("b")
	f.is("delete", f.deleteEvents("a", 1), nil)
	f.twice(func() { f.lists("", "", "a=2", "c=2") })
	f.appendEvents("b", "z")
	f.twice(func() { f.lists("", "a", "b=3", "c=2") })
}

func testStreamsMany(f *fixture) {
	r, _ := Rand(f.t)
	last := map[string]int{}
	var reqs []store.Append
	for range 4000 {
		name := randomName(r)
		if r.IntN(2) == 0 {
			name = fmt.Sprint("n", r.IntN(3000))
		}
		last[name]++
		reqs = append(reqs, request(group(name, "x")))
	}
	f.all(reqs...)
	var names, numbered []string
	for name := range last {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = fmt.Sprintf("%s=%d", name, last[name])
		if strings.HasPrefix(name, "n") {
			numbered = append(numbered, names[i])
		}
	}
	f.twice(func() {
		f.lists("", "", names...)
		f.lists("n", "", numbered...)
	})
}

// testStreamsWhileListed: streams that existed at the call are listed once,
// whatever else happens.
func testStreamsWhileListed(f *fixture) {
	var want []string
	for i := range 2000 {
		name := fmt.Sprintf("s%04d", i)
		f.appendEvents(name, "x")
		want = append(want, name)
	}
	var have []string
	for s, err := range f.s.Streams(context.Background(), []byte("s"), nil) {
		if err != nil {
			f.t.Fatal(err)
		}
		if len(have)%500 == 0 {
			f.appendEvents("r", "x")
			f.appendEvents(string(s.Name), "y")
		}
		have = append(have, string(s.Name))
	}
	if !slices.Equal(have, want) {
		f.t.Errorf("%d streams of %d", len(have), len(want))
	}
}
