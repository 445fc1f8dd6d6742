package leveldb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/fixture"
	"gorewind/store/leveldb/internal/record"
	"gorewind/store/leveldb/repair"
	"gorewind/store/storetest"
)

// TestRestoredConformance runs the suite on stores that are copied by their log
// each time they are opened: a copy holds everything that a store holds.
func TestRestoredConformance(t *testing.T) {
	storetest.Run(t, false, func(t *testing.T) func() store.Store {
		root, dir, n := t.TempDir(), "", 0
		t.Cleanup(func() { // after it was closed
			if r, err := repair.Verify(context.Background(), dir, nil); err != nil || r.Damaged > 0 {
				t.Errorf("the store is not whole: %v, %v", r, err)
			}
		})
		return func() store.Store {
			last := dir
			n++
			if dir = filepath.Join(root, fmt.Sprint(n)); last != "" {
				restoreCopy(t, last, dir)
				if err := os.RemoveAll(last); err != nil {
					t.Fatal(err)
				}
			}
			return mustOpen(t, dir, Options{})
		}
	})
}

// restoreCopy makes the store in from again in to.
func restoreCopy(t *testing.T, from, to string) {
	t.Helper()
	d := mustOpen(t, from, Options{})
	defer d.Close()
	r := mustRestore(t, to, d.Identity(), "it")
	defer r.Close()
	copyLog(t, d, r)
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
}

// mustRestore is NewRestore.
func mustRestore(t *testing.T, dir string, id store.Identity, source string) *Restore {
	t.Helper()
	r, err := NewRestore(dir, id, source)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// tear adds a commit of which no more can be read after some of its events.
func tear(t *testing.T, r *Restore, e store.Entry, events []store.Event) {
	t.Helper()
	ended := errors.New("ended")
	next := storetest.Each(events...)
	err := r.Add(e, func() (*store.Event, error) {
		if e, _ := next(); e != nil {
			return e, nil
		}
		return nil, ended
	})
	if !errors.Is(err, ended) {
		t.Fatalf("have %v", err)
	}
}

// copyLog adds everything that a store has to a Restore.
func copyLog(t *testing.T, d *DB, r *Restore) {
	t.Helper()
	for e, err := range d.Log(t.Context(), r.Position()) {
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Add(e, storetest.Each(eventsOf(t, d, e)...)); err != nil {
			t.Fatal(err)
		}
	}
}

// eventsOf returns what is left of an entry's events.
func eventsOf(t *testing.T, d *DB, e store.Entry) (events []store.Event) {
	t.Helper()
	if e.Events() == 0 {
		return nil
	}
	in := store.Range{Select: store.Prefix(nil), After: store.Some(e.First - 1), UpTo: store.Some(e.Position), Nearest: true}
	for event, err := range d.Read(t.Context(), in) {
		if err != nil {
			t.Fatal(err)
		}
		event.Data = bytes.Clone(event.Data)
		events = append(events, event)
	}
	return events
}

// busyStore makes a store with some of everything.
func busyStore(t *testing.T, dir string) *DB {
	t.Helper()
	d := mustOpen(t, dir, Options{eager: true})
	fill(t, d, "a", 50)
	fill(t, d, "b", 3)
	fixture.Remove(t, d, "b", 3)
	storetest.Append(t, d, "b", "again", "")
	replace(t, d, "a", 7, "other")
	fixture.Remove(t, d, "a", 4)
	mustCommit(t, d, "a", 9)
	if r := fixture.Request(t, d, v1Keyed()); r.Err != nil {
		t.Fatal(r.Err)
	}
	return d
}

// TestRestoreGoesOn: a restore resumes what an earlier one left, and a daemon
// meanwhile does not take it for an empty directory.
func TestRestoreGoesOn(t *testing.T) {
	d := busyStore(t, t.TempDir())
	defer d.Close()
	dir := filepath.Join(t.TempDir(), "new")
	added := 0
	for e, err := range d.Log(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		r := mustRestore(t, dir, d.Identity(), "it")
		if r.Position() != e.First-1 {
			t.Fatalf("it goes on at %d, not after %d", r.Position(), e.First-1)
		}
		if err := r.Add(e, storetest.Each(eventsOf(t, d, e)...)); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		added++
		if _, err := Open(dir, Options{}); !errors.Is(err, ErrUnfinished) {
			t.Fatalf("Open: %v", err)
		}
	}
	if added < 8 {
		t.Fatalf("only %d commits", added)
	}
	other := d.Identity()
	other.Generation++
	r := mustRestore(t, dir, other, "it")
	defer r.Close()
	if have := r.Identity(); have != d.Identity() {
		t.Errorf("want the identity %v with which it was begun, have %v", d.Identity(), have)
	}
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	sameKeys(t, d, dir)
	if _, err := NewRestore(dir, d.Identity(), "it"); !errors.Is(err, ErrNotEmpty) {
		t.Fatalf("over a store: %v", err)
	}
}

// TestRestoreOfAnother: a restore from another source does not resume.
func TestRestoreOfAnother(t *testing.T) {
	d := busyStore(t, t.TempDir())
	defer d.Close()
	dir := filepath.Join(t.TempDir(), "new")
	began := mustRestore(t, dir, d.Identity(), "it")
	copyLog(t, d, began)
	if err := began.Close(); err != nil {
		t.Fatal(err)
	}
	id := d.Identity()
	id.Generation++
	r := mustRestore(t, dir, id, "another")
	defer r.Close()
	if r.Position() != 0 || r.Identity() != id {
		t.Errorf("it goes on after the position %d as %v", r.Position(), r.Identity())
	}
	copyLog(t, d, r)
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, datadir.DBName, nameSource)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a store that is finished says what it was made of: %v", err)
	}
}

// TestRestoreBeginsAnew: a restore does not resume from a database that a kill left
// incomplete, which LevelDB would take for a lost one.
func TestRestoreBeginsAnew(t *testing.T) {
	d := busyStore(t, t.TempDir())
	defer d.Close()
	whole := filepath.Join(t.TempDir(), "whole")
	r := mustRestore(t, whole, d.Identity(), "it")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Join(whole, nameRestoring))
	if err != nil {
		t.Fatal(err)
	}
	for _, missing := range entries {
		dir := filepath.Join(t.TempDir(), "new")
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		making := filepath.Join(dir, nameRestoring)
		if err := errors.Join(os.Remove(filepath.Join(making, datadir.FormatName)), os.RemoveAll(filepath.Join(making, missing.Name()))); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(making, datadir.FormatName+".new"), []byte("gorewind st"), 0o644); err != nil {
			t.Fatal(err)
		}
		r, err := NewRestore(dir, d.Identity(), "it")
		if err != nil {
			t.Fatalf("without %s: %v", missing.Name(), err)
		}
		copyLog(t, d, r)
		if _, err := r.Finish(t.Context(), nil); err != nil {
			t.Fatalf("without %s: %v", missing.Name(), err)
		}
	}
}

// sameKeys compares every byte of the records of a store and its copy. Events may
// share pages with others, so they are compared one by one.
func sameKeys(t *testing.T, d *DB, dir string) {
	t.Helper()
	fixture.Eventually(t, "erasures are pending", fixture.Erased(d))
	c := mustOpen(t, dir, Options{eager: true})
	defer c.Close()
	fixture.Eventually(t, "erasures are pending", fixture.Erased(c))
	want, have := records(t, d), records(t, c)
	if len(want) < 10 || !reflect.DeepEqual(want, have) {
		t.Fatalf("%d records, of which the copy has %d that are other ones", len(want), len(have))
	}
	if w, h := describe(t, d), describe(t, c); w != h {
		t.Fatalf("want %s\nhave %s", w, h)
	}
}

func records(t *testing.T, d *DB) map[string]string {
	t.Helper()
	found := make(map[string]string)
	err := d.use(t.Context(), func(db *leveldb.DB) error {
		it := db.NewIterator(nil, nil)
		defer it.Release()
		for it.Next() {
			if it.Key()[0] == record.KindEvent {
				continue
			}
			found[string(it.Key())] = string(it.Value())
		}
		return it.Error()
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestRestoreErases: erased events that an older copy still holds leave the disk of
// the new store, too.
func TestRestoreErases(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{})
	defer d.Close()
	dir := t.TempDir()
	r := mustRestore(t, dir, d.Identity(), "it")
	defer r.Close()
	storetest.Append(t, d, "s", "1", secret(1), secret(2), "4")
	copyLog(t, d, r)
	replace(t, d, "s", 3, "replaced")
	fixture.Remove(t, d, "s", 2)
	for e, err := range d.Log(t.Context(), r.Position()) {
		if err != nil {
			t.Fatal(err)
		}
		var now []store.Event
		if e.Changes[0].Kind == store.Replaced {
			for event, err := range d.Read(t.Context(), store.Range{Stream: []byte("s"), After: store.Some(2), UpTo: store.Some(3)}) {
				if err != nil {
					t.Fatal(err)
				}
				now = append(now, event)
			}
		}
		if err := r.Add(e, storetest.Each(now...)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	c := mustOpen(t, dir, Options{eager: true})
	fixture.Eventually(t, "erasures are pending", fixture.Erased(c))
	if have := content(t, c, "s"); have != content(t, d, "s") {
		t.Fatalf("the stream has %s", have)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if found := findBytes(t, dir, secret(i+1)); found != "" {
			t.Errorf("%s has the erased event %d", found, i+1)
		}
	}
}

// TestRestoreAppendsAndReplaces: a commit that appends to a stream may replace an
// older event of the same stream, too.
func TestRestoreAppendsAndReplaces(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{})
	defer d.Close()
	storetest.Append(t, d, "s", "1", "2")
	dir := t.TempDir()
	r := mustRestore(t, dir, d.Identity(), "it")
	defer r.Close()
	copyLog(t, d, r)
	var old store.Event
	for e, err := range d.Read(t.Context(), store.Range{Stream: []byte("s"), UpTo: store.Some(1)}) {
		if err != nil {
			t.Fatal(err)
		}
		old = e
	}
	old.Data = []byte("replaced")
	name, at := []byte("s"), time.Now().Truncate(time.Microsecond)
	both := store.Entry{First: 3, Position: 4, Time: at, Bytes: 1, NextStream: 2, Changes: []store.Change{
		{Kind: store.Appended, Stream: name, Number: 1, First: 3, Last: 3},
		{Kind: store.Replaced, Stream: name, Number: 1, First: 1, Last: 2},
	}}
	if err := r.Add(both, storetest.Each(store.Event{Stream: name, ID: 3, Position: 3, Time: at, Data: []byte("3")}, old)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	c := mustOpen(t, dir, Options{})
	defer c.Close()
	var have []string
	for e, err := range c.Read(t.Context(), store.Range{Stream: name}) {
		if err != nil {
			t.Fatal(err)
		}
		have = append(have, string(e.Data))
	}
	if want := []string{"replaced", "2", "3"}; !reflect.DeepEqual(want, have) {
		t.Errorf("want %q, have %q", want, have)
	}
}

// findBytes returns a file below a directory that has some bytes.
func findBytes(t *testing.T, dir, size string) (found string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(size)) {
			found = path
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestRestoreRefusesWhatNoStoreHas: each entry of a log is refused with one thing
// changed, and the true entry is accepted afterwards.
func TestRestoreRefusesWhatNoStoreHas(t *testing.T) {
	d := busyStore(t, t.TempDir())
	defer d.Close()
	r := mustRestore(t, t.TempDir(), d.Identity(), "it")
	defer r.Close()
	tried := 0
	for e, err := range d.Log(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		events := eventsOf(t, d, e)
		refuse := func(what string, alter func(e *store.Entry, events []store.Event) []store.Event) {
			t.Helper()
			altered := e
			altered.Changes = append([]store.Change(nil), e.Changes...)
			left := alter(&altered, append([]store.Event(nil), events...))
			if err := r.Add(altered, storetest.Each(left...)); !errors.Is(err, store.ErrDamaged) {
				t.Fatalf("%s of %+v: %v", what, e, err)
			}
			tried++
		}
		entry := func(f func(e *store.Entry)) func(*store.Entry, []store.Event) []store.Event {
			return func(e *store.Entry, events []store.Event) []store.Event { f(e); return events }
		}
		refuse("the last position", entry(func(e *store.Entry) { e.Position++ }))
		refuse("time", entry(func(e *store.Entry) { e.Time = e.Time.Add(time.Second) }))
		refuse("bytes", entry(func(e *store.Entry) { e.Bytes++ }))
		refuse("next stream", entry(func(e *store.Entry) { e.NextStream++ }))
		refuse("positions without end", entry(func(e *store.Entry) {
			e.Changes = append(e.Changes, store.Change{Kind: store.Gap, Count: 1 << 40})
			e.Position, e.Chain = e.Position+1<<40, 0
		}))
		refuse("numbers without end", entry(func(e *store.Entry) { e.NextStream, e.Chain = 1<<64-1, 0 }))
		refuse("chain", entry(func(e *store.Entry) { e.Chain++ }))
		refuse("no changes", entry(func(e *store.Entry) { e.Changes = nil }))
		for i := range e.Changes {
			refuse("kind", entry(func(e *store.Entry) { e.Changes[i].Kind = 99 }))
			refuse("number", entry(func(e *store.Entry) { e.Changes[i].Number += 7 }))
			if e.Changes[i].Number > 0 {
				refuse("an id that took no position", entry(func(e *store.Entry) {
					e.Changes[i].Last, e.Chain = 1<<50, 0
					if e.Changes[i].Kind == store.Appended {
						e.Changes[i].First = 1 << 50
					}
				}))
			}
			if e.Changes[i].Kind != store.Moved {
				refuse("no stream", entry(func(e *store.Entry) { e.Changes[i].Number, e.Chain = 0, 0 }))
			}
			if e.Changes[i].Kind != store.Keyed {
				refuse("last", entry(func(e *store.Entry) { e.Changes[i].Last += 1000 }))
			}
		}
		if len(events) > 0 {
			refuse("an event's id", func(_ *store.Entry, events []store.Event) []store.Event { events[0].ID += 100; return events })
			refuse("an event's position", func(_ *store.Entry, events []store.Event) []store.Event { events[0].Position += 100; return events })
			refuse("an event's stream", func(_ *store.Entry, events []store.Event) []store.Event {
				events[0].Stream = []byte("none")
				return events
			})
			refuse("events of more", func(_ *store.Entry, events []store.Event) []store.Event { return append(events, events[0]) })
		}
		if err := r.Add(e, storetest.Each(events...)); err != nil {
			t.Fatal(err)
		}
	}
	if tried < 60 {
		t.Fatalf("only %d alterations were tried", tried)
	}
}

// TestRestoreTellsOfMissingEvents: events that nobody erased are missing, or
// reported as lost.
func TestRestoreTellsOfMissingEvents(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{})
	defer d.Close()
	storetest.Append(t, d, "s", "1", "2", "3", "4")
	dir := t.TempDir()
	r := mustRestore(t, dir, d.Identity(), "it")
	defer r.Close()
	for e, err := range d.Log(t.Context(), 0) {
		events := eventsOf(t, d, e)
		if err := errors.Join(err, r.Add(e, storetest.Each(events[0], events[3]))); err != nil {
			t.Fatal(err)
		}
	}
	report, err := r.Finish(t.Context(), nil)
	if !errors.Is(err, store.ErrDamaged) || report.Damaged == 0 {
		t.Fatalf("events are missing: %v, %v", err, report)
	}
	if err := r.Lose([]byte("s"), 2, 3); err != nil {
		t.Fatal(err)
	}
	if report, err = r.Finish(t.Context(), nil); err != nil || report.Lost != 2 {
		t.Fatalf("two events are lost: %v, %v", err, report)
	}
	c := mustOpen(t, dir, Options{})
	defer c.Close()
	positions, gaps := readOn(t, c, store.Range{Stream: []byte("s")})
	if fmt.Sprint(positions) != "[1 4]" || gaps == 0 {
		t.Fatalf("read %v, %d gaps", positions, gaps)
	}
}

// TestRestoreGoesOnWithinACommit: a restore is interrupted within a commit whose
// events have grown beyond the size of a commit, with a part of it on disk. When it
// resumes from a source with other events left, that part is not in the store.
func TestRestoreGoesOnWithinACommit(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{})
	defer d.Close()
	storetest.Append(t, d, "s", slices.Repeat([]string{"small"}, 30)...)
	for id := uint64(1); id <= 30; id += 3 {
		replace(t, d, "s", id, strings.Repeat("r", 2<<20))
	}
	fixture.Remove(t, d, "s", 2)
	dir := t.TempDir()
	log := slices.Collect(func(yield func(store.Entry) bool) {
		for e, err := range d.Log(t.Context(), 0) {
			if err != nil || !yield(e) {
				break
			}
		}
	})
	r := mustRestore(t, dir, d.Identity(), "it")
	before := eventsOf(t, d, log[0])
	for i := range before { // in other pages than those that come
		if before[i].Data = []byte("b"); i >= len(before)/2 {
			before[i].Data = bytes.Repeat(before[i].Data, 1<<20)
		}
	}
	tear(t, r, log[0], before)
	it := r.db.NewIterator(util.BytesPrefix([]byte{record.KindEvent}), nil)
	if !it.Next() {
		t.Fatal("nothing was written before the end of the commit: the test does not see what it is for")
	}
	it.Release()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = mustRestore(t, dir, d.Identity(), "it")
	defer r.Close()
	copyLog(t, d, r)
	if report, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatalf("%v, %v", err, report)
	}
	c := mustOpen(t, dir, Options{})
	defer c.Close()
	if want, have := eventsOf(t, d, log[0]), eventsOf(t, c, log[0]); !reflect.DeepEqual(want, have) {
		t.Errorf("want %d events as they are, have %d, or other ones", len(want), len(have))
	}
}

// TestRestoreGoesOnAfterAGap: after lost commits, a resumed restore once took the
// name of an older stream for another's.
func TestRestoreGoesOnAfterAGap(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{})
	defer d.Close()
	dir, id := t.TempDir(), d.Identity()
	at := time.UnixMicro(1e15)
	log := []store.Entry{
		{First: 1, Position: 10, Time: at, NextStream: 4, Changes: []store.Change{{Kind: store.Gap, Count: 10}}},
		{First: 11, Position: 30, Time: at, NextStream: 4, Changes: []store.Change{{Kind: store.Appended, Stream: []byte("s"), Number: 2, First: 1, Last: 20}}},
	}
	var events []store.Event
	for i := range uint64(20) {
		events = append(events, store.Event{Stream: []byte("s"), ID: i + 1, Position: i + 11, Time: at, Data: bytes.Repeat([]byte("x"), 1<<20)})
	}
	r := mustRestore(t, dir, id, "it")
	if err := r.Add(log[0], storetest.Each()); err != nil {
		t.Fatal(err)
	}
	tear(t, r, log[1], events[:15])
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	r = mustRestore(t, dir, id, "it")
	defer r.Close()
	other := log[1]
	other.Changes = []store.Change{{Kind: store.Appended, Stream: []byte("other"), Number: 2, First: 1, Last: 20}}
	if err := r.Add(other, storetest.Each()); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("another stream of the same number: %v", err)
	}
	if err := r.Add(log[1], storetest.Each(events...)); err != nil {
		t.Fatal(err)
	}
	if report, err := r.Finish(t.Context(), nil); err != nil || report.Events != 20 {
		t.Errorf("have %v, %v", report, err)
	}
}
