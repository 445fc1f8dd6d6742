package leveldb

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/fixture"
	"gorewind/store/leveldb/repair"
	"gorewind/store/storetest"
)

// faulty is a layer below the engine whose journals fail on demand.
type faulty struct {
	storage.Storage
	f *faults
}

// A faultyDisk has faulty files, and as much room as a test sets.
type faultyDisk struct {
	datadir.Disk
	f *faults
}

func (d faultyDisk) Free() (int64, error) {
	d.f.mu.Lock()
	defer d.f.mu.Unlock()
	if d.f.full {
		return 1 << 20, nil
	}
	return d.Disk.Free()
}

func (d faultyDisk) Files(readOnly bool) (storage.Storage, error) {
	s, err := d.Disk.Files(readOnly)
	return faulty{s, d.f}, err
}

// faults are what the journals of a store do next.
type faults struct {
	mu     sync.Mutex
	sync   int // that many syncs fail
	write  int // that many writes are cut short
	create int // that many files cannot be made
	full   bool
}

func (f *faults) set(change func(*faults)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change(f)
}

// take reports whether the fault that n counts is due.
func (f *faults) take(n *int) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if *n == 0 {
		return false
	}
	*n--
	return true
}

func (s faulty) Create(fd storage.FileDesc) (storage.Writer, error) {
	if s.f.take(&s.f.create) {
		return nil, syscall.ENOSPC
	}
	w, err := s.Storage.Create(fd)
	if err != nil || fd.Type != storage.TypeJournal {
		return w, err
	}
	return faultyWriter{w, s.f}, nil
}

type faultyWriter struct {
	storage.Writer
	f *faults
}

func (w faultyWriter) Write(b []byte) (int, error) {
	if w.f.take(&w.f.write) {
		n, _ := w.Writer.Write(b[:len(b)/2])
		return n, syscall.ENOSPC
	}
	return w.Writer.Write(b)
}

// A journal that fails has its room like others.
// A journalFile is a file that can be given its room.
type journalFile interface {
	Fd() uintptr
	Truncate(size int64) error
}

func (w faultyWriter) Fd() uintptr               { return w.Writer.(journalFile).Fd() }
func (w faultyWriter) Truncate(size int64) error { return w.Writer.(journalFile).Truncate(size) }

func (w faultyWriter) Sync() error {
	if w.f.take(&w.f.sync) {
		return syscall.EIO
	}
	return w.Writer.Sync()
}

func (f *faults) options() Options {
	return Options{wrap: func(on datadir.Disk) datadir.Disk { return faultyDisk{on, f} }}
}

// try appends events, one request each but in one call, and returns the errors.
func try(d *DB, stream string, events ...string) []error {
	var reqs []store.Append
	for _, e := range events {
		reqs = append(reqs, store.Append{Groups: []store.Group{{Stream: []byte(stream), Events: [][]byte{[]byte(e)}}}})
	}
	done := make(chan []error, 1)
	d.Append(reqs, func(results []store.Result) {
		errs := make([]error, len(results))
		for i, r := range results {
			errs[i] = r.Err
		}
		done <- errs
	})
	return <-done
}

func content(t *testing.T, d *DB, stream string) string {
	t.Helper()
	return strings.Join(storetest.Read(t, d, store.Range{Stream: []byte(stream)}), " ")
}

// TestP1P2FailedCommitIsUndone is G1 and G3, what goleveldb does by itself: a
// commit whose sync failed was there after a restart, and the acknowledged one
// after it was not; after a short write every later write failed.
func TestP1P2FailedCommitIsUndone(t *testing.T) {
	for name, fault := range map[string]func(*faults){
		"a failed sync":   func(f *faults) { f.sync = 1 },
		"a short write":   func(f *faults) { f.write = 1 },
		"both in a row":   func(f *faults) { f.sync, f.write = 1, 1 },
		"and the re-open": func(f *faults) { f.sync, f.create = 1, 1 },
	} {
		t.Run(name, func(t *testing.T) {
			f := new(faults)
			dir := t.TempDir()
			d := mustOpen(t, dir, f.options())
			storetest.Append(t, d, "old", "A")
			storetest.Append(t, d, "s", "A")
			f.set(fault)
			for _, err := range try(d, "s", "F", "F") {
				if err == nil {
					t.Errorf("acknowledged although the disk failed")
				}
			}
			// While the engine recovers, it may refuse these or not; but then so it is.
			want := map[string]string{"new": "", "old": "A"}
			for stream := range want {
				if try(d, stream, "F")[0] == nil {
					want[stream] = strings.TrimSpace(want[stream] + " F")
				}
			}
			hurry(d)
			storetest.Append(t, d, "s", "G")
			storetest.Append(t, d, "fresh", "H")
			want["s"], want["fresh"] = "A G", "H"
			check := func(d *DB) {
				t.Helper()
				for stream, want := range want {
					if have := content(t, d, stream); have != want {
						t.Errorf("%s: want %q, have %q", stream, want, have)
					}
				}
			}
			check(d)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			d = mustOpen(t, dir, Options{})
			check(d)
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if r := fixture.MustVerify(t, dir); r.Damaged > 0 {
				t.Error(fixture.Told(r))
			}
		})
	}
}

// TestP2DiskStaysDead: while the disk fails, the first commit's outcome is unknown,
// and everything later is refused without being tried.
func TestP2DiskStaysDead(t *testing.T) {
	f := new(faults)
	dir := t.TempDir()
	d := mustOpen(t, dir, f.options())
	storetest.Append(t, d, "s", "A")
	f.set(func(f *faults) { f.sync, f.create = 1, 1<<30 })
	if err := try(d, "s", "F")[0]; !errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("want outcome unknown, have %v", err)
	}
	for range 3 {
		if err := try(d, "s", "G")[0]; !errors.Is(err, store.ErrUnavailable) {
			t.Errorf("want unavailable, have %v", err)
		}
	}
	if have := content(t, d, "s"); have != "A" {
		t.Errorf("while the disk fails: want A, have %s", have)
	}
	d.Close()
	d = mustOpen(t, dir, Options{})
	defer d.Close()
	if have := content(t, d, "s"); have != "A" && have != "A F" {
		t.Errorf("want A or A F, have %s", have)
	}
}

// write makes a store with n commits of one event and returns its directory.
func write(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{})
	for i := range n {
		storetest.Append(t, d, "s", strconv.Itoa(i))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// mustRefuse reports whether a damaged store is refused. If so, it checks that this
// changed nothing, and that the store is whole once it has the files of intact
// again. Otherwise the store was repaired and holds all events.
func mustRefuse(t *testing.T, dir, intact string, events int) bool {
	t.Helper()
	before := fixture.Snapshot(t, dir)
	d, err := Open(dir, Options{})
	if err == nil {
		defer d.Close()
		if _, keptAt := os.Stat(filepath.Join(dir, nameKept+"1")); keptAt == nil {
			if have := len(storetest.Read(t, d, store.Range{Stream: []byte("s")})); have != events {
				t.Errorf("repaired: want %d events, have %d", events, have)
			}
		}
		return false
	}
	if after := fixture.Snapshot(t, dir); after != before {
		t.Errorf("%v: want\n%shave\n%s", err, before, after)
	}
	if err := filepath.WalkDir(intact, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name := filepath.Join(dir, strings.TrimPrefix(path, intact))
		return errors.Join(os.MkdirAll(filepath.Dir(name), 0o755), os.WriteFile(name, b, 0o644))
	}); err != nil {
		t.Fatal(err)
	}
	d, err = Open(dir, Options{})
	if err != nil {
		t.Fatalf("the files are there again: %v", err)
	}
	defer d.Close()
	if have := len(storetest.Read(t, d, store.Range{Stream: []byte("s")})); have != events {
		t.Errorf("the files are there again: want %d events, have %d", events, have)
	}
	return true
}

// TestRefusalChangesNothing: refused files can be put back. LevelDB alone would
// have begun a manifest and removed journals before anybody looked.
func TestRefusalChangesNothing(t *testing.T) {
	intact := write(t, 20)
	d := mustOpen(t, intact, Options{}) // a table of what the journal had
	for i := range 30 {
		storetest.Append(t, d, "s", strconv.Itoa(i))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(intact, "db", "*"))
	if err != nil {
		t.Fatal(err)
	}
	refused := make(map[string]int)
	for _, file := range append(files, filepath.Join(intact, datadir.HighwaterName)) {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name, step := filepath.Base(file), len(content)/7+1
		try := func(change func(path string) error) {
			dir := t.TempDir()
			fixture.CopyDir(t, dir, intact)
			if err := change(filepath.Join(dir, strings.TrimPrefix(file, intact))); err != nil {
				t.Fatal(err)
			}
			if mustRefuse(t, dir, intact, 50) {
				refused[strings.TrimRight(strings.TrimLeft(name, "0123456789"), "-0123456789")]++
			}
		}
		try(os.Remove)
		for at := 0; at < len(content); at += step {
			try(func(path string) error { return os.Truncate(path, int64(at)) })
			try(func(path string) error {
				flipped := bytes.Clone(content)
				flipped[at] ^= 1
				return os.WriteFile(path, flipped, 0o644)
			})
		}
	}
	for _, kind := range []string{".log", ".ldb", datadir.HighwaterName} {
		if refused[kind] == 0 {
			t.Errorf("no damage to %s was refused, of %v", kind, refused)
		}
	}
}

// TestP9LostCommits: a database that lost commits is refused, and nothing is
// removed from it. goleveldb opens all of these without an error.
func TestP9LostCommits(t *testing.T) {
	journal := func(t *testing.T, dir string) string {
		t.Helper()
		logs, err := filepath.Glob(filepath.Join(dir, "db", "*.log"))
		if err != nil || len(logs) != 1 {
			t.Fatal(logs, err)
		}
		return logs[0]
	}
	for name, damage := range map[string]func(t *testing.T, dir string){
		"G4 a bit in the middle of the journal": func(t *testing.T, dir string) {
			fixture.Edit(t, journal(t, dir), func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
		},
		"a bit in the beginning of the journal": func(t *testing.T, dir string) {
			fixture.Edit(t, journal(t, dir), func(b []byte) []byte { b[20] ^= 1; return b })
		},
		"G5 the journal's end is cut": func(t *testing.T, dir string) {
			fixture.Edit(t, journal(t, dir), func(b []byte) []byte { return b[:len(b)-10] })
		},
		"the journal is gone": func(t *testing.T, dir string) {
			if err := os.Remove(journal(t, dir)); err != nil {
				t.Fatal(err)
			}
		},
		"the database is gone": func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "db")); err != nil {
				t.Fatal(err)
			}
		},
		"the database is gone, and both halves of the high-water file": func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "db")); err != nil {
				t.Fatal(err)
			}
			fixture.Edit(t, filepath.Join(dir, datadir.HighwaterName), func(b []byte) []byte { b[0] ^= 1; b[slotStride] ^= 1; return b })
		},
		"the high-water file is gone": func(t *testing.T, dir string) {
			if err := os.Remove(filepath.Join(dir, datadir.HighwaterName)); err != nil {
				t.Fatal(err)
			}
		},
		"both halves of the high-water file": func(t *testing.T, dir string) {
			fixture.Edit(t, filepath.Join(dir, datadir.HighwaterName), func(b []byte) []byte { b[0] ^= 1; b[slotStride] ^= 1; return b })
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir, intact := write(t, 50), t.TempDir()
			fixture.CopyDir(t, intact, dir)
			damage(t, dir)
			if !mustRefuse(t, dir, intact, 50) {
				t.Fatal("opened as if nothing had happened")
			}
		})
	}
}

// TestP9DamageBeforeTheHighwater: LevelDB goes on behind a damaged block of a
// journal, where the high-water file was satisfied. Commits lost in the middle were
// once not noticed, and answers were short without an error.
func TestP9DamageBeforeTheHighwater(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{})
	for range 20 { // several blocks of a journal
		storetest.Append(t, d, "s", strings.Repeat("x", 10<<10))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	logs, err := filepath.Glob(filepath.Join(dir, datadir.DBName, "*.log"))
	if err != nil || len(logs) != 1 {
		t.Fatal(logs, err)
	}
	for _, at := range []int{3, 60_000, 120_000} {
		damaged := t.TempDir()
		fixture.CopyDir(t, damaged, dir)
		fixture.Edit(t, filepath.Join(damaged, datadir.DBName, filepath.Base(logs[0])), func(b []byte) []byte { b[at] ^= 1; return b })
		if !mustRefuse(t, damaged, dir, 20) {
			t.Errorf("damage at %d: opened as if nothing had happened", at)
		}
	}
}

// TestTornHighwater: a crash while the high-water file is written leaves the
// other half.
func TestTornHighwater(t *testing.T) {
	dir := write(t, 50)
	fixture.Edit(t, filepath.Join(dir, datadir.HighwaterName), func(b []byte) []byte { b[0] ^= 1; return b })
	d := mustOpen(t, dir, Options{})
	defer d.Close()
	if have := d.Info().LastPosition; have != 50 {
		t.Errorf("want position 50, have %d", have)
	}
}

// TestP9DamagedTable is G6: an iterator that meets damage just ends.
func TestP9DamagedTable(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{})
	big := strings.Repeat("x", 1<<20)
	for range 40 { // past the write buffer, into tables
		storetest.Append(t, d, "s", big)
	}
	d.Close()
	tables, err := filepath.Glob(filepath.Join(dir, "db", "*.ldb"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	fixture.Edit(t, tables[0], func(b []byte) []byte { b[len(b)/2] ^= 1; return b })
	d = mustOpen(t, dir, Options{})
	defer d.Close()
	var last error
	n := 0
	for _, err := range d.Read(t.Context(), store.Range{Stream: []byte("s")}) {
		if last = err; err == nil {
			n++
		}
	}
	if !errors.Is(last, store.ErrDamaged) {
		t.Errorf("%d events of 40, then %v", n, last)
	}
}

// forget removes the copy of a store's identity.
func forget(t *testing.T, dir string) {
	t.Helper()
	fixture.Edit(t, filepath.Join(dir, datadir.HighwaterName), func(b []byte) []byte { return b[:copyOffset] })
}

// TestIdentityIsKeptTwice: only a copy can restore a store's identity.
func TestIdentityIsKeptTwice(t *testing.T) {
	for name, damage := range map[string]func(b []byte) []byte{
		"flipped": func(b []byte) []byte { b[20] ^= 1; return b },
		"empty":   func(b []byte) []byte { return nil },
	} {
		for _, repaired := range []bool{false, true} {
			dir := write(t, 3)
			d := mustOpen(t, dir, Options{})
			want := d.identity
			d.Close()
			fixture.Edit(t, filepath.Join(dir, datadir.DBName, datadir.FormatName), damage)
			if r := fixture.MustVerify(t, dir); r.Damaged != 1 || !strings.Contains(fixture.Told(r), datadir.FormatName) {
				t.Errorf("%s: %s", name, fixture.Told(r))
			}
			if repaired {
				fixture.MustRepair(t, dir, repair.Options{})
			} else {
				mustOpen(t, dir, Options{}).Close()
			}
			forget(t, dir)
			d = mustOpen(t, dir, Options{})
			if d.identity != want {
				t.Errorf("%s: want %v, have %v", name, want, d.identity)
			}
			d.Close()
			if r := fixture.MustVerify(t, dir); r.Damaged > 0 {
				t.Errorf("%s: %s", name, fixture.Told(r))
			}
		}
	}
}

// TestRefusedDirectories: a directory that holds something else is left as it is.
func TestRefusedDirectories(t *testing.T) {
	for name, c := range map[string]struct {
		make func(t *testing.T, dir string)
		want error
	}{
		"other files": {func(t *testing.T, dir string) {
			if err := os.WriteFile(filepath.Join(dir, "thesis.doc"), []byte("x"), 0o644); err != nil {
				t.Fatal(err)
			}
		}, ErrNotEmpty},
		"a newer format": {func(t *testing.T, dir string) {
			mustOpen(t, dir, Options{}).Close()
			fixture.Edit(t, filepath.Join(dir, "db", datadir.FormatName), func(b []byte) []byte {
				text := strings.Replace(string(b), "format 1", "format 7", 1)
				text = text[:strings.Index(text, "checksum ")]
				return fmt.Appendf(nil, "%schecksum %08x\n", text, crc32.Checksum([]byte(text), crc32.MakeTable(crc32.Castagnoli)))
			})
		}, ErrFormat},
		"no format": {func(t *testing.T, dir string) {
			mustOpen(t, dir, Options{}).Close()
			if err := os.Remove(filepath.Join(dir, "db", datadir.FormatName)); err != nil {
				t.Fatal(err)
			}
			forget(t, dir)
		}, store.ErrDamaged},
		"another secret": {func(t *testing.T, dir string) {
			mustOpen(t, dir, Options{}).Close()
			fixture.Edit(t, filepath.Join(dir, "db", datadir.FormatName), func(b []byte) []byte {
				b[bytes.Index(b, []byte("secret "))+10] ^= 1
				return b
			})
			forget(t, dir)
		}, store.ErrDamaged},
		"another format's text": {func(t *testing.T, dir string) {
			mustOpen(t, dir, Options{}).Close()
			fixture.Edit(t, filepath.Join(dir, "db", datadir.FormatName), func(b []byte) []byte { return []byte("CURRENT\n") })
			forget(t, dir)
		}, ErrFormat},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c.make(t, dir)
			before := fixture.Snapshot(t, dir)
			if err := Probe(dir); !errors.Is(err, c.want) {
				t.Errorf("probe: want %v, have %v", c.want, err)
			}
			if _, err := Open(dir, Options{}); !errors.Is(err, c.want) {
				t.Errorf("open: want %v, have %v", c.want, err)
			}
			if after := fixture.Snapshot(t, dir); after != before {
				t.Errorf("want\n%shave\n%s", before, after)
			}
		})
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := Probe(file); !errors.Is(err, ErrNotDirectory) {
		t.Errorf("a file: %v", err)
	}
}

func TestInUse(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{})
	if err := Probe(dir); !errors.Is(err, ErrInUse) {
		t.Errorf("probe: %v", err)
	}
	if _, err := Open(dir, Options{}); !errors.Is(err, ErrInUse) {
		t.Errorf("open: %v", err)
	}
	d.Close()
	if err := Probe(dir); err != nil {
		t.Errorf("probe after close: %v", err)
	}
}

// TestHalfMade: a crash while the store is made costs nothing but another try.
func TestHalfMade(t *testing.T) {
	dir := t.TempDir()
	if err := datadir.Create(dir); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(dir, datadir.DBName), filepath.Join(dir, nameNew)); err != nil {
		t.Fatal(err)
	}
	d := mustOpen(t, dir, Options{})
	defer d.Close()
	storetest.Append(t, d, "s", "A")
}
