package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"gorewind/store"
)

var logCases = []testCase{
	{"log of every kind of change", testLog},
	{"log from every position", testLogFrom},
	{"log ends where it was when it began", testLogEnd},
	{"log of many commits", testLogMany},
}

// logged returns what Log yields after a position, and checks what holds for every
// log.
func (f *fixture) logged(after uint64) (entries []store.Entry) {
	f.t.Helper()
	for e, err := range f.s.Log(context.Background(), after) {
		if err != nil {
			f.t.Fatalf("log after %d: %v", after, err)
		}
		taken := e.Events()
		for _, c := range e.Changes {
			switch c.Kind {
			case store.Replaced, store.Deleted, store.Moved:
				taken++
			}
		}
		if e.Position-e.First+1 != taken || e.Position <= after {
			f.t.Fatalf("log after %d: want %d positions, have %+v", after, taken, e)
		}
		if n := len(entries); n > 0 && (e.First != entries[n-1].Position+1 || e.Time.Before(entries[n-1].Time) || e.NextStream < entries[n-1].NextStream) {
			f.t.Fatalf("log after %d: %+v does not follow %+v", after, e, entries[n-1])
		}
		e.Changes = slices.Clone(e.Changes)
		entries = append(entries, e)
	}
	return entries
}

// changes returns an entry's changes as text.
func changes(e store.Entry) string {
	kinds := map[store.ChangeKind]string{
		store.Appended: "append", store.Replaced: "replace", store.Deleted: "delete", store.Moved: "move", store.Keyed: "key",
	}
	var all []string
	for _, c := range e.Changes {
		text := fmt.Sprintf("%s %s %d", kinds[c.Kind], c.Stream, c.Last)
		switch c.Kind {
		case store.Appended, store.Deleted:
			text = fmt.Sprintf("%s %s %d-%d", kinds[c.Kind], c.Stream, c.First, c.Last)
		case store.Replaced:
			text = fmt.Sprintf("%s %s %d", kinds[c.Kind], c.Stream, c.First)
		case store.Moved:
			text += " " + string(c.Name)
		case store.Keyed:
			text = fmt.Sprintf("%s %s %s %v", kinds[c.Kind], c.Stream, c.Name, c.IDs)
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

func testLog(f *fixture) {
	f.appendEvents("a", "1", "2")
	f.all(store.Append{Key: []byte("k"), Groups: []store.Group{group("b", "1"), group("a", "3"), group("b", "2", "3")}})
	f.is("replace", f.replace("a", 2, "two"), nil)
	f.is("delete", f.deleteEvents("b", 2), nil)
	f.is("delete again", f.deleteEvents("b", 1), nil) // changes nothing
	f.is("cursor", f.setCursor(store.Cursor{Consumer: []byte("c"), Stream: []byte("a"), ID: 3}), nil)
	f.is("cursor", f.setCursor(store.Cursor{Consumer: []byte("c"), ID: 8}), nil)
	f.twice(func() {
		var have []string
		size := uint64(0)
		for _, e := range f.logged(0) {
			have = append(have, changes(e))
			size += e.Bytes
		}
		want := []string{
			"append a 1-2", "append b 1-1, append a 3-3, append b 2-3, key b k [1 3 3]", "replace a 2", "delete b 1-2",
			"move a 3 c", "move  8 c",
		}
		if !slices.Equal(have, want) || size != 6 {
			f.t.Errorf("want %q, have %q, of %d bytes", want, have, size)
		}
	})
}

func testLogFrom(f *fixture) {
	for i := range 20 {
		f.appendEvents(fmt.Sprint(i%3), numbers(1+i%4)...)
	}
	all := f.logged(0)
	for after := range f.s.Info().LastPosition + 3 {
		var want []uint64
		for _, e := range all {
			if e.Position > after {
				want = append(want, e.Position)
			}
		}
		var have []uint64
		for _, e := range f.logged(after) {
			have = append(have, e.Position)
		}
		if !slices.Equal(want, have) {
			f.t.Errorf("after %d: want %d, have %d", after, want, have)
		}
	}
}

func testLogEnd(f *fixture) {
	f.appendEvents("a", "1")
	f.appendEvents("a", "2")
	n := 0
	for e, err := range f.s.Log(context.Background(), 0) {
		if err != nil {
			f.t.Fatal(err)
		}
		f.appendEvents("a", "more")
		if n++; e.Position > 2 {
			f.t.Fatalf("want it to end at 2, have %+v", e)
		}
	}
	if n != 2 {
		f.t.Errorf("want 2 entries, have %d", n)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, err := range f.s.Log(ctx, 0) {
		f.is("log", err, context.Canceled)
	}
	f.close()
	n = 0
	for _, err := range f.s.Log(context.Background(), 0) {
		f.is("log of a closed store", err, store.ErrClosed)
		n++
	}
	if n != 1 {
		f.t.Error("want ErrClosed, have nothing")
	}
	f.s = f.open()
}

func testLogMany(f *fixture) {
	const commits = 3000
	done := make(chan struct{}, commits)
	for i := range commits {
		f.s.Append([]store.Append{request(group(fmt.Sprint(i%700), "x"))}, func(r []store.Result) {
			if r[0].Err != nil {
				f.t.Error(r[0].Err)
			}
			done <- struct{}{}
		})
	}
	for range commits {
		<-done
	}
	events := uint64(0)
	for _, e := range f.logged(0) {
		events += e.Events()
	}
	if events != commits {
		f.t.Errorf("want %d events, have %d", commits, events)
	}
	if id := f.s.Identity(); id.ID != f.s.Info().ID || id.Generation != f.s.Info().Generation || id.Secret == "" {
		f.t.Errorf("have the identity %+v of %+v", id, f.s.Info())
	}
	for _, err := range f.s.Log(context.Background(), 0) {
		f.is("log", err, nil)
		break
	}
}
