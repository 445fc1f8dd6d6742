package storetest

import (
	"context"
	"fmt"
	"strings"

	"gorewind/store"
)

var deleteCases = []testCase{
	{"delete up to an id", testDelete},
	{"delete all", testDeleteAll},
	{"delete what is not there", testDeleteNothing},
	{"E5 delete with an expectation", testDeleteExpected},
	{"what cannot be deleted", testDeleteRefused},
	{"bounds after a delete", testDeleteBounds},
	{"cut in many events", testDeleteMany},
	{"deleted and written over and over", testDeleteAgain},
	{"delete in many streams", testDeleteStreams},
	{"tail from memory after delete", testDeleteFollowed},
	{"a read meets what was deleted", testDeleteWhileReading},
}

func testDelete(f *fixture) {
	f.appendEvents("s", "a", "b", "c", "d")
	f.appendEvents("t", "e")
	log := f.log(5)
	f.is("delete", f.deleteEvents("s", 2), nil)
	log = log[2:]
	f.twice(func() {
		f.agrees("stream", log, whole("s"))
		f.agrees("backward", log, store.Range{Stream: []byte("s"), Backward: true})
		f.agrees("selection", log, everything())
		f.agrees("glob", log, store.Range{Select: f.glob("s")})
		f.agrees("limit", log, store.Range{Select: f.glob("*"), Limit: 1})
		f.follows(0, log)
		f.lists("", "", "s=4", "t=1")
	})
	if id := f.appendEvents("s", "f"); id != 5 {
		f.t.Errorf("the id after a delete is %d", id)
	}
}

func testDeleteAll(f *fixture) {
	f.appendEvents("s", "a", "b")
	f.appendEvents("t", "c")
	f.empty("s")
	f.twice(func() {
		f.holds("s")
		f.wants(everything(), "c")
		f.wants(store.Range{Select: f.glob("s"), Backward: true})
		f.lists("", "", "t=1")
		same(f.t, texts(f.log(1)), []string{"c"})
	})
	if id := f.appendEvents("s", "d"); id != 3 {
		f.t.Errorf("the id after all were deleted is %d", id)
	}
	f.is("delete the last by its id", f.deleteEvents("s", 3), nil)
	f.twice(func() {
		f.holds("s")
		f.lists("", "", "t=1")
	})
	f.empty("t")
	f.twice(func() { f.wants(everything()) })
}

func testDeleteNothing(f *fixture) {
	f.empty("none")
	f.is("an id without a stream", f.deleteEvents("none", 1), nil)
	f.appendEvents("s", "a", "b", "c")
	for range 2 {
		f.is("up to an id, twice", f.deleteEvents("s", 2), nil)
	}
	f.is("before what is deleted", f.deleteEvents("s", 1), nil)
	f.twice(func() { f.holds("s", "c") })
	f.empty("s")
	f.empty("s")
	f.is("an id of an emptied stream", f.deleteEvents("s", 1), nil)
	f.is("the last of an emptied stream", f.deleteEvents("s", 3), nil)
	f.holds("s")
	f.lists("", "")
}

func testDeleteExpected(f *fixture) {
	f.appendEvents("s", "a", "b", "c")
	d := func(upTo, expected uint64) store.Delete {
		return store.Delete{Stream: []byte("s"), UpTo: store.Some(upTo), Expected: store.Some(expected)}
	}
	f.conflict("too early", f.erase(d(2, 2)), 0, "s", 3)
	f.conflict("zero", f.erase(d(2, 0)), 0, "s", 3)
	f.conflict("all", f.erase(store.Delete{Stream: []byte("s"), Expected: store.Some(4)}), 0, "s", 3)
	f.holds("s", "a", "b", "c")
	f.is("the last", f.erase(d(2, 3)), nil)
	f.is("the last, again", f.erase(d(3, 3)), nil)
	f.twice(func() { f.holds("s") })
	f.conflict("the last of an emptied stream", f.erase(d(3, 3)), 0, "s", 0)
	f.is("zero for an emptied stream", f.erase(d(3, 0)), nil)
	none := store.Delete{Stream: []byte("none"), Expected: store.Some(0)}
	f.is("zero for no stream", f.erase(none), nil)
	none.Expected = store.Some(1)
	f.conflict("one for no stream", f.erase(none), 0, "none", 0)
}

func testDeleteRefused(f *fixture) {
	f.appendEvents("s", "a", "b")
	f.is("beyond the last", f.deleteEvents("s", 3), store.ErrUnknownID)
	f.is("the largest id", f.deleteEvents("s", 1<<64-1), store.ErrUnknownID)
	f.is("no name", f.erase(store.Delete{}), store.ErrInvalid)
	f.twice(func() { f.holds("s", "a", "b") })
}

func testDeleteBounds(f *fixture) {
	f.appendEvents("s", numbers(8)...)
	f.appendEvents("emptied", "x", "y")
	f.is("delete", f.deleteEvents("s", 4), nil)
	f.empty("emptied")
	none := store.Optional{}
	f.twice(func() {
		for _, c := range []struct {
			stream      string
			after, upTo store.Optional
			err         error
			want        string
		}{
			{"s", none, none, nil, "4 5 6 7"},
			{"s", store.Some(0), store.Some(6), nil, "4 5"},
			{"s", store.Some(4), none, nil, "4 5 6 7"},
			{"s", store.Some(4), store.Some(5), nil, "4"},
			{"s", store.Some(4), store.Some(4), nil, ""},
			{"s", store.Some(3), none, store.ErrUnknownID, ""},
			{"s", store.Some(1), store.Some(6), store.ErrUnknownID, ""},
			{"s", none, store.Some(4), store.ErrUnknownID, ""},
			{"s", none, store.Some(1), store.ErrUnknownID, ""},
			{"emptied", none, none, nil, ""},
			{"emptied", store.Some(2), none, nil, ""},
			{"emptied", store.Some(1), none, store.ErrUnknownID, ""},
			{"emptied", store.Some(3), none, store.ErrUnknownID, ""},
		} {
			r := store.Range{Stream: []byte(c.stream), After: c.after, UpTo: c.upTo}
			f.reads(r, c.err, strings.Fields(c.want)...)
		}
	})
}

// testDeleteMany: events that are deleted may be stored together with events that
// stay: many small ones in one place, large ones alone.
func testDeleteMany(f *fixture) {
	f.appendEvents("other", "x")
	f.appendEvents("small", numbers(5000)...)
	var large []string
	for i := range 6 {
		large = append(large, strings.Repeat(fmt.Sprint(i), 100_000*i))
	}
	f.appendEvents("large", large...)
	log := f.log(1 + 5000 + 6)
	cut := func(stream string, upTo uint64) {
		f.is("delete", f.deleteEvents(stream, upTo), nil)
		log = chosen(log, store.Range{Select: f.glob("**")})
		kept := log[:0]
		for _, e := range log {
			if string(e.Stream) != stream || e.ID > upTo {
				kept = append(kept, e)
			}
		}
		log = kept
		f.twice(func() {
			f.agrees("stream", log, whole(stream))
			f.agrees("selection", log, everything())
			f.agrees("backward", log, store.Range{Select: f.glob("*a*"), Backward: true})
			f.agrees("time", log, store.Range{Select: f.glob("*"), Since: log[1].Time, Limit: 10})
			f.follows(0, log)
		})
	}
	for _, upTo := range []uint64{1, 2, 100, 101, 2500, 4998, 4999} {
		cut("small", upTo)
	}
	for upTo := range uint64(5) {
		cut("large", upTo+1)
	}
}

func testDeleteAgain(f *fixture) {
	for i := range uint64(30) {
		if id := f.appendEvents("s", "a", "b", "c"); id != 3*i+3 {
			f.t.Fatalf("id %d in round %d", id, i)
		}
		if i%3 == 0 {
			f.empty("s")
			f.holds("s")
		} else {
			f.is("delete", f.deleteEvents("s", 3*i+2), nil)
			f.holds("s", "c")
		}
	}
	f.appendEvents("s", "end")
	f.twice(func() {
		f.holds("s", "c", "end")
		same(f.t, texts(f.log(2)), []string{"c", "end"})
	})
}

// testDeleteStreams deletes one stream's events out of the middle of shared
// commits.
func testDeleteStreams(f *fixture) {
	log := f.interleave(40, 20, true)
	var kept []store.Event
	for i := range 40 {
		switch i % 4 {
		case 0:
			f.empty(fmt.Sprint("s/", i))
		case 1:
			f.is("delete", f.deleteEvents(fmt.Sprint("s/", i), 10), nil)
		}
	}
	for i, e := range log {
		if s := i % 40 % 4; s > 1 || s == 1 && e.ID > 10 {
			kept = append(kept, e)
		}
	}
	f.twice(func() {
		f.agrees("all", kept, everything())
		f.agrees("backward", kept, store.Range{Select: f.glob("**"), Backward: true, Limit: 300})
		f.agrees("few", kept, store.Range{Select: f.glob("s/4", "s/5", "s/6")})
		f.agrees("from what is deleted", kept, store.Range{Select: f.glob("**"), After: store.Some(log[4].Position)})
		f.follows(0, kept)
	})
}

func testDeleteFollowed(f *fixture) {
	stop := f.stay()
	defer stop()
	f.appendEvents("s", "a", "b", "c")
	f.all(request(group("t", "d"), group("s", "e"), group("t", "f")))
	f.is("delete", f.deleteEvents("s", 2), nil)
	f.empty("t")
	f.appendEvents("s", "g")
	f.follows(0, f.read(everything()))
	same(f.t, texts(f.log(3)), []string{"c", "e", "g"})
}

// testDeleteWhileReading: a Read that continues after a delete far ahead of it
// leaves out the deleted events, and is complete.
func testDeleteWhileReading(f *fixture) {
	for i, r := range []store.Range{whole("s"), {Select: f.glob("s")}} {
		base := uint64(i) * 20_001
		f.appendEvents("s", numbers(10_000)...)
		f.appendEvents("s", numbers(10_000)...)
		f.appendEvents("s", "last")
		var last uint64
		for e, err := range f.s.Read(context.Background(), r) {
			if err != nil {
				f.t.Fatal(err)
			}
			if last == 0 {
				f.is("delete", f.deleteEvents("s", base+20_000), nil)
			}
			last = e.ID
		}
		if last != base+20_001 {
			f.t.Errorf("it ended with %d of %d", last, base+20_001)
		}
		f.empty("s")
	}
}
