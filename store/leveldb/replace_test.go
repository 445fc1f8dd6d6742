package leveldb

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/fixture"
	"gorewind/store/leveldb/repair"
)

// TestHalfReplaced: a crash between the two renames that put a repaired database in
// place loses nothing.
func TestHalfReplaced(t *testing.T) {
	dir := writeVerified(t)
	db := filepath.Join(dir, datadir.DBName)
	fixture.CopyDir(t, filepath.Join(dir, nameNew), db)
	if err := os.Rename(db, filepath.Join(dir, nameKept+"1")); err != nil {
		t.Fatal(err)
	}
	if have := contentsOf(t, dir); have != fixture.EverythingContents {
		t.Errorf("want %s, have %s", fixture.EverythingContents, have)
	}
}

// TestLeftover: a killed repair once left links to tables for ever, and with them
// data that was erased elsewhere.
func TestLeftover(t *testing.T) {
	dir := writeVerified(t)
	fixture.CopyDir(t, filepath.Join(dir, nameNew), filepath.Join(dir, datadir.DBName))
	if have := contentsOf(t, dir); have != fixture.EverythingContents {
		t.Errorf("want %s, have %s", fixture.EverythingContents, have)
	}
	if !fixture.Missing(filepath.Join(dir, nameNew)) {
		t.Errorf("%s is still there", nameNew)
	}
}

// TestHalfLaid: a repair was killed while it made the new database, and somebody
// moved the damaged one away to put a copy in its place. Half a database was once
// put in its place instead.
func TestHalfLaid(t *testing.T) {
	dir := writeVerified(t)
	db, saved := filepath.Join(dir, datadir.DBName), filepath.Join(t.TempDir(), "saved")
	fixture.CopyDir(t, filepath.Join(dir, nameKept+"1"), db) // of an earlier repair
	fixture.CopyDir(t, filepath.Join(dir, nameNew), db)
	if err := errors.Join(os.Remove(filepath.Join(dir, nameNew, datadir.FormatName)), os.Rename(db, saved)); err != nil {
		t.Fatal(err)
	}
	before := fixture.Snapshot(t, dir)
	if _, err := Open(dir, Options{}); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("open: want it to be damaged, have %v", err)
	}
	if _, err := repair.Run(t.Context(), dir, repair.Options{AcceptLoss: true}); !errors.Is(err, store.ErrDamaged) {
		t.Errorf("repair: want it to be damaged, have %v", err)
	}
	if after := fixture.Snapshot(t, dir); after != before {
		t.Errorf("want\n%shave\n%s", before, after)
	}
	if err := os.Rename(saved, db); err != nil {
		t.Fatal(err)
	}
	if have := contentsOf(t, dir); have != fixture.EverythingContents {
		t.Errorf("want %s, have %s", fixture.EverythingContents, have)
	}
}
