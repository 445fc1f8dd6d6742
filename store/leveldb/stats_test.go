package leveldb

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"gorewind/store"
	"gorewind/store/storetest"
)

func total(h Histogram) (n uint64) {
	for _, c := range h.Counts {
		n += c
	}
	return n
}

// TestStats: each commit is counted once, and in its bucket.
func TestStats(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{})
	defer d.Close()
	before := d.Stats()
	for _, n := range []int{1, 2, 10_000} {
		storetest.Append(t, d, "s", slices.Repeat([]string{"x"}, n)...)
	}
	s := d.Stats()
	if s.Events.Sum != 10_003 || total(s.Events) != 3 || total(s.Commits) != 3 || total(s.Syncs) != 3 {
		t.Errorf("want 3 commits of 10,003 events, have %+v", s)
	}
	for i, bound := range s.Events.Bounds {
		want := uint64(0)
		if bound == 1 || bound == 2 || bound == 10_000 {
			want = 1
		}
		if have := s.Events.Counts[i]; have != want {
			t.Errorf("want %d of at most %v events, have %d", want, bound, have)
		}
	}
	if s.Commits.Sum < s.Syncs.Sum || s.Syncs.Sum <= 0 {
		t.Errorf("commits took %v s, and their syncs %v s", s.Commits.Sum, s.Syncs.Sum)
	}
	if s.Refusal != "" || s.Free <= 0 || s.Writing != 0 || s.LevelDB == nil || s.LevelDB.Written <= before.LevelDB.Written {
		t.Errorf("%+v", s)
	}
}

// TestStatsOfAFullDisk: Stats say when writes are refused, and when they are
// accepted again.
func TestStatsOfAFullDisk(t *testing.T) {
	f := new(faults)
	d := mustOpen(t, t.TempDir(), f.options())
	defer d.Close()
	storetest.Append(t, d, "s", "x")
	for _, full := range []bool{true, false} {
		f.set(func(f *faults) { f.full = full })
		try(d, "s", "y")
		if s := d.Stats(); (s.Refusal != "") != full {
			t.Errorf("full %v: %q", full, s.Refusal)
		}
	}
}

// TestStatsDoNotWait for a commit, nor for a database that is being opened.
func TestStatsDoNotWait(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{})
	defer d.Close()
	d.turn.Lock()
	d.handle.Lock()
	s := d.Stats()
	d.handle.Unlock()
	d.turn.Unlock()
	if s.LevelDB != nil {
		t.Errorf("want nothing of a database that is being opened, have %+v", s.LevelDB)
	}
}

// TestConsumers: how far each consumer is behind, in all its streams and in the
// store.
func TestConsumers(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{})
	defer func() { d.Close() }()
	storetest.Append(t, d, "a", "1", "2", "3", "4", "5")
	storetest.Append(t, d, "b", "1", "2", "3")
	move := func(consumer, stream string, id uint64) {
		t.Helper()
		c := store.Cursor{Consumer: []byte(consumer), Stream: []byte(stream), ID: id}
		if err := store.Await(func(done func(error)) { d.SetCursor(c, done) }); err != nil {
			t.Fatal(err)
		}
	}
	move("x", "a", 1)
	move("x", "b", 3)
	move("x", "", 8)
	move("long", "b", 2)
	move("all", "", 2)
	want := []Consumer{
		{Name: []byte("all"), Store: true, Positions: 6}, // cursors also take positions, which nobody has to catch up with
		{Name: []byte("long"), Streams: 1, Events: 1},
		{Name: []byte("x"), Streams: 2, Events: 4, Store: true},
	}
	for range 2 {
		have, more, err := d.Consumers(t.Context(), 5)
		slices.SortFunc(have, func(a, b Consumer) int { return cmp.Compare(string(a.Name), string(b.Name)) })
		if err != nil || more || !reflect.DeepEqual(have, want) {
			t.Errorf("want %+v, have %+v, more %v, %v", want, have, more, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		d = mustOpen(t, dir, Options{})
	}
	if have, more, err := d.Consumers(t.Context(), 4); err != nil || !more || len(have) != 3 && len(have) != 2 {
		t.Errorf("want four of five cursors, have %+v, more %v, %v", have, more, err)
	}
}

// TestSlowCommitsAreLogged: the log has one of them, and how many others there
// were.
func TestSlowCommitsAreLogged(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, nil))
	var s slowness
	c := new(commit)
	for _, took := range []time.Duration{slowSync - 1, slowSync, 2 * slowSync, 3 * slowSync} {
		s.note(log, c, took)
	}
	s.told = s.told.Add(-slowEvery)
	s.note(log, c, 5*slowSync)
	for _, want := range []string{fmt.Sprint("took=", slowSync), "took=5s events=0 position=0 others_since=2"} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("want one line with %q, have\n%s", want, &out)
		}
	}
	if have := strings.Count(out.String(), "\n"); have != 2 {
		t.Errorf("want two lines, have\n%s", &out)
	}
}
