package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"testing"
	"time"

	"gorewind/store"
)

// A fixture is a test with its store.
type fixture struct {
	t        *testing.T
	volatile bool
	open     func() store.Store
	s        store.Store
}

func (f *fixture) close() {
	f.t.Helper()
	if err := f.s.Close(); err != nil {
		f.t.Fatal(err)
	}
}

// reopen closes the store and opens it again, unless the store ends with Close.
func (f *fixture) reopen() {
	f.t.Helper()
	if !f.volatile {
		f.close()
		f.s = f.open()
	}
}

// twice checks something now and after reopening the store.
func (f *fixture) twice(check func()) {
	f.t.Helper()
	check()
	f.reopen()
	check()
}

// is checks that have wraps want, or that both are nil.
func (f *fixture) is(what string, have, want error) {
	f.t.Helper()
	if !errors.Is(have, want) {
		f.t.Errorf("%s: want %v, have %v", what, want, have)
	}
}

// conflict checks that err is a Conflict with the expected fields.
func (f *fixture) conflict(what string, err error, group int, stream string, last uint64) {
	f.t.Helper()
	var c *store.Conflict
	if !errors.As(err, &c) || !errors.Is(err, store.ErrConflict) {
		f.t.Errorf("%s: want a conflict, have %v", what, err)
	} else if c.Group != group || string(c.Stream) != stream || c.Last != last {
		f.t.Errorf("%s: want group %d, stream %q, last %d, have %+v", what, group, stream, last, *c)
	}
}

// Append appends events to a stream and returns the id of the last.
func Append(t testing.TB, s store.Store, stream string, events ...string) uint64 {
	t.Helper()
	r := appendAll(s, request(group(stream, events...)))[0]
	if r.Err != nil {
		t.Fatalf("append to %q: %v", stream, r.Err)
	}
	return r.IDs[0]
}

// Each returns a function that returns events one after the other, and nil after
// the last.
func Each(events ...store.Event) func() (*store.Event, error) {
	return func() (e *store.Event, err error) {
		if len(events) > 0 {
			e, events = &events[0], events[1:]
		}
		return e, nil
	}
}

func (f *fixture) appendEvents(stream string, events ...string) uint64 {
	f.t.Helper()
	return Append(f.t, f.s, stream, events...)
}

// all appends requests in one call; all must succeed.
func (f *fixture) all(reqs ...store.Append) {
	f.t.Helper()
	for i, r := range appendAll(f.s, reqs...) {
		if r.Err != nil {
			f.t.Fatalf("request %d: %v", i, r.Err)
		}
	}
}

// one appends one request.
func (f *fixture) one(groups ...store.Group) store.Result {
	return appendAll(f.s, request(groups...))[0]
}

func appendAll(s store.Store, reqs ...store.Append) []store.Result {
	return store.Await(func(done func([]store.Result)) { s.Append(reqs, done) })
}

func request(groups ...store.Group) store.Append { return store.Append{Groups: groups} }

func group(stream string, events ...string) store.Group {
	return store.Group{Stream: []byte(stream), Events: dataOf(events)}
}

// expecting returns a group that requires the last id to be after.
func expecting(id uint64, stream string, events ...string) store.Group {
	g := group(stream, events...)
	g.Expected = store.Some(id)
	return g
}

func dataOf(parts []string) [][]byte {
	out := make([][]byte, len(parts))
	for i, p := range parts {
		out[i] = []byte(p)
	}
	return out
}

// numbers returns n different texts.
func numbers(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = strconv.Itoa(i)
	}
	return out
}

func (f *fixture) replace(stream string, id uint64, data string) error {
	return store.Await(func(done func(error)) {
		f.s.Replace(store.Replace{Stream: []byte(stream), ID: id, Data: []byte(data)}, done)
	})
}

// deleteEvents deletes the events of a stream up to one.
func (f *fixture) deleteEvents(stream string, upTo uint64) error {
	return f.erase(store.Delete{Stream: []byte(stream), UpTo: store.Some(upTo)})
}

// empty deletes all events of a stream.
func (f *fixture) empty(stream string) {
	f.t.Helper()
	f.is("delete all of "+stream, f.erase(store.Delete{Stream: []byte(stream)}), nil)
}

func (f *fixture) erase(d store.Delete) error {
	return store.Await(func(done func(error)) { f.s.Delete(d, done) })
}

func (f *fixture) setCursor(c store.Cursor) error {
	return store.Await(func(done func(error)) { f.s.SetCursor(c, done) })
}

// Read returns the data of the events in a range, and checks what holds for every
// answer.
func Read(t testing.TB, s store.Store, r store.Range) []string {
	t.Helper()
	events, err := read(s, r)
	if err != nil {
		t.Fatalf("%s: %v", query{Range: r}, err)
	}
	return texts(events)
}

func read(s store.Store, r store.Range) (events []store.Event, err error) {
	for e, err := range s.Read(context.Background(), r) {
		if err != nil {
			return events, err
		}
		if n := len(events); n > 0 {
			if err := follows(r, events[n-1], e); err != nil {
				return events, err
			}
		}
		if r.Select == nil && !bytes.Equal(e.Stream, r.Stream) || r.Select != nil && !r.Select.Matches(e.Stream) {
			return events, fmt.Errorf("event of %q in an answer for %q", e.Stream, r.Stream)
		}
		events = append(events, e)
	}
	return events, nil
}

// follows checks that b may come after a.
func follows(r store.Range, a, b store.Event) error {
	early, late := a, b
	if r.Backward {
		early, late = b, a
	}
	if late.Position <= early.Position || late.Time.Before(early.Time) || bytes.Equal(a.Stream, b.Stream) && late.ID <= early.ID {
		return fmt.Errorf("%s comes after %s", text(b), text(a))
	}
	return nil
}

func texts(events []store.Event) []string {
	var out []string
	for _, e := range events {
		out = append(out, string(e.Data))
	}
	return out
}

// wants checks the data of the events of a range.
func (f *fixture) wants(r store.Range, want ...string) {
	f.t.Helper()
	same(f.t, Read(f.t, f.s, r), want)
}

// holds checks the data of all events of a stream.
func (f *fixture) holds(stream string, want ...string) {
	f.t.Helper()
	f.wants(whole(stream), want...)
}

func same(t *testing.T, have, want []string) {
	t.Helper()
	if len(have) != len(want) {
		t.Fatalf("want %d events %.200q, have %d %.200q", len(want), want, len(have), have)
	}
	for i := range want {
		if have[i] != want[i] {
			t.Fatalf("event %d of %d: want %.100q, have %.100q", i, len(want), want[i], have[i])
		}
	}
}

func whole(stream string) store.Range { return store.Range{Stream: []byte(stream)} }

// everything selects all events of all streams.
func everything() store.Range { return store.Range{Select: store.Prefix(nil)} }

// log returns all n events in the order of their positions.
func (f *fixture) log(n int) []store.Event {
	f.t.Helper()
	return f.follow(0, n)
}

// follow reads n events from a Tail.
func (f *fixture) follow(from uint64, n int) []store.Event {
	f.t.Helper()
	events, err := follow(f.s, from, n)
	if err != nil {
		f.t.Fatal(err)
	}
	return events
}

// later runs follow on a goroutine, which ends after n events.
func (f *fixture) later(from uint64, n int) <-chan []store.Event {
	got := make(chan []store.Event, 1)
	go func() {
		events, err := follow(f.s, from, n)
		if err != nil {
			f.t.Error(err)
		}
		got <- events
	}()
	return got
}

func follow(s store.Store, from uint64, n int) (events []store.Event, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for batch, err := range s.Tail(ctx, from) {
		if err != nil {
			return events, fmt.Errorf("after %d of %d events: %w", len(events), n, err)
		}
		for _, e := range batch {
			if e.Position <= from {
				return events, fmt.Errorf("%s comes after position %d", text(e), from)
			}
			from = e.Position
		}
		if events = append(events, batch...); len(events) >= n {
			break
		}
	}
	if len(events) != n {
		return events, fmt.Errorf("want %d events, have %d", n, len(events))
	}
	return events, nil
}

// chosen returns what a range selects from the log of all events. It returns no
// errors.
func chosen(log []store.Event, r store.Range) (events []store.Event) {
	for _, e := range log {
		selected, at := bytes.Equal(e.Stream, r.Stream), e.ID
		if r.Select != nil {
			selected, at = r.Select.Matches(e.Stream), e.Position
		}
		if selected && at > r.After.N && (!r.UpTo.Given || at <= r.UpTo.N) &&
			!e.Time.Before(r.Since) && (r.Until.IsZero() || e.Time.Before(r.Until)) {
			events = append(events, e)
		}
	}
	if r.Backward {
		slices.Reverse(events)
	}
	if r.Limit > 0 && len(events) > r.Limit {
		events = events[:r.Limit]
	}
	size := 0
	for i, e := range events {
		if size += len(e.Data); r.Bytes > 0 && size >= r.Bytes {
			return events[:i+1]
		}
	}
	return events
}

// agrees checks a range against the log.
func (f *fixture) agrees(what string, log []store.Event, r store.Range) {
	f.t.Helper()
	have, err := read(f.s, r)
	if err != nil {
		f.t.Fatalf("%s: %s: %v", what, query{Range: r}, err)
	}
	var w, h answer
	for _, e := range chosen(log, r) {
		w.event(e)
	}
	for _, e := range have {
		h.event(e)
	}
	if string(w) != string(h) {
		f.t.Fatalf("%s: %s\n%s", what, query{Range: r}, difference(string(w), string(h)))
	}
}
