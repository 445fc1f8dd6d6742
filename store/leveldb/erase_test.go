package leveldb

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/fixture"
	"gorewind/store/leveldb/internal/record"
	"gorewind/store/storetest"
)

// secret returns bytes that no other event has.
func secret(n int) string { return fmt.Sprintf("<secret number %d, which nobody else may read>", n) }

// leaks returns the files below dir that hold the text.
func leaks(t *testing.T, dir string, text string) []string {
	t.Helper()
	return leaksOf(t, dir, text)[0]
}

// leaksOf returns for each text the files below dir that hold it.
func leaksOf(t *testing.T, dir string, texts ...string) [][]string {
	t.Helper()
	found := make([][]string, len(texts))
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if os.IsNotExist(err) {
			return nil // a compaction has just removed it
		}
		for i, text := range texts {
			if bytes.Contains(b, []byte(text)) {
				found[i] = append(found[i], path)
			}
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return found
}

func replace(t *testing.T, d *DB, stream string, id uint64, data string) {
	t.Helper()
	r := store.Replace{Stream: []byte(stream), ID: id, Data: []byte(data)}
	if err := store.Await(func(done func(error)) { d.Replace(r, done) }); err != nil {
		t.Fatal(err)
	}
}

// fill writes n events of a kilobyte to a stream, in commits of a hundred.
func fill(t *testing.T, d *DB, stream string, n int) {
	t.Helper()
	filler := make([]byte, 1000)
	for i := 0; i < n; i += 100 {
		var events []string
		for range 100 {
			events = append(events, string(filler))
		}
		storetest.Append(t, d, stream, events...)
	}
}

// TestErasedBytesLeaveTheDisk: replaced and deleted data leaves the journal, fresh
// tables and tables below older ones, while neighbouring events stay.
func TestErasedBytesLeaveTheDisk(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{eager: true})
	defer d.Close()
	const secrets = 40
	for i := range secrets {
		storetest.Append(t, d, fmt.Sprint("s", i%4), "before", secret(i), "after")
		if i%4 == 3 {
			fill(t, d, "filler", 4000) // 4 MB: some are in deep tables by the end
		}
	}
	var all []string
	for i := range secrets {
		all = append(all, secret(i))
	}
	for i, found := range leaksOf(t, dir, all...) {
		if len(found) == 0 {
			t.Fatalf("secret %d is not in any file before it is erased: the test cannot see it", i)
		}
	}
	for i := range secrets / 2 {
		if s := i % 4; s < 2 {
			replace(t, d, fmt.Sprint("s", s), uint64(i/4*3+2), "gone")
		}
	}
	fixture.Remove(t, d, "s2", 5*3-1)
	fixture.Remove(t, d, "s3", 5*3-1)
	fixture.Eventually(t, "erasures are pending", fixture.Erased(d))
	for i, found := range leaksOf(t, dir, all...) {
		if i < secrets/2 && len(found) > 0 || i >= secrets/2 && len(found) == 0 {
			t.Errorf("secret %d of %d is in %q", i, secrets, found)
		}
	}
	want := []string{"before", "gone", "after", "before", "gone", "after"}
	have := storetest.Read(t, d, store.Range{Stream: []byte("s0"), UpTo: store.Some(6)})
	if fmt.Sprint(have) != fmt.Sprint(want) {
		t.Errorf("want %q, have %q", want, have)
	}
	have = storetest.Read(t, d, store.Range{Stream: []byte("s2"), Limit: 2})
	if fmt.Sprint(have) != fmt.Sprint([]string{"after", "before"}) {
		t.Errorf("have %q", have)
	}
}

// TestErasureGoesOnAfterACrash: the next process purges what an earlier one
// answered but did not purge.
func TestErasureGoesOnAfterACrash(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{})
	storetest.Append(t, d, "s", secret(1), secret(2), "left")
	storetest.Append(t, d, "u", secret(3))
	fixture.Remove(t, d, "s", 2)
	replace(t, d, "u", 1, "")
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil { // as a kill would leave it
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if len(leaks(t, copied, secret(1))) == 0 {
		t.Fatal("the copy has nothing to be erased")
	}
	d = mustOpen(t, copied, Options{eager: true})
	defer d.Close()
	if n := d.Info().Erasing; n != 2 {
		t.Errorf("want 2 erasures to be done, have %d", n)
	}
	want := func() {
		t.Helper()
		if have := storetest.Read(t, d, store.Range{Stream: []byte("s")}); len(have) != 1 || have[0] != "left" {
			t.Errorf("have %q", have)
		}
	}
	want()
	fixture.Eventually(t, "erasures are pending", fixture.Erased(d))
	want()
	for i := 1; i <= 3; i++ {
		if found := leaks(t, copied, secret(i)); len(found) > 0 {
			t.Errorf("secret %d is in %q", i, found)
		}
	}
}

// TestCloseErases: a clean stop finishes erasures that are quick.
func TestCloseErases(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{})
	storetest.Append(t, d, "s", secret(1))
	fixture.Remove(t, d, "s", 1)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if found := leaks(t, dir, secret(1)); len(found) > 0 {
		t.Errorf("the secret is in %q", found)
	}
}

// TestP2FailedErasureIsUndone: LevelDB alone would apply a REPLACE and a DELETE
// whose sync failed after a restart; the old data has to be there.
func TestP2FailedErasureIsUndone(t *testing.T) {
	for name, erase := range map[string]func(*DB, func(error)){
		"replace": func(d *DB, done func(error)) {
			d.Replace(store.Replace{Stream: []byte("s"), ID: 2, Data: []byte("F")}, done)
		},
		"replace by what needs more pages": func(d *DB, done func(error)) {
			d.Replace(store.Replace{Stream: []byte("s"), ID: 1, Data: make([]byte, 3*record.PageBytes)}, done)
		},
		"delete": func(d *DB, done func(error)) {
			d.Delete(store.Delete{Stream: []byte("s")}, done)
		},
		"cursor": func(d *DB, done func(error)) {
			d.SetCursor(store.Cursor{Consumer: []byte("c"), Stream: []byte("s"), ID: 3}, done)
		},
		"key": func(d *DB, done func(error)) {
			d.Append([]store.Append{{Key: []byte("k"), Groups: []store.Group{{Stream: []byte("s"), Events: [][]byte{[]byte("F")}}}}},
				func(r []store.Result) { done(r[0].Err) })
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := new(faults)
			dir := t.TempDir()
			d := mustOpen(t, dir, f.options())
			storetest.Append(t, d, "s", "A", "B", "C")
			cursor := store.Cursor{Consumer: []byte("c"), Stream: []byte("s"), ID: 2}
			if err := store.Await(func(done func(error)) { d.SetCursor(cursor, done) }); err != nil {
				t.Fatal(err)
			}
			f.set(func(f *faults) { f.sync = 1 })
			if err := store.Await(func(done func(error)) { erase(d, done) }); err == nil {
				t.Fatal("acknowledged although the disk failed")
			}
			check := func() {
				t.Helper()
				if have := content(t, d, "s"); have != "A B C" {
					t.Errorf("have %s", have)
				}
				if id, err := d.Cursor(t.Context(), []byte("c"), []byte("s")); err != nil || id != 2 {
					t.Errorf("the cursor is at %d, %v", id, err)
				}
				if n := d.Info().Erasing; n != 0 {
					t.Errorf("%d erasures of what was refused", n)
				}
			}
			check()
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			d = mustOpen(t, dir, Options{})
			defer d.Close()
			check()
			results := store.Await(func(done func([]store.Result)) {
				d.Append([]store.Append{{Key: []byte("k"), Groups: []store.Group{{Stream: []byte("s"), Events: [][]byte{[]byte("D")}}}}}, done)
			})
			if results[0].Err != nil || results[0].IDs[0] != 4 {
				t.Errorf("the key is taken: %+v", results[0])
			}
		})
	}
}

// background writes an event of a kilobyte after the other to streams in turn
// until stop is called, which returns how many there are.
func background(t *testing.T, d *DB, streams int) (stop func() int) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan int)
	go func() { // ends with ctx
		n := 0
		for event := string(make([]byte, 1000)); ctx.Err() == nil; n += 500 {
			events := slices.Repeat([]string{event}, 500)
			if errs := try(d, fmt.Sprint("busy", n/500%streams), events...); errs[0] != nil {
				t.Error(errs[0])
				break
			}
		}
		ended <- n
	}()
	return func() int { cancel(); return <-ended }
}

// scatter replaces or deletes n secrets of so many streams, which are among
// filler, while others write, and checks that they leave the disk.
func scatter(t *testing.T, d *DB, dir string, n, kilobytes int) {
	t.Helper()
	for i := range n {
		storetest.Append(t, d, fmt.Sprint("s", i), "before", secret(i), "after")
		fill(t, d, fmt.Sprint("filler", i%10), kilobytes/n)
	}
	stop := sync.OnceValue(background(t, d, 100))
	defer stop()
	began := time.Now()
	for i := range n {
		if i%2 == 0 {
			replace(t, d, fmt.Sprint("s", i), 2, "gone")
		} else {
			fixture.Remove(t, d, fmt.Sprint("s", i), 2)
		}
	}
	fixture.Eventually(t, "erasures are pending", fixture.Erased(d))
	t.Logf("%d erasures took %v while %d kilobytes were written", n, time.Since(began), stop())
	if found := leaks(t, dir, "<secret number "); len(found) > 0 {
		t.Errorf("secrets are in %q", found)
	}
	for i := range n {
		want := []string{"after"}
		if i%2 == 0 {
			want = []string{"before", "gone", "after"}
		}
		if have := storetest.Read(t, d, store.Range{Stream: fmt.Append(nil, "s", i)}); !slices.Equal(have, want) {
			t.Errorf("stream %d: want %q, have %q", i, want, have)
		}
	}
}

// TestErasureEndsUnderConstantWrites: LevelDB's own compaction of a range goes on
// as long as somebody writes, because there are always fresh tables.
func TestErasureEndsUnderConstantWrites(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{eager: true})
	defer d.Close()
	scatter(t, d, dir, 100, 40_000)
}

// TestErasureThatAFaultBringsBack: records are removed without a sync, so a fault
// may bring some back. They were once not counted, and the next erasure counted as
// done before it had begun.
func TestErasureThatAFaultBringsBack(t *testing.T) {
	f := new(faults)
	o := f.options()
	o.eager = true
	dir := t.TempDir()
	d := mustOpen(t, dir, o)
	defer d.Close()
	storetest.Append(t, d, "s", "A", secret(1), "C")
	fixture.Remove(t, d, "s", 1)
	fixture.Eventually(t, "erasures are pending", fixture.Erased(d))
	err := d.maintain(func(db *leveldb.DB) error { // as if its removal had been lost
		e := record.Erasure{Kind: record.OpDelete, Number: 1, First: 1, Last: 1}
		return db.Put(record.ErasureKey(4), e.Append(nil), nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	f.set(func(f *faults) { f.sync = 1 })
	if errs := try(d, "s", "F"); errs[0] == nil {
		t.Fatal("acknowledged although the disk failed")
	}
	fixture.Remove(t, d, "s", 2)
	fixture.Eventually(t, "erasures are pending", fixture.Erased(d))
	if found := leaks(t, dir, secret(1)); len(found) > 0 {
		t.Errorf("the secret is in %q", found)
	}
}

// TestErasureOfMuchThatIsRemoved: pages removed before a crash are compacted piece
// by piece, too. Commits would otherwise wait while LevelDB drops old values
// without writing a table.
func TestErasureOfMuchThatIsRemoved(t *testing.T) {
	d := mustOpen(t, t.TempDir(), Options{})
	defer d.Close()
	const events = 80_000
	fill(t, d, "s", events)
	e := record.Erasure{Kind: record.OpDelete, Number: 1, First: 1, Last: events - 50}
	for _, when := range []string{"first", "again"} {
		ranges, err := d.removePages(&e)
		if err != nil {
			t.Fatal(err)
		}
		sizes, err := d.db.SizeOf(ranges)
		if err != nil {
			t.Fatal(err)
		}
		if sizes.Sum() < eraseRange || slices.Max(sizes) > eraseRange {
			t.Errorf("%s: want pieces of at most %d bytes, have %v", when, eraseRange, sizes)
		}
		next := e.First
		for _, r := range ranges {
			if have := record.KeyNumber(r.Start); have != next {
				t.Errorf("%s: want a piece from event %d on, have %d", when, next, have)
			}
			next = record.KeyNumber(r.Limit) + 1
		}
		if next <= events-50 {
			t.Errorf("%s: the pieces end with event %d", when, next-1)
		}
	}
}

// A syncBuffer is a log that is read while it is written.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write implements io.Writer.
func (s *syncBuffer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(b)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}

// TestErasureMeetsDamage: an unreadable block beside data to be purged once made
// LevelDB refuse every write. The engine reopened the database for each, and the
// daemon ended after a minute and blamed the disk.
func TestErasureMeetsDamage(t *testing.T) {
	if raced {
		t.Skip("when a merge fails, LevelDB closes a channel that it sends on, and expects that")
	}
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{})
	for range 40 {
		storetest.Append(t, d, "s", slices.Repeat([]string{strings.Repeat("x", 1000)}, 100)...)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	fixture.Change(t, dir, func(db *leveldb.DB) error { return db.CompactRange(util.Range{}) })
	tables, err := filepath.Glob(filepath.Join(dir, datadir.DBName, "*.ldb"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	for _, table := range tables {
		b, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		if err := os.WriteFile(table, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var log syncBuffer
	d = mustOpen(t, dir, Options{eager: true, Log: slog.New(slog.NewTextHandler(&log, nil))})
	replace(t, d, "s", 3, "other")
	fixture.Eventually(t, "it is told", func() bool { return strings.Contains(log.String(), "cannot be purged from disk") })
	for i := range 20 {
		if err := try(d, "t", fmt.Sprint(i))[0]; err != nil {
			t.Errorf("write %d is refused: %v", i, err)
		}
	}
	fixture.Remove(t, d, "s", 1)
	if n := d.Info().Erasing; n != 2 {
		t.Errorf("want both erasures pending, have %d", n)
	}
	if n := strings.Count(log.String(), "cannot be purged from disk"); n != 1 {
		t.Errorf("it is told %d times", n)
	}
	if err := d.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	d = mustOpen(t, dir, Options{})
	defer d.Close()
	if have := content(t, d, "t"); !strings.HasSuffix(have, " 19") {
		t.Errorf("have %s", have)
	}
}
