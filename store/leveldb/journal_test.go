package leveldb

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/storetest"
)

// journalSize returns how long the journal of a store is.
func journalSize(t *testing.T, dir string) int64 {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, datadir.DBName, "*.log"))
	if err != nil || len(names) != 1 {
		t.Fatalf("want one journal, have %q, %v", names, err)
	}
	fi, err := os.Stat(names[0])
	if err != nil {
		t.Fatal(err)
	}
	return fi.Size()
}

// TestP1RoomOfAJournal: after a crash the room that a journal has left reads as
// zeros; a clean stop gives it back.
func TestP1RoomOfAJournal(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("journals grow as files do")
	}
	dir, crashed := t.TempDir(), filepath.Join(t.TempDir(), "crashed")
	d := mustOpen(t, dir, Options{})
	const block = 32 << 10                  // of LevelDB's journals
	want := strings.Repeat("\x00", 3*block) // looks like room
	storetest.Append(t, d, "a", "first", want)
	if n := journalSize(t, dir); n != ldb.JournalBytes {
		t.Errorf("want a journal of %d bytes, have %d", ldb.JournalBytes, n)
	}
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if n := journalSize(t, dir); n < int64(len(want)) || n > int64(len(want))+1000 {
		t.Errorf("want a journal of the events' %d bytes and little more, have %d", len(want), n)
	}
	for _, dir := range []string{crashed, dir} {
		d := mustOpen(t, dir, Options{})
		if have := storetest.Read(t, d, store.Range{Stream: []byte("a")}); len(have) != 2 || !strings.HasSuffix(have[1], want) {
			t.Errorf("want what was appended, have %d events", len(have))
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	// LevelDB complains about what comes after the last record of its block.
	log, err := os.ReadFile(filepath.Join(crashed, datadir.DBName, "LOG"))
	if n := bytes.Count(log, []byte("journal@drop")); err != nil || n > 1 {
		t.Errorf("want the room passed over silently, have %d complaints, %v", n, err)
	}
}
