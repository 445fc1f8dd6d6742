package ldb

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/storage"
)

// TestOverlay: whatever is done to files on an overlay is seen there, and not
// below.
func TestOverlay(t *testing.T) {
	table := func(n int64) storage.FileDesc { return storage.FileDesc{Type: storage.TypeTable, Num: n} }
	put := func(s storage.Storage, n int64, text string) {
		t.Helper()
		w, err := s.Create(table(n))
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err = errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
	}
	content := func(s storage.Storage) string {
		t.Helper()
		files, err := s.List(storage.TypeAll)
		if err != nil {
			t.Fatal(err)
		}
		slices.SortFunc(files, func(a, b storage.FileDesc) int { return int(a.Num - b.Num) })
		text, err := s.GetMeta()
		have := fmt.Sprint(text.Num, err)
		for _, fd := range files {
			r, err := s.Open(fd)
			if err != nil {
				t.Fatal(fd, err)
			}
			b, err := io.ReadAll(r)
			have += fmt.Sprintf(" %d=%s", fd.Num, b)
			if err := errors.Join(err, r.Close()); err != nil {
				t.Fatal(err)
			}
		}
		return have
	}
	below := storage.NewMemStorage()
	for n := range int64(5) {
		put(below, n, "old")
	}
	if err := below.SetMeta(table(1)); err != nil {
		t.Fatal(err)
	}
	o := NewOverlay(below, nil)
	before := content(below)
	if have := content(o); have != before {
		t.Errorf("want %s, have %s", before, have)
	}
	put(o, 1, "over")
	put(o, 7, "new")
	put(o, 8, "moved")
	if err := errors.Join(o.SetMeta(table(7)), o.Remove(table(0)), o.Remove(table(1)), o.Rename(table(2), table(9)),
		o.Rename(table(8), table(3)), o.Rename(table(4), table(4))); err != nil {
		t.Error(err)
	}
	for _, n := range []int64{0, 1, 2, 6, 8} {
		_, opened := o.Open(table(n))
		for _, err := range []error{opened, o.Remove(table(n)), o.Rename(table(n), table(10))} {
			if !errors.Is(err, os.ErrNotExist) {
				t.Errorf("file %d: want that it is not there, have %v", n, err)
			}
		}
	}
	put(o, 0, "again")
	if have, want := content(o), "7 <nil> 0=again 3=moved 4=old 7=new 9=old"; have != want {
		t.Errorf("want %s, have %s", want, have)
	}
	if have := content(below); have != before {
		t.Errorf("below: want %s, have %s", before, have)
	}
}
