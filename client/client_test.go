package client_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"gorewind/client"
	"gorewind/server"
	"gorewind/store"
	"gorewind/store/leveldb"
	"gorewind/wire"
)

func openMemory(t *testing.T) store.Store {
	t.Helper()
	s, err := leveldb.OpenMemory(leveldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// serve runs a server on a store until stop is called, or the test ends.
func serve(t *testing.T, endpoint string, events store.Store) (router string, stop func()) {
	t.Helper()
	s, err := server.New(server.Options{Router: []string{endpoint}, Pub: []string{anyPort}, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, events) }() // ends when ctx is done
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	t.Cleanup(stop)
	return s.RouterAddrs()[0], stop
}

func dialMemory(t *testing.T) *client.Client {
	t.Helper()
	router, _ := serve(t, anyPort, openMemory(t))
	return dial(t, router, 0)
}

func publish(t *testing.T, c *client.Client, stream string, data ...string) {
	t.Helper()
	for _, d := range data {
		if _, err := c.Publish(patient(t), stream, []byte(d)); err != nil {
			t.Fatal(err)
		}
	}
}

func events(t *testing.T, c *client.Client, stream string, o client.QueryOptions) (have []string) {
	t.Helper()
	for e, err := range c.Query(patient(t), stream, o) {
		if err != nil {
			t.Fatal(err)
		}
		have = append(have, fmt.Sprintf("%s/%d %s", e.Stream, e.ID, e.Data))
	}
	return have
}

func same(t *testing.T, have []string, want ...string) {
	t.Helper()
	if !slices.Equal(have, want) {
		t.Errorf("want %q, have %q", want, have)
	}
}

func hasCode(t *testing.T, err error, code wire.Code) {
	t.Helper()
	if !client.IsCode(err, code) {
		t.Errorf("want %s, have %v", code, err)
	}
}

func TestPublish(t *testing.T) {
	c := dialMemory(t)
	for want := uint64(1); want < 4; want++ {
		if id, err := c.Publish(patient(t), "a", nil); err != nil || id != want {
			t.Errorf("want %d, have %d and %v", want, id, err)
		}
	}
	_, err := c.Publish(patient(t), "", nil)
	hasCode(t, err, wire.Malformed)
}

func TestAppend(t *testing.T) {
	c := dialMemory(t)
	a := client.Append{Key: "k", Groups: []client.Group{
		{Stream: "a", Expected: client.Some(0), Events: [][]byte{[]byte("1"), []byte("2")}},
		{Stream: "b", Events: [][]byte{nil}},
	}}
	for range 2 { // the second is a repetition
		ids, err := c.Append(patient(t), a)
		if err != nil || !slices.Equal(ids, []uint64{2, 1}) {
			t.Fatalf("want 2 and 1, have %v and %v", ids, err)
		}
	}
	same(t, events(t, c, "a", client.QueryOptions{}), "a/1 1", "a/2 2")

	a.Groups[1].Stream = "c"
	_, err := c.Append(patient(t), a)
	hasCode(t, err, wire.KeyReused)

	_, err = c.Append(patient(t), client.Append{Groups: []client.Group{
		{Stream: "b", Expected: client.Some(1), Events: [][]byte{nil}},
		{Stream: "a", Expected: client.Some(0), Events: [][]byte{nil}},
	}})
	conflict, ok := client.AsConflict(err)
	if want := (client.Conflict{Group: 1, Stream: "a", Last: 2}); !ok || conflict != want {
		t.Errorf("want %+v, have %+v of %v", want, conflict, err)
	}
	if _, ok := client.AsConflict(client.ErrClosed); ok {
		t.Error("another error is no conflict")
	}
}

func TestQuery(t *testing.T) {
	c := dialMemory(t)
	before := time.Now().Add(-time.Minute)
	publish(t, c, "x/a", "1", "2", "3")
	publish(t, c, "x/b/c", "4")
	publish(t, c, "y", "5")
	for _, q := range []struct {
		name, stream string
		o            client.QueryOptions
		want         []string
	}{
		{"all", "x/a", client.QueryOptions{}, []string{"x/a/1 1", "x/a/2 2", "x/a/3 3"}},
		{"after", "x/a", client.QueryOptions{After: 2}, []string{"x/a/3 3"}},
		{"upto", "x/a", client.QueryOptions{UpTo: client.Some(1)}, []string{"x/a/1 1"}},
		{"upto zero", "x/a", client.QueryOptions{UpTo: client.Some(0)}, nil},
		{"limit", "x/a", client.QueryOptions{Limit: 2}, []string{"x/a/1 1", "x/a/2 2"}},
		{"desc", "x/a", client.QueryOptions{Desc: true, Limit: 2}, []string{"x/a/3 3", "x/a/2 2"}},
		{"since", "x/a", client.QueryOptions{Since: before, Limit: 1}, []string{"x/a/1 1"}},
		{"until", "x/a", client.QueryOptions{Until: before}, nil},
		{"nearest", "x/a", client.QueryOptions{After: 99, Nearest: true}, nil},
		{"prefix", "x/", client.QueryOptions{Match: client.MatchPrefix}, []string{"x/a/1 1", "x/a/2 2", "x/a/3 3", "x/b/c/1 4"}},
		{"all streams, backward", "", client.QueryOptions{Match: client.MatchPrefix, Desc: true, Limit: 2}, []string{"y/1 5", "x/b/c/1 4"}},
		{"glob", "x/*", client.QueryOptions{Match: client.MatchGlob}, []string{"x/a/1 1", "x/a/2 2", "x/a/3 3"}},
		{"also", "x/*", client.QueryOptions{Match: client.MatchGlob, Also: []string{"y"}, Limit: 4}, []string{"x/a/1 1", "x/a/2 2", "x/a/3 3", "y/1 5"}},
		{"separator", "x*", client.QueryOptions{Match: client.MatchGlob, Separator: "b"}, []string{"x/a/1 1", "x/a/2 2", "x/a/3 3"}},
		{"no stream", "z", client.QueryOptions{}, nil},
	} {
		t.Run(q.name, func(t *testing.T) { same(t, events(t, c, q.stream, q.o), q.want...) })
	}
	for _, q := range []struct {
		name string
		o    client.QueryOptions
		code wire.Code
	}{
		{"unknown id", client.QueryOptions{After: 99}, wire.UnknownID},
		{"reversed", client.QueryOptions{After: 2, UpTo: client.Some(1)}, wire.BadRange},
		{"separator", client.QueryOptions{Separator: "::"}, wire.BadOption},
		{"also without match", client.QueryOptions{Also: []string{"*"}}, wire.BadOption},
		{"another store", client.QueryOptions{Store: "5a.1"}, wire.OtherStore},
	} {
		t.Run(q.name, func(t *testing.T) {
			n := 0
			for _, err := range c.Query(patient(t), "x/a", q.o) {
				hasCode(t, err, q.code)
				n++
			}
			if n != 1 {
				t.Errorf("want the error alone, have %d", n)
			}
		})
	}
}

func TestMeta(t *testing.T) {
	c := dialMemory(t)
	publish(t, c, "a", "1")
	for e, err := range c.Query(patient(t), "a", client.QueryOptions{}) {
		if err != nil || e.Position != 0 || !e.Time.IsZero() {
			t.Errorf("without Meta: %+v, %v", e, err)
		}
	}
	for e, err := range c.Query(patient(t), "a", client.QueryOptions{Meta: true}) {
		if err != nil || e.Position == 0 || e.Time.IsZero() {
			t.Errorf("with Meta: %+v, %v", e, err)
		}
	}
}

// Answers of several pages, of one stream and of a selection.
func TestQueryPages(t *testing.T) {
	c := dialMemory(t)
	const n = 9000
	var data [][]byte
	for i := range n {
		data = append(data, strconv.AppendInt(nil, int64(i+1), 10))
	}
	for _, stream := range []string{"s/a", "s/b"} {
		if _, err := c.Append(patient(t), client.Append{Groups: []client.Group{{Stream: stream, Events: data}}}); err != nil {
			t.Fatal(err)
		}
	}
	checkRun(t, idsOf(t, c, "s/a", client.QueryOptions{}), 1, n)
	checkRun(t, idsOf(t, c, "s/a", client.QueryOptions{Desc: true}), n, 1)
	both := idsOf(t, c, "s/", client.QueryOptions{Match: client.MatchPrefix})
	if len(both) != 2*n {
		t.Fatalf("want %d events, have %d", 2*n, len(both))
	}
	checkRun(t, both[:n], 1, n)
	checkRun(t, both[n:], 1, n)
	back := idsOf(t, c, "s/", client.QueryOptions{Match: client.MatchPrefix, Desc: true})
	checkRun(t, back[:n], n, 1)
}

func idsOf(t *testing.T, c *client.Client, stream string, o client.QueryOptions) (ids []uint64) {
	t.Helper()
	for e, err := range c.Query(patient(t), stream, o) {
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprint(e.ID); string(e.Data) != want {
			t.Fatalf("event %s has the data %q", want, e.Data)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

func TestFollow(t *testing.T) {
	c := dialMemory(t)
	publish(t, c, "a", "1", "2")
	live := false
	o := client.QueryOptions{OnLive: func() {
		if !live {
			live = true
			publish(t, c, "a", "3")
		}
	}}
	var have []string
	for e, err := range c.Follow(patient(t), "a", o) {
		if err != nil {
			t.Fatal(err)
		}
		if have = append(have, string(e.Data)); len(have) == 3 {
			break
		}
	}
	same(t, have, "1", "2", "3")
	for _, err := range c.Follow(patient(t), "a", client.QueryOptions{Desc: true}) {
		hasCode(t, err, wire.BadOption)
	}
}

func TestStreams(t *testing.T) {
	c := dialMemory(t)
	publish(t, c, "b", "1", "2")
	publish(t, c, "a/1", "1")
	publish(t, c, "a/2", "1")
	list := func(prefix, after string) (have []string) {
		for s, err := range c.Streams(patient(t), prefix, after) {
			if err != nil {
				t.Fatal(err)
			}
			have = append(have, fmt.Sprintf("%s %d", s.Name, s.Last))
		}
		return have
	}
	same(t, list("", ""), "a/1 1", "a/2 1", "b 2")
	same(t, list("a/", "a/1"), "a/2 1")
}

func TestLog(t *testing.T) {
	events := openMemory(t)
	router, _ := serve(t, anyPort, events)
	c := dial(t, router, 0)
	const commits = 10_000 // several pages
	for range commits {
		publish(t, c, "a", "x")
	}
	var owner client.StoreIdentity
	list := func(after uint64, o client.LogOptions) (n int, last uint64) {
		o.OnStore = func(i client.StoreIdentity) { owner = i }
		for e, err := range c.Log(patient(t), after, o) {
			if err != nil {
				t.Fatal(err)
			}
			if last > 0 && e.First != last+1 {
				t.Fatalf("%d does not follow %d", e.First, last)
			}
			last = e.Position
			n++
		}
		return n, last
	}
	if n, last := list(0, client.LogOptions{}); n != commits || last != commits {
		t.Errorf("all: %d entries up to %d", n, last)
	}
	if n, last := list(commits-5, client.LogOptions{UpTo: commits - 2}); n != 3 || last != commits-2 {
		t.Errorf("a part: %d entries up to %d", n, last)
	}
	if i := events.Identity(); owner.ID != i.ID || owner.Secret != i.Secret || owner.Generation != i.Generation || owner.Position != commits {
		t.Errorf("want the store %+v, have %+v", i, owner)
	}
	if n, _ := list(commits, client.LogOptions{}); n != 0 {
		t.Errorf("at the end: %d entries", n)
	}
	for _, err := range c.Log(patient(t), commits+1, client.LogOptions{}) {
		hasCode(t, err, wire.UnknownID)
	}
	for _, err := range c.Log(patient(t), 0, client.LogOptions{Store: "ab.1"}) {
		hasCode(t, err, wire.OtherStore)
	}
}

func TestErase(t *testing.T) {
	c := dialMemory(t)
	publish(t, c, "a", "1", "2", "3")
	if err := c.Replace(patient(t), "a", 2, []byte("two")); err != nil {
		t.Fatal(err)
	}
	same(t, events(t, c, "a", client.QueryOptions{}), "a/1 1", "a/2 two", "a/3 3")
	hasCode(t, c.Replace(patient(t), "a", 4, nil), wire.UnknownID)

	err := c.Delete(patient(t), client.Delete{Stream: "a", Expected: client.Some(2)})
	if conflict, ok := client.AsConflict(err); !ok || conflict.Last != 3 {
		t.Errorf("want CONFLICT with 3, have %v", err)
	}
	if err := c.Delete(patient(t), client.Delete{Stream: "a", UpTo: client.Some(2)}); err != nil {
		t.Fatal(err)
	}
	same(t, events(t, c, "a", client.QueryOptions{}), "a/3 3")
	if err := c.Delete(patient(t), client.Delete{Stream: "a"}); err != nil {
		t.Fatal(err)
	}
	same(t, events(t, c, "a", client.QueryOptions{}))
}

func TestConsumer(t *testing.T) {
	c := dialMemory(t)
	publish(t, c, "a", "1", "2")
	cursor := func(want uint64) {
		t.Helper()
		if have, err := c.Cursor(patient(t), "mail", "a"); err != nil || have != want {
			t.Errorf("want %d, have %d and %v", want, have, err)
		}
	}
	cursor(0)
	reached := make(chan uint64, 1)
	go func() { // ends with the COMMIT
		at, err := c.Wait(patient(t), "mail", "a", 1)
		if err != nil {
			t.Error(err)
		}
		reached <- at
	}()
	if err := c.Commit(patient(t), client.Commit{Consumer: "mail", Stream: "a", ID: 1}); err != nil {
		t.Fatal(err)
	}
	if at := receive(t, reached); at != 1 {
		t.Errorf("Wait: want 1, have %d", at)
	}
	cursor(1)
	same(t, events(t, c, "a", client.QueryOptions{Consumer: "mail"}), "a/2 2")
	err := c.Commit(patient(t), client.Commit{Consumer: "mail", Stream: "a"})
	if at, ok := client.AsBehind(err); !ok || at != 1 {
		t.Errorf("want BEHIND with 1, have %v", err)
	}
	if err := c.Commit(patient(t), client.Commit{Consumer: "mail", Stream: "a", Rewind: true}); err != nil {
		t.Fatal(err)
	}
	cursor(0)
	ctx, cancel := context.WithTimeout(context.Background(), short)
	defer cancel()
	if _, err := c.Wait(ctx, "mail", "a", 1); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("want the context's error, have %v", err)
	}
}

func TestInfo(t *testing.T) {
	events := openMemory(t)
	router, _ := serve(t, anyPort, events)
	c := dial(t, router, 0)
	publish(t, c, "a", "1")
	i, err := c.Info(patient(t))
	if err != nil {
		t.Fatal(err)
	}
	want := events.Info()
	if i.Store != want.ID || i.Generation != want.Generation || i.Position != want.LastPosition ||
		i.MaxEvent != server.DefaultMaxEvent || i.Version != "test" || len(i.Facts) < 6 {
		t.Errorf("want %+v, have %+v", want, i)
	}
	for _, err := range c.Query(patient(t), "a", client.QueryOptions{Store: i.StoreID()}) {
		if err != nil {
			t.Error(err)
		}
	}
}

func TestClose(t *testing.T) {
	c := dialMemory(t)
	live := make(chan struct{})
	failed := make(chan error, 1)
	go func() { // ends with Close
		for _, err := range c.Follow(context.Background(), "a", client.QueryOptions{OnLive: func() { close(live) }}) {
			failed <- err
		}
	}()
	receive(t, live)
	for range 2 {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := receive(t, failed); !errors.Is(err, client.ErrClosed) {
		t.Errorf("Follow: want ErrClosed, have %v", err)
	}
	if err := c.Ping(patient(t)); !errors.Is(err, client.ErrClosed) {
		t.Errorf("Ping: want ErrClosed, have %v", err)
	}
}

// Many goroutines share one connection, and each gets its own answers.
func TestConcurrency(t *testing.T) {
	c := dialMemory(t)
	var wg sync.WaitGroup
	for g := range 100 {
		wg.Go(func() {
			stream := fmt.Sprintf("g/%d", g)
			for i := range uint64(10) {
				if id, err := c.Publish(patient(t), stream, []byte(stream)); err != nil || id != i+1 {
					t.Errorf("%s: want %d, have %d and %v", stream, i+1, id, err)
					return
				}
			}
			n := uint64(0)
			for e, err := range c.Follow(patient(t), stream, client.QueryOptions{Limit: 10}) {
				if n++; err != nil || e.ID != n || string(e.Data) != stream {
					t.Errorf("%s: want %d, have %+v and %v", stream, n, e, err)
					return
				}
			}
			if err := c.Ping(patient(t)); err != nil || n != 10 {
				t.Errorf("%s: %d events, %v", stream, n, err)
			}
		})
	}
	wg.Wait()
}

func TestNothingIsLeft(t *testing.T) {
	router, _ := serve(t, anyPort, openMemory(t))
	use := func() {
		ctx, cancel := context.WithTimeout(context.Background(), testTimeout)
		defer cancel()
		c, err := client.Dial(ctx, client.Options{Endpoint: router})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Publish(ctx, "a", nil); err != nil {
			t.Error(err)
		}
		for range c.Follow(ctx, "a", client.QueryOptions{}) {
			break
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	use() // starts what lives as long as the process
	goroutines, files := runtime.NumGoroutine(), descriptors(t)
	for range 5 {
		use()
	}
	deadline := time.After(testTimeout)
	for runtime.NumGoroutine() > goroutines || descriptors(t) > files {
		select {
		case <-deadline:
			t.Fatalf("want %d goroutines and %d descriptors, have %d and %d",
				goroutines, files, runtime.NumGoroutine(), descriptors(t))
		default:
			runtime.Gosched()
		}
	}
}

func descriptors(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("there is no /proc")
	}
	return len(entries)
}
