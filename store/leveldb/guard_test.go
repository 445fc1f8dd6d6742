package leveldb

import (
	"io"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// TestP1TableThatIsMadeUnderAHeldName: a kill in the middle of a compaction leaves
// tables that LevelDB removes when it is opened again, which is held back for a
// while. Meanwhile its next compaction gave their numbers again, and what was
// removed then was the new tables, with what was acknowledged in them.
func TestP1TableThatIsMadeUnderAHeldName(t *testing.T) {
	files := storage.NewMemStorage()
	g, err := newGuard(files, "")
	if err != nil {
		t.Fatal(err)
	}
	left, anew := storage.FileDesc{Type: storage.TypeTable, Num: 7}, storage.FileDesc{Type: storage.TypeTable, Num: 8}
	for _, fd := range []storage.FileDesc{left, anew} {
		writeFile(t, files, fd, "half a table")
		if err := g.Remove(fd); err != nil {
			t.Fatal(err)
		}
	}
	writeFile(t, g, anew, "a table")
	if err := g.release(); err != nil {
		t.Fatal(err)
	}
	r, err := files.Open(anew)
	if err != nil {
		t.Fatal("the new table is gone: ", err)
	}
	defer r.Close()
	if b, err := io.ReadAll(r); err != nil || string(b) != "a table" {
		t.Errorf("have %q, %v", b, err)
	}
	if r, err := files.Open(left); err == nil {
		r.Close()
		t.Error("what was left is still there")
	}
}

func writeFile(t *testing.T, s storage.Storage, fd storage.FileDesc, text string) {
	t.Helper()
	w, err := s.Create(fd)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}
