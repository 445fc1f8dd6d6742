package storetest

import (
	"context"

	"gorewind/store"
)

var closeCases = []testCase{
	{"P7 R7 F37 reopen", testReopen},
	{"closed", testClosed},
	{"close finishes what was queued", testCloseFinishes},
}

func testReopen(f *fixture) {
	id := f.s.Info().ID
	for i, data := range numbers(4) {
		if f.volatile && i > 0 {
			return
		}
		if got := f.appendEvents("s", data); got != uint64(i+1) {
			f.t.Errorf("id %d after %d restarts", got, i)
		}
		f.holds("s", numbers(i+1)...)
		at := f.s.Info().LastPosition
		f.reopen()
		if info := f.s.Info(); info.ID != id || info.LastPosition != at {
			f.t.Errorf("after a restart: %+v", info)
		}
		f.holds("s", numbers(i+1)...)
	}
}

func testClosed(f *fixture) {
	ended := make(chan error)
	f.appendEvents("s", "a")
	go func() {
		for _, err := range f.s.Tail(context.Background(), 0) {
			if err != nil {
				ended <- err
			}
		}
	}()
	f.close()
	f.is("tail", <-ended, store.ErrClosed)
	f.is("second close", f.s.Close(), nil)
	ctx := context.Background()
	_, cursor := f.s.Cursor(ctx, []byte("c"), []byte("s"))
	_, resolve := f.s.Resolve(ctx, whole("s"))
	var list, tail error
	for _, list = range f.s.Streams(ctx, nil, nil) {
	}
	for _, tail = range f.s.Tail(ctx, 0) {
	}
	for name, err := range map[string]error{
		"append":            f.one(group("s", "x")).Err,
		"replace":           f.replace("s", 1, "x"),
		"delete":            f.deleteEvents("s", 1),
		"commit":            f.setCursor(at("c", "s", 1)),
		"cursor":            cursor,
		"resolve":           resolve,
		"read":              f.reading(whole("s")),
		"read of no stream": f.reading(whole("never seen")),
		"selection":         f.reading(everything()),
		"streams":           list,
		"tail":              tail,
	} {
		f.is(name, err, store.ErrClosed)
	}
}

// testCloseFinishes: Close completes what was queued before it.
func testCloseFinishes(f *fixture) {
	s := script{f: f}
	for range 100 {
		s.appendGroups(group("s", "a"))
	}
	s.setCursor(at("c", "s", 50))
	s.deleteEvents("s", 90)
	s.replace("s", 91, "b")
	f.close()
	s.left.Wait()
	for _, done := range s.done {
		if done[len(done)-2:] != "ok" {
			f.t.Error(done)
		}
	}
	if f.volatile {
		return
	}
	f.s = f.open()
	f.holds("s", "b", "a", "a", "a", "a", "a", "a", "a", "a", "a")
	f.stands("c", "s", 50)
}
