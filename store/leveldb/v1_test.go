package leveldb

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorewind/store"
	"gorewind/store/leveldb/internal/fixture"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/storetest"
)

// testdata/v1 is a store of format 1, and testdata/v1.txt describes its contents.
// They were made once, by
//
//	GOREWIND_WRITE_V1=1 go test -run TestFormat1 ./store/leveldb
//
// and must not be made again: every version has to read what the first one wrote.
const (
	v1      = "testdata/v1"
	v1Text  = "testdata/v1.txt"
	v1Write = "GOREWIND_WRITE_V1"
)

// TestFormat1: a store that the first version left as after a kill is whole, and
// its pending erasures finish.
func TestFormat1(t *testing.T) {
	if os.Getenv(v1Write) != "" {
		writeV1(t)
	}
	want, err := os.ReadFile(v1Text)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(v1)); err != nil {
		t.Fatal(err)
	}
	if len(leaks(t, dir, secret(3))) == 0 || len(leaks(t, dir, secret(4))) == 0 {
		t.Error("it has nothing to be erased")
	}
	for _, when := range []string{"as it was", "after a clean stop"} {
		d := mustOpen(t, dir, Options{eager: true})
		if have := describe(t, d); have != string(want) {
			t.Errorf("%s: want\n%s\nhave\n%s", when, want, have)
		}
		fixture.Eventually(t, "erasures are pending", fixture.Erased(d))
		if have := describe(t, d); have != string(want) {
			t.Errorf("%s, erased: want\n%s\nhave\n%s", when, want, have)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i := 1; i <= 4; i++ {
		if found := leaks(t, dir, secret(i)); len(found) > 0 {
			t.Errorf("secret %d is in %q", i, found)
		}
	}
	d := mustOpen(t, dir, Options{})
	defer d.Close()
	last := d.tip().Position
	if id := storetest.Append(t, d, "emptied", "more"); id != 3 || d.tip().Position != last+1 {
		t.Errorf("want event 3 at position %d, have %d at %d", last+1, id, d.tip().Position)
	}
}

// v1Keyed is a request of v1 that had a key.
func v1Keyed() store.Append {
	return store.Append{Key: []byte("key"), Groups: []store.Group{
		{Stream: []byte("keyed"), Expected: store.Some(0), Events: [][]byte{[]byte("one"), []byte("two")}},
		{Stream: []byte("orders/1"), Events: [][]byte{[]byte("three")}},
	}}
}

// v1Cursors are all cursors of v1, and two that do not exist.
var v1Cursors = []store.Cursor{
	{Consumer: []byte("billing"), Stream: []byte("orders/1"), ID: 2},
	{Consumer: []byte("billing"), Stream: []byte("orders/2"), ID: 1},
	{Consumer: []byte("billing"), ID: 7},
	{Consumer: []byte("\x00"), Stream: []byte("\x00\xff"), ID: 1},
	{Consumer: []byte("removed"), Stream: []byte("orders/1")},
	{Consumer: []byte("nobody"), Stream: []byte("orders/1")},
}

// describe describes everything in a store made by writeV1.
func describe(t *testing.T, d *DB) string {
	t.Helper()
	var b strings.Builder
	info := d.Info()
	fmt.Fprintf(&b, "store %s generation %d format %d last position %d\n", info.ID, info.Generation, info.Format, info.LastPosition)
	for s, err := range d.Streams(t.Context(), nil, nil) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "stream %q last %d\n", s.Name, s.Last)
	}
	tell := func(what string, r store.Range) {
		for e, err := range d.Read(t.Context(), r) {
			if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			fmt.Fprintf(&b, "%s %d: %q %d at %d, %d bytes, checksum %08x\n", what, e.Position, e.Stream, e.ID,
				e.Time.UnixMicro(), len(e.Data), crc32.ChecksumIEEE(e.Data))
		}
	}
	tell("forward", store.Range{Select: store.Prefix(nil)})
	tell("backward", store.Range{Select: store.Prefix([]byte("orders/")), Backward: true})
	tell("stream", store.Range{Stream: []byte("orders/1")})
	for _, c := range v1Cursors {
		id, err := d.Cursor(t.Context(), c.Consumer, c.Stream)
		fmt.Fprintf(&b, "cursor of %q in %q: %d %v\n", c.Consumer, c.Stream, id, err)
	}
	fmt.Fprintf(&b, "the request again: %+v\n", fixture.Request(t, d, v1Keyed()))
	other := v1Keyed()
	other.Groups[0].Events[0] = []byte("other")
	fmt.Fprintf(&b, "another under its key: reused %t\n", errors.Is(fixture.Request(t, d, other).Err, store.ErrKeyReused))
	return b.String()
}

// writeV1 makes the store and its description.
func writeV1(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{eager: true})
	storetest.Append(t, d, "orders/1", "first", secret(1), "")
	storetest.Append(t, d, "orders/2", "before", secret(2), "after")
	storetest.Append(t, d, "\x00\xff", strings.Repeat("\x00", 300))
	storetest.Append(t, d, "large", strings.Repeat("l", 5000), "small", strings.Repeat("m", 9000))
	storetest.Append(t, d, "emptied", "one", "two")
	if r := fixture.Request(t, d, v1Keyed()); r.Err != nil {
		t.Fatal(r.Err)
	}
	for _, c := range v1Cursors {
		c.Rewind = true
		if err := store.Await(func(done func(error)) { d.SetCursor(c, done) }); err != nil {
			t.Fatal(err)
		}
	}
	moved := store.Cursor{Consumer: []byte("removed"), Stream: []byte("orders/1")}
	for _, moved.ID = range []uint64{3, 0} {
		moved.Rewind = moved.ID == 0
		if err := store.Await(func(done func(error)) { d.SetCursor(moved, done) }); err != nil {
			t.Fatal(err)
		}
	}
	replace(t, d, "orders/1", 2, "replaced")
	fixture.Remove(t, d, "orders/2", 2)
	fixture.Remove(t, d, "emptied", 2)
	fixture.Eventually(t, "erasures are pending", fixture.Erased(d)) // which leaves a table
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = mustOpen(t, dir, Options{})
	defer d.Close()
	storetest.Append(t, d, "orders/1", "one", secret(3), strings.Repeat("three", 20))
	storetest.Append(t, d, "orders/3", "one", secret(4), "three")
	storetest.Append(t, d, "many", strings.Split(strings.Repeat("m", 60), "")...)
	replace(t, d, "orders/1", 6, strings.Repeat("page", 1500))
	fixture.Remove(t, d, "orders/3", 2)
	if err := os.WriteFile(v1Text, []byte(describe(t, d)), 0o644); err != nil {
		t.Fatal(err)
	}
	copyKilled(t, v1, dir)
}

// copyKilled copies a store as after a kill, without the room of its journal and
// LevelDB's log.
func copyKilled(t *testing.T, to, from string) {
	t.Helper()
	err := filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), "LOG") || entry.Name() == nameLock {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		var r io.ReadCloser = f
		if filepath.Ext(path) == ".log" {
			if r, err = ldb.OpenJournal(f); err != nil {
				return err
			}
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		name := filepath.Join(to, strings.TrimPrefix(path, from))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		return os.WriteFile(name, b, 0o644)
	})
	if err != nil {
		t.Fatal(err)
	}
}
