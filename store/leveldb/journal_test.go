package leveldb

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store"
	"gorewind/store/storetest"
)

// journalSize returns how long the journal of a store is.
func journalSize(t *testing.T, dir string) int64 {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, dbName, "*.log"))
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
	want := strings.Repeat("\x00", 3*journalBlock) // looks like room
	storetest.Append(t, d, "a", "first", want)
	if n := journalSize(t, dir); n != journalOctets {
		t.Errorf("want a journal of %d octets, have %d", journalOctets, n)
	}
	if err := os.CopyFS(crashed, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if n := journalSize(t, dir); n < int64(len(want)) || n > int64(len(want))+1000 {
		t.Errorf("want a journal of the events' %d octets and little more, have %d", len(want), n)
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
	log, err := os.ReadFile(filepath.Join(crashed, dbName, "LOG"))
	if n := bytes.Count(log, []byte("journal@drop")); err != nil || n > 1 {
		t.Errorf("want the room passed over silently, have %d complaints, %v", n, err)
	}
}

func TestJournalEnd(t *testing.T) {
	room := make([]byte, 3*journalBlock+5)
	written := func(at ...int) []byte {
		b := bytes.Clone(room)
		for _, i := range at {
			b[i] = 1
		}
		return b
	}
	for name, c := range map[string]struct {
		file []byte
		want int64
	}{
		"empty":                  {nil, 0},
		"all room":               {room, 0},
		"one block":              {written(6), journalBlock},
		"two blocks":             {written(0, journalBlock), 2 * journalBlock},
		"one lost in a crash":    {written(0, 2*journalBlock), 3 * journalBlock},
		"the cut one at the end": {written(3 * journalBlock), 3*journalBlock + 5},
		"cut within a head":      {[]byte{0, 0, 1}, 3},
	} {
		mem := storage.NewMemStorage()
		fd := storage.FileDesc{Type: storage.TypeJournal, Num: 1}
		w, err := mem.Create(fd)
		if err != nil {
			t.Fatal(err)
		}
		w.Write(c.file)
		w.Close()
		r, err := mem.Open(fd)
		if err != nil {
			t.Fatal(err)
		}
		if have, err := journalEnd(r); have != c.want || err != nil {
			t.Errorf("%s: want %d, have %d, %v", name, c.want, have, err)
		}
		r.Close()
	}
}
