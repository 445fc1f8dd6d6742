package repair_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store"
	engine "gorewind/store/leveldb"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/fixture"
	"gorewind/store/leveldb/repair"
	"gorewind/store/storetest"
)

// A worn disk has a place in its tables that it cannot read.
type worn struct {
	datadir.Disk
	from, upTo int64
}

func (d worn) Files(readOnly bool) (storage.Storage, error) {
	s, err := d.Disk.Files(readOnly)
	return wornFiles{s, d}, err
}

type wornFiles struct {
	storage.Storage
	d worn
}

func (f wornFiles) Open(fd storage.FileDesc) (storage.Reader, error) {
	r, err := f.Storage.Open(fd)
	if err != nil || fd.Type != storage.TypeTable {
		return r, err
	}
	return wornReader{r, f.d}, nil
}

type wornReader struct {
	storage.Reader
	d worn
}

func (r wornReader) ReadAt(b []byte, at int64) (int, error) {
	if at < r.d.upTo && at+int64(len(b)) > r.d.from {
		return 0, syscall.EIO
	}
	return r.Reader.ReadAt(b, at)
}

// TestBadPlace: one place that the disk could not read once made it impossible to
// accept a loss, and everything was lost. Another attempt may read the place, so it
// only counts as damage once a loss is accepted.
func TestBadPlace(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, engine.Options{})
	for range 200 {
		storetest.Append(t, d, "a", strings.Repeat("x", 3000))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir, engine.Options{}).Close() // moves the journal to a table
	tryRepair := func(o repair.Options) (keptAt string, err error) {
		id, _, err := datadir.ReadIdentity(datadir.Dir(dir))
		if err != nil {
			return "", err
		}
		return repair.RunOn(t.Context(), worn{datadir.Dir(dir), 300 << 10, 304 << 10}, id, o)
	}
	before := fixture.Snapshot(t, dir)
	if keptAt, err := tryRepair(repair.Options{}); !errors.Is(err, syscall.EIO) || errors.Is(err, store.ErrDamaged) || keptAt != "" {
		t.Errorf("want that it cannot be read, have %v; kept at %q", err, keptAt)
	}
	if after := fixture.Snapshot(t, dir); after != before {
		t.Errorf("want\n%shave\n%s", before, after)
	}
	if keptAt, err := tryRepair(repair.Options{AcceptLoss: true}); err != nil || fixture.Missing(keptAt) {
		t.Errorf("%v; kept at %q", err, keptAt)
	}
	// The place is in two blocks.
	if r := fixture.MustVerify(t, dir); r.Damaged > 0 || r.Lost == 0 || r.Lost > 12 || r.Events+r.Lost != 200 {
		t.Errorf("%d events and %d lost; %s", r.Events, r.Lost, fixture.Told(r))
	}
}
