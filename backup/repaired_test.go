package backup

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorewind/store"
	"gorewind/store/leveldb/repair"
	"gorewind/store/storetest"
)

// TestRepairedStores exports stores that lost commits and names in a repair, whole
// and by streams. A store made from such an export holds every event that is left.
// Damage is random, and one repair in ten loses a commit in the middle; the test
// continues until it meets one.
func TestRepairedStores(t *testing.T) {
	r, _ := storetest.Rand(t)
	gaps := 0
	for n := 0; n < storetest.Operations(8) || gaps == 0; n++ {
		if n == 200 {
			t.Fatal("no repair lost a commit")
		}
		dir := filepath.Join(t.TempDir(), "damaged")
		for range 3 { // so that there are tables and a journal
			randomly(t, r, dir)
		}
		damage(t, r, dir)
		if _, err := repair.Run(t.Context(), dir, repair.Options{AcceptLoss: true}); err != nil {
			continue // the store's own files
		}
		s := open(t, dir)
		gaps += gapsOf(t, s)
		want := eventsLeft(t, s)
		everything := ""
		for _, selection := range []*Selection{nil, {Prefix: &everything}} {
			path, _ := exported(t, s, ExportOptions{AcceptLoss: true, Selection: selection})
			c, _ := restored(t, path)
			same(t, fmt.Sprintf("store %d", n), want, eventsLeft(t, c))
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		if err := errors.Join(s.Close(), os.RemoveAll(dir)); err != nil {
			t.Fatal(err)
		}
	}
}

// randomly performs random writes of every kind on a store.
func randomly(t *testing.T, r *rand.Rand, dir string) {
	t.Helper()
	s := open(t, dir)
	for range 60 {
		stream := fmt.Sprint("s", r.IntN(6))
		id := uint64(1 + r.IntN(10))
		write := func(done func(error)) { done(nil) }
		switch r.IntN(8) {
		case 0:
			data := []byte(strings.Repeat("r", r.IntN(3000)))
			write = func(done func(error)) { s.Replace(store.Replace{Stream: []byte(stream), ID: id, Data: data}, done) }
		case 1:
			write = func(done func(error)) { s.Delete(store.Delete{Stream: []byte(stream), UpTo: store.Some(id)}, done) }
		case 2:
			write = func(done func(error)) {
				s.SetCursor(store.Cursor{Consumer: []byte("c"), Stream: []byte(stream), ID: id - 1, Rewind: true}, done)
			}
		default:
			request(s, keyed(stream, fmt.Sprint(r.IntN(200)), "one", strings.Repeat("data", r.IntN(600))))
		}
		if err := store.Await(write); err != nil && !errors.Is(err, store.ErrUnknownID) {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// damage alters bytes in tables and journals of a store.
func damage(t *testing.T, r *rand.Rand, dir string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "db", "*.l*"))
	if err != nil {
		t.Fatal(err)
	}
	for range 1 + r.IntN(3) {
		file := files[r.IntN(len(files))]
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 0 {
			for at, n := r.IntN(len(b)), r.IntN(300); n >= 0 && at < len(b); at, n = at+1, n-1 {
				b[at] ^= byte(1 + r.IntN(255))
			}
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func gapsOf(t *testing.T, s store.Store) (gaps int) {
	t.Helper()
	for e, err := range s.Log(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range e.Changes {
			if c.Kind == store.Gap {
				gaps++
			}
		}
	}
	return gaps
}

// eventsLeft returns the events that can be read, as text.
func eventsLeft(t *testing.T, s store.Store) string {
	t.Helper()
	var b strings.Builder
	var lost *store.Lost
	for after, ended := uint64(0), false; !ended; {
		ended = true
		for e, err := range s.Read(t.Context(), store.Range{Select: store.Prefix(nil), After: store.Some(after), Nearest: true}) {
			switch {
			case errors.As(err, &lost):
				after, ended = lost.After, false
			case err != nil:
				t.Fatal(err)
			default:
				fmt.Fprintln(&b, textOfEvent(e))
			}
		}
	}
	return b.String()
}
