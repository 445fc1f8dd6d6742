package storetest

import (
	"context"
	"fmt"
	"sync"

	"gorewind/store"
)

var orderCases = []testCase{
	{"order of calls", testOrder},
	{"order of writes of different kinds", testOrderOfKinds},
	{"F33 done is seen", testSeen},
	{"positions and times rise", testRising},
	{"parallel writes of different kinds", testParallelKinds},
}

func testOrder(f *fixture) {
	const calls, each = 200, 50
	done := make(chan int, calls)
	for n := range calls {
		reqs := make([]store.Append, each)
		for i := range reqs {
			reqs[i] = request(group("s", fmt.Sprint(n*each+i)))
		}
		f.s.Append(reqs, func(r []store.Result) {
			for i, r := range r {
				if r.Err != nil || r.IDs[0] != uint64(n*each+i+1) {
					f.t.Errorf("call %d, request %d: %+v", n, i, r)
				}
			}
			if r, err := f.s.Resolve(context.Background(), whole("s")); err != nil || r.UpTo.N < uint64((n+1)*each) {
				f.t.Errorf("call %d is done, and the stream ends with %d, %v", n, r.UpTo.N, err)
			}
			done <- n
		})
	}
	for n := range calls {
		if have := <-done; have != n {
			f.t.Fatalf("call %d was done as number %d", have, n)
		}
	}
}

// A script queues writes without waiting, and records the order in which they are
// done.
type script struct {
	f    *fixture
	left sync.WaitGroup
	n    int
	done []string // number and error of each; written on the engine's goroutine
}

func (s *script) next() func(error) {
	s.left.Add(1)
	s.n++
	n := s.n
	return func(err error) {
		s.done = append(s.done, fmt.Sprint(n, " ", verdict(err)))
		s.left.Done()
	}
}

func (s *script) appendGroups(groups ...store.Group) {
	done := s.next()
	s.f.s.Append([]store.Append{request(groups...)}, func(r []store.Result) { done(r[0].Err) })
}

func (s *script) replace(stream string, id uint64, data string) {
	s.f.s.Replace(store.Replace{Stream: []byte(stream), ID: id, Data: []byte(data)}, s.next())
}

func (s *script) deleteEvents(stream string, upTo uint64) {
	s.f.s.Delete(store.Delete{Stream: []byte(stream), UpTo: store.Some(upTo)}, s.next())
}

func (s *script) setCursor(c store.Cursor) { s.f.s.SetCursor(c, s.next()) }

// testOrderOfKinds: each request sees the effects of those before it, though all
// are queued together.
func testOrderOfKinds(f *fixture) {
	for round := range uint64(20) {
		last := round * 4 // id of the stream's last event
		s := script{f: f}
		s.appendGroups(group("s", "a", "b", "c"))
		s.replace("s", last+2, "B")
		s.replace("s", last+4, "x")
		s.setCursor(at("c", "s", last+4))
		s.setCursor(at("c", "s", last+3))
		s.setCursor(at("c", "s", last+2))
		s.deleteEvents("s", last+1)
		s.replace("s", last+1, "x")
		s.appendGroups(expecting(last+3, "s", "d"))
		s.appendGroups(expecting(last+3, "s", "x"))
		s.replace("s", last+4, "D")
		s.deleteEvents("s", last+5)
		s.deleteEvents("s", last+3)
		s.left.Wait()
		want := []string{"1 ok", "2 ok", "3 unknown id", "4 unknown id", "5 ok", fmt.Sprintf("6 behind %d", last+3), "7 ok", "8 unknown id",
			"9 ok", fmt.Sprintf("10 conflict 0 73 %d", last+4), "11 ok", "12 unknown id", "13 ok"}
		same(f.t, s.done, want)
		f.holds("s", "D")
		f.stands("c", "s", last+3)
		f.reopen()
		f.wants(everything(), "D")
		f.stands("c", "s", last+3)
	}
}

// testSeen: once a write is done, every way to read sees it.
func testSeen(f *fixture) {
	stop := f.stay()
	defer stop()
	for i := range uint64(100) {
		data := fmt.Sprint(i)
		f.appendEvents("s", data)
		f.wants(between("s", i, i+1), data)
		f.wants(store.Range{Select: f.glob("**"), Backward: true, Limit: 1}, data)
		f.lists("", "", fmt.Sprintf("s=%d", i+1))
		f.is("commit", f.setCursor(at("c", "s", i+1)), nil)
		f.stands("c", "s", i+1)
		f.is("replace", f.replace("s", i+1, "r"+data), nil)
		f.wants(between("s", i, i+1), "r"+data)
		f.is("delete", f.deleteEvents("s", i), nil)
		f.holds("s", "r"+data)
	}
}

// testRising: no number is given twice, even after a restart.
func testRising(f *fixture) {
	var last store.Event
	var position uint64
	for i := range 30 {
		f.appendEvents("s", "a")
		f.is("commit", f.setCursor(at("c", "s", uint64(i+1))), nil)
		f.empty("s")
		f.appendEvents("t", "b")
		e := f.read(store.Range{Stream: []byte("t"), Backward: true, Limit: 1})[0]
		if e.Position <= last.Position || e.Position <= position || e.Time.Before(last.Time) {
			f.t.Fatalf("%+v comes after %+v and position %d", e, last, position)
		}
		last = e
		f.empty("s")
		position = f.s.Info().LastPosition
		if i%5 == 0 {
			f.reopen()
			if !f.volatile && f.s.Info().LastPosition != position {
				f.t.Fatalf("the last position was %d and is %d", position, f.s.Info().LastPosition)
			}
		}
	}
}

func testParallelKinds(f *fixture) {
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			stream, consumer := fmt.Sprint("s", w), fmt.Sprint("c", w)
			for i := range uint64(50) {
				f.is("append", f.one(group(stream, "x"), group("all", stream)).Err, nil)
				f.is("replace", f.replace(stream, i+1, fmt.Sprint(i)), nil)
				f.is("commit", f.setCursor(at(consumer, stream, i+1)), nil)
				f.is("commit", f.setCursor(rewound(consumer, "all", 1+i%7)), nil)
				if i%10 == 9 {
					f.is("delete", f.deleteEvents(stream, i-4), nil)
				}
			}
		})
	}
	wg.Wait()
	f.twice(func() {
		for w := range 4 {
			f.holds(fmt.Sprint("s", w), "45", "46", "47", "48", "49")
			f.stands(fmt.Sprint("c", w), fmt.Sprint("s", w), 50)
			f.stands(fmt.Sprint("c", w), "all", 1)
		}
		f.log(4*5 + 4*50)
	})
}
