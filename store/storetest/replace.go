package storetest

import (
	"context"
	"fmt"
	"strings"

	"gorewind/store"
)

var replaceCases = []testCase{
	{"F5 F11 replace", testReplace},
	{"what cannot be replaced", testReplaceRefused},
	{"sizes", testReplaceSizes},
	{"replaced among many", testReplaceMany},
	{"tail from memory after replace", testReplaceFollowed},
	{"a read meets what was replaced", testReplaceWhileReading},
}

// testReplace: a replace changes only the data, wherever it is read.
func testReplace(f *fixture) {
	f.appendEvents("s", "first", "second")
	f.appendEvents("t", "third")
	log := f.log(3)
	f.is("replace", f.replace("s", 1, "new"), nil)
	log[0].Data = []byte("new")
	f.twice(func() {
		f.agrees("stream", log, whole("s"))
		f.agrees("backward", log, store.Range{Stream: []byte("s"), Backward: true})
		f.agrees("selection", log, everything())
		f.agrees("since", log, store.Range{Stream: []byte("s"), Since: log[0].Time})
		f.agrees("glob", log, store.Range{Select: f.glob("s")})
		f.follows(0, log)
	})
	f.is("again", f.replace("s", 1, "newer"), nil)
	f.is("another", f.replace("t", 1, "other"), nil)
	f.twice(func() { f.wants(everything(), "newer", "second", "other") })
	if id := f.appendEvents("s", "fourth"); id != 3 {
		f.t.Errorf("the id after a replace is %d", id)
	}
}

// follows checks what Tail yields after a position.
func (f *fixture) follows(from uint64, want []store.Event) {
	f.t.Helper()
	have := f.follow(from, len(want))
	for i := range want {
		if text(have[i]) != text(want[i]) {
			f.t.Fatalf("after position %d, event %d: want %s, have %s", from, i, text(want[i]), text(have[i]))
		}
	}
}

func testReplaceRefused(f *fixture) {
	f.appendEvents("s", "a", "b", "c")
	f.is("delete", f.deleteEvents("s", 1), nil)
	f.is("another", f.one(group("t", "d")).Err, nil)
	for name, c := range map[string]struct {
		stream string
		id     uint64
		size   int
		want   error
	}{
		"id zero":         {"s", 0, 1, store.ErrUnknownID},
		"deleted":         {"s", 1, 1, store.ErrUnknownID},
		"beyond the last": {"s", 4, 1, store.ErrUnknownID},
		"the largest id":  {"s", 1<<64 - 1, 1, store.ErrUnknownID},
		"no such stream":  {"none", 1, 1, store.ErrUnknownID},
		"no name":         {"", 1, 1, store.ErrInvalid},
		"too large":       {"s", 2, store.MaxEvent + 1, store.ErrTooLarge},
	} {
		f.is(name, f.replace(c.stream, c.id, strings.Repeat("x", c.size)), c.want)
	}
	f.twice(func() { f.wants(everything(), "b", "c", "d") })
}

func testReplaceSizes(f *fixture) {
	sizes := []int{0, 1, 100, 5000, 300_000, store.MaxEvent}
	var want []string
	for i := range sizes {
		f.appendEvents("s", fmt.Sprint("before ", i), strings.Repeat("o", sizes[len(sizes)-1-i]), fmt.Sprint("behind ", i))
		data := strings.Repeat("n", sizes[i])
		f.is("replace", f.replace("s", uint64(3*i+2), data), nil)
		want = append(want, fmt.Sprint("before ", i), data, fmt.Sprint("behind ", i))
	}
	f.twice(func() {
		f.holds("s", want...)
		f.wants(everything(), want...)
		for i := range want {
			f.wants(between("s", uint64(i), uint64(i+1)), want[i])
		}
	})
}

// testReplaceMany: neighbours that an engine may store together stay as they are,
// even if events are replaced several times or in any order.
func testReplaceMany(f *fixture) {
	r, _ := Rand(f.t)
	f.appendEvents("s", numbers(3000)...)
	f.appendEvents("t", "other")
	log := f.log(3001)
	for i := range 150 {
		id := uint64(1 + r.IntN(3000))
		if i%10 < 3 {
			id = uint64(1000 + r.IntN(20))
		}
		data := strings.Repeat("n", r.IntN(1+r.IntN(3000)))
		f.is("replace", f.replace("s", id, data), nil)
		log[id-1].Data = []byte(data)
	}
	f.twice(func() {
		f.agrees("stream", log, whole("s"))
		f.agrees("selection backward", log, store.Range{Select: store.Prefix(nil), Backward: true})
		f.follows(log[500].Position, log[501:])
		for range 100 {
			q := between("s", uint64(r.IntN(3000)), 3000)
			q.Limit, q.Bytes = 1+r.IntN(30), r.IntN(5000)
			f.agrees("part", log, q)
		}
	})
}

// testReplaceFollowed: an engine may keep commits in memory while somebody follows.
func testReplaceFollowed(f *fixture) {
	stop := f.stay()
	defer stop()
	f.appendEvents("s", "a", "b", "c")
	f.appendEvents("t", "d")
	f.is("replace", f.replace("s", 2, "new"), nil)
	f.appendEvents("s", "e")
	f.follows(0, f.read(everything()))
	same(f.t, texts(f.log(5)), []string{"a", "new", "c", "d", "e"})
}

// stay follows without falling behind until stop is called.
func (f *fixture) stay() (stop func()) {
	f.appendEvents("beside", "x")
	started, ended := make(chan bool, 1), make(chan bool)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer close(ended)
		for range f.s.Tail(ctx, 0) {
			select {
			case started <- true:
			default:
			}
		}
	}()
	<-started
	f.empty("beside")
	return func() { cancel(); <-ended }
}

// read returns the events of a range.
func (f *fixture) read(r store.Range) []store.Event {
	f.t.Helper()
	events, err := read(f.s, r)
	if err != nil {
		f.t.Fatal(err)
	}
	return events
}

// testReplaceWhileReading: a Read that continues after a replace far ahead of it
// yields the new data.
func testReplaceWhileReading(f *fixture) {
	f.appendEvents("s", numbers(10_000)...)
	f.appendEvents("s", numbers(10_000)...)
	for i, r := range []store.Range{whole("s"), everything()} {
		data, n := fmt.Sprint("new ", i), 0
		for e, err := range f.s.Read(context.Background(), r) {
			if err != nil {
				f.t.Fatal(err)
			}
			if n++; n == 1 {
				f.is("replace", f.replace("s", 20_000, data), nil)
			}
			if e.ID == 20_000 && string(e.Data) != data {
				f.t.Errorf("%q was read after it was replaced by %q", e.Data, data)
			}
		}
		if n != 20_000 {
			f.t.Errorf("%d events", n)
		}
	}
}
