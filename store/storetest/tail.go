package storetest

import (
	"context"
	"fmt"
	"time"

	"gorewind/store"
)

var tailCases = []testCase{
	{"F12 F14 E7 E8 tail", testTail},
	{"F15 E9 tail from any position", testTailFrom},
	{"tail from the disk", testTailBehind},
	{"tail goes over what holds no event", testTailGaps},
	{"G8 a follower sees each event once", testTailOnce},
}

func testTail(f *fixture) {
	f.appendEvents("a", "1", "2")
	f.appendEvents("b", "3")
	got := []<-chan []store.Event{f.later(0, 6), f.later(0, 6)}
	f.appendEvents("a", "4")
	f.all(request(group("a", "5")), request(group("c", "6")))
	for _, got := range got {
		text := ""
		for _, e := range <-got {
			text += fmt.Sprintf("%s/%d=%s ", e.Stream, e.ID, e.Data)
		}
		if want := "a/1=1 a/2=2 b/1=3 a/3=4 a/4=5 c/1=6 "; text != want {
			f.t.Errorf("want %s\nhave %s", want, text)
		}
	}
}

func testTailFrom(f *fixture) {
	f.appendEvents("a", "1", "2")
	f.all(request(group("b", "3"), group("a", "4")), request(group("c", "5")))
	f.appendEvents("a", "6")
	log := f.log(6)
	f.twice(func() {
		for i, e := range log[:5] {
			f.follows(e.Position, log[i+1:])
		}
	})
	got := f.later(f.s.Info().LastPosition, 2)
	f.appendEvents("a", "7")
	f.appendEvents("a", "8")
	same(f.t, texts(<-got), []string{"7", "8"})
}

func testTailBehind(f *fixture) {
	const n, size = 40, 1 << 20 // more than an engine keeps in memory
	data := string(make([]byte, size))
	seen := 0
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	f.appendEvents("s", data)
	for batch, err := range f.s.Tail(ctx, 0) {
		if err != nil {
			f.t.Fatal(err)
		}
		if seen == 0 {
			for range n - 1 {
				f.appendEvents("s", data)
			}
		}
		for _, e := range batch {
			if seen++; e.ID != uint64(seen) || len(e.Data) != size {
				f.t.Fatalf("event %d has id %d and %d bytes", seen, e.ID, len(e.Data))
			}
		}
		if seen == n {
			break
		}
	}
}

// testTailGaps: other kinds of commits and deleted events yield nothing.
func testTailGaps(f *fixture) {
	f.appendEvents("s", "a", "b")
	f.is("commit", f.setCursor(at("c", "s", 1)), nil)
	f.appendEvents("t", "c")
	f.is("replace", f.replace("s", 1, "A"), nil)
	f.empty("t")
	f.is("commit", f.setCursor(at("c", "s", 2)), nil)
	f.appendEvents("s", "d")
	want := f.read(everything())
	f.twice(func() {
		same(f.t, texts(f.log(3)), []string{"A", "b", "d"})
		f.follows(want[1].Position, want[2:])
	})
	got := f.later(f.s.Info().LastPosition, 2)
	f.is("commit", f.setCursor(at("c", "s", 3)), nil)
	f.appendEvents("t", "e")
	f.is("replace", f.replace("s", 1, "AA"), nil)
	f.appendEvents("t", "f")
	same(f.t, texts(<-got), []string{"e", "f"})
}

// testTailOnce: followers may join at any time while others write.
func testTailOnce(f *fixture) {
	const n, calls, followers = 3000, 300, 5
	got := make(chan (<-chan []store.Event), followers)
	go func() {
		defer close(got)
		for i := range calls {
			var reqs []store.Append
			for k := range n / calls {
				reqs = append(reqs, request(group(fmt.Sprint("s", k%3), fmt.Sprint(i*(n/calls)+k))))
			}
			for _, r := range appendAll(f.s, reqs...) {
				f.is("append", r.Err, nil)
			}
			if i%(calls/followers) == 0 {
				got <- f.later(0, n)
			}
		}
	}()
	for events := range got {
		same(f.t, texts(<-events), numbers(n))
	}
}
