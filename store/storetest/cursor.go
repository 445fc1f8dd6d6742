package storetest

import (
	"context"
	"errors"

	"gorewind/store"
)

var cursorCases = []testCase{
	{"F17 E11 G4 cursors", testCursor},
	{"E11 consumers and streams do not mix", testCursorNames},
	{"F19 ids that were never given", testCursorUnknown},
	{"behind", testCursorBehind},
	{"ids that are deleted", testCursorDeleted},
	{"a cursor in the whole store", testCursorStore},
	{"cursors that cannot be", testCursorInvalid},
}

// at returns a cursor.
func at(consumer, stream string, id uint64) store.Cursor {
	return store.Cursor{Consumer: []byte(consumer), Stream: []byte(stream), ID: id}
}

// rewound returns a cursor that may move back.
func rewound(consumer, stream string, id uint64) store.Cursor {
	c := at(consumer, stream, id)
	c.Rewind = true
	return c
}

// stands checks where a cursor is.
func (f *fixture) stands(consumer, stream string, want uint64) {
	f.t.Helper()
	have, err := f.s.Cursor(context.Background(), []byte(consumer), []byte(stream))
	if err != nil || have != want {
		f.t.Errorf("cursor of %q in %q: want %d, have %d, %v", consumer, stream, want, have, err)
	}
}

func testCursor(f *fixture) {
	f.stands("c", "s", 0)
	f.appendEvents("s", "a", "b", "c")
	f.is("first", f.setCursor(at("c", "s", 1)), nil)
	f.twice(func() {
		f.stands("c", "s", 1)
		f.wants(store.Range{Stream: []byte("s"), After: store.Some(1)}, "b", "c")
	})
	f.is("the same", f.setCursor(at("c", "s", 1)), nil)
	f.is("over one", f.setCursor(at("c", "s", 3)), nil)
	f.twice(func() { f.stands("c", "s", 3) })
	f.wants(everything(), "a", "b", "c")
	if id := f.appendEvents("s", "d"); id != 4 {
		f.t.Errorf("the id after a commit is %d", id)
	}
}

// testCursorNames includes pairs of names that would be equal without a separator
// between them.
func testCursorNames(f *fixture) {
	names := [][2]string{{"a", "bc"}, {"ab", "c"}, {"a:b", "c"}, {"a", "b:c"}, {"a", "\x00c"}, {"a\x00", "c"}, {"c", "a"}, {"\xff", "\xff"}, {"A", "bc"}}
	long := string(make([]byte, store.MaxConsumer))
	names = append(names, [2]string{long, long}, [2]string{long, "c"})
	for i, n := range names {
		f.appendEvents(n[1], numbers(20)...)
		f.is("commit", f.setCursor(at(n[0], n[1], uint64(i+1))), nil)
	}
	f.twice(func() {
		for i, n := range names {
			f.stands(n[0], n[1], uint64(i+1))
			f.stands(n[0], "", 0)
		}
		f.stands("bc", "a", 0)
		f.stands("a", "c", 0)
	})
	f.is("remove one", f.setCursor(rewound("a", "bc", 0)), nil)
	f.stands("a", "bc", 0)
	f.stands("ab", "c", 2)
}

func testCursorUnknown(f *fixture) {
	f.appendEvents("s", "a", "b")
	f.is("beyond the last", f.setCursor(at("c", "s", 3)), store.ErrUnknownID)
	f.is("beyond the last, with rewind", f.setCursor(rewound("c", "s", 12345)), store.ErrUnknownID)
	f.is("no such stream", f.setCursor(at("c", "none", 1)), store.ErrUnknownID)
	f.is("the largest id", f.setCursor(at("c", "s", 1<<64-1)), store.ErrUnknownID)
	f.twice(func() { f.stands("c", "s", 0) })
}

func testCursorBehind(f *fixture) {
	f.appendEvents("s", "a", "b", "c")
	f.is("last", f.setCursor(at("c", "s", 3)), nil)
	var behind *store.Behind
	if err := f.setCursor(at("c", "s", 2)); !errors.As(err, &behind) || !errors.Is(err, store.ErrBehind) || behind.Cursor != 3 {
		f.t.Errorf("back: %v", err)
	}
	f.is("removed without rewind", f.setCursor(at("c", "s", 0)), store.ErrBehind)
	f.stands("c", "s", 3)
	f.is("back, with rewind", f.setCursor(rewound("c", "s", 2)), nil)
	f.twice(func() { f.stands("c", "s", 2) })
	f.is("on, with rewind", f.setCursor(rewound("c", "s", 3)), nil)
	f.is("removed", f.setCursor(rewound("c", "s", 0)), nil)
	f.twice(func() { f.stands("c", "s", 0) })
	f.is("removed again", f.setCursor(rewound("c", "s", 0)), nil)
	f.is("from anew", f.setCursor(at("c", "s", 1)), nil)
	f.stands("c", "s", 1)
}

func testCursorDeleted(f *fixture) {
	f.appendEvents("s", "a", "b", "c")
	f.is("before", f.setCursor(at("c", "s", 1)), nil)
	f.is("delete", f.deleteEvents("s", 2), nil)
	f.twice(func() { f.stands("c", "s", 1) })
	f.is("an id that is deleted", f.setCursor(at("c", "s", 2)), nil)
	f.empty("s")
	f.is("the last of an emptied stream", f.setCursor(at("c", "s", 3)), nil)
	f.is("beyond it", f.setCursor(at("c", "s", 4)), store.ErrUnknownID)
	f.twice(func() { f.stands("c", "s", 3) })
	f.appendEvents("s", "d")
	nearest := store.Range{Stream: []byte("s"), After: store.Some(1), Nearest: true}
	f.wants(nearest, "d")
}

func testCursorStore(f *fixture) {
	f.is("in an empty store", f.setCursor(at("c", "", 1)), store.ErrUnknownID)
	f.appendEvents("a", "1")
	f.appendEvents("b", "2")
	log := f.log(2)
	f.is("a position", f.setCursor(at("c", "", log[0].Position)), nil)
	f.twice(func() {
		f.stands("c", "", log[0].Position)
		f.stands("c", "a", 0)
		f.wants(store.Range{Select: store.Prefix(nil), After: store.Some(log[0].Position)}, "2")
	})
	last := f.s.Info().LastPosition
	f.is("beyond the last", f.setCursor(at("c", "", last+100)), store.ErrUnknownID)
	f.is("the last, whatever has it", f.setCursor(at("c", "", last)), nil)
	f.is("back", f.setCursor(at("c", "", log[1].Position)), store.ErrBehind)
	f.is("back, with rewind", f.setCursor(rewound("c", "", log[1].Position)), nil)
	f.twice(func() { f.stands("c", "", log[1].Position) })
	f.is("removed", f.setCursor(rewound("c", "", 0)), nil)
	f.stands("c", "", 0)
}

func testCursorInvalid(f *fixture) {
	f.appendEvents("s", "a")
	f.is("no consumer", f.setCursor(at("", "s", 1)), store.ErrInvalid)
	f.is("long consumer", f.setCursor(at(string(make([]byte, store.MaxConsumer+1)), "s", 1)), store.ErrTooLarge)
}
