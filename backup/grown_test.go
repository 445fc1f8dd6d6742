package backup

import (
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorewind/store"
)

// grown is how many events of a commit were replaced by events of a megabyte: more
// than a commit may have when it is made, and more than a Writer holds back.
const grown = 18

// grow makes a store with such a commit. It calls inBetween before it replaces the
// events.
func grow(t *testing.T, inBetween func(store.Store)) store.Store {
	t.Helper()
	s := open(t, t.TempDir())
	t.Cleanup(func() { s.Close() })
	request(s, keyed("before", "", "1"))
	request(s, keyed("grown", "", slices.Repeat([]string{"small"}, grown)...))
	request(s, keyed("after", "", "1"))
	inBetween(s)
	for id := uint64(1); id <= grown; id++ {
		replace(t, s, "grown", id, strings.Repeat(string(rune('a'+id)), 1<<20))
	}
	return s
}

// TestGrownCommit: copies also hold commits that are too large for memory.
func TestGrownCommit(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backup")
	rewritten := 0
	back := func(s store.Store) {
		t.Helper()
		sum, err := Backup(t.Context(), local{s}, dir, BackupOptions{Progress: quiet, gather: 5 << 20})
		if err != nil {
			t.Fatal(err)
		}
		rewritten = sum.Rewritten
	}
	s := grow(t, back)
	want := told(t, s)
	for _, compress := range []bool{false, true} {
		path, _ := exported(t, s, ExportOptions{Compress: compress})
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path+partSuffix, whole[:len(whole)/2], 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ExportFile(t.Context(), local{s}, path, ExportOptions{Compress: compress, Force: true}); err != nil {
			t.Fatal(err)
		}
		c, _ := restored(t, path)
		same(t, "gone on with within the commit, and imported", want, told(t, c))
	}
	if back(s); rewritten != 1 {
		t.Errorf("there is one older segment, and %d were rewritten", rewritten)
	}
	onlyWhatIsThere(t, s, dir)
	r, _ := restoredBackup(t, dir, RestoreOptions{})
	same(t, "restored", want, told(t, r))
}

// A tiring source yields so many events, and then fails.
type tiring struct {
	local
	events int
}

var errTired = errors.New("tired")

// Events implements Source.
func (l tiring) Events(ctx context.Context, of *Selection, after, upTo uint64) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		n := 0
		for e, err := range l.local.Events(ctx, of, after, upTo) {
			if n++; n > l.events {
				err = errTired
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// TestCommitIsWholeOrNot: if a source fails anywhere in a commit, even after a part
// of it was written, the copies can be resumed, and hold no part of a commit.
func TestCommitIsWholeOrNot(t *testing.T) {
	s := grow(t, func(store.Store) {})
	want := told(t, s)
	for _, compress := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "export")
		for _, n := range []int{0, 1, grown - 1} {
			if _, err := ExportFile(t.Context(), tiring{local{s}, n}, path, ExportOptions{Compress: compress}); !errors.Is(err, errTired) {
				t.Fatalf("after %d events: %v", n, err)
			}
		}
		if _, err := ExportFile(t.Context(), local{s}, path, ExportOptions{Compress: compress}); err != nil {
			t.Fatal(err)
		}
		c, _ := restored(t, path)
		same(t, "imported", want, told(t, c))
	}
	dir := filepath.Join(t.TempDir(), "backup")
	for _, n := range []int{0, 1, grown - 1} {
		if _, err := Backup(t.Context(), tiring{local{s}, n}, dir, BackupOptions{Progress: quiet}); !errors.Is(err, errTired) {
			t.Fatalf("after %d events: %v", n, err)
		}
		if d, err := openBackup(dir); err != nil {
			t.Fatal(err)
		} else if end, _ := d.m.end(); end != uint64(min(n, 1)) {
			t.Errorf("after %d events the backup has all up to the position %d", n, end)
		} else {
			d.close()
		}
	}
	if _, err := Backup(t.Context(), local{s}, dir, BackupOptions{Progress: quiet}); err != nil {
		t.Fatal(err)
	}
	r, _ := restoredBackup(t, dir, RestoreOptions{})
	same(t, "restored", want, told(t, r))
}
