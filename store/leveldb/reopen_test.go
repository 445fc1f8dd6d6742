package leveldb

import (
	"bytes"
	"errors"
	"maps"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/fixture"
	"gorewind/store/storetest"
)

// hurry has the next request try to open the database again.
func hurry(d *DB) {
	d.turn.Lock()
	defer d.turn.Unlock()
	d.health.retryAt = time.Time{}
}

// TestFullDisk: writes are refused before the disk refuses them, and reading goes
// on, even if the store is opened on the full disk. Such a store was once called
// damaged.
func TestFullDisk(t *testing.T) {
	for name, c := range map[string]struct {
		fill   func(f *faults)
		reopen bool
	}{
		"while it is open":             {fill: func(f *faults) { f.full = true }},
		"before it is opened":          {fill: func(f *faults) { f.full = true }, reopen: true},
		"and only the disk knows that": {fill: func(f *faults) { f.create = 1 << 30 }, reopen: true},
	} {
		t.Run(name, func(t *testing.T) {
			f, dir := new(faults), write(t, 3)
			d := mustOpen(t, dir, f.options())
			defer func() { d.Close() }()
			if c.reopen {
				if err := d.Close(); err != nil {
					t.Fatal(err)
				}
			}
			f.set(c.fill)
			if c.reopen {
				d = mustOpen(t, dir, f.options())
			}
			for range 2 {
				err := try(d, "s", "refused")[0]
				if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, store.ErrFull) {
					t.Errorf("want unavailable and full, have %v", err)
				}
				if have := content(t, d, "s"); have != "0 1 2" {
					t.Errorf("want 0 1 2, have %s", have)
				}
			}
			f.set(func(f *faults) { f.full, f.create = false, 0 })
			hurry(d)
			storetest.Append(t, d, "s", "3")
			if have := content(t, d, "s"); have != "0 1 2 3" {
				t.Errorf("want 0 1 2 3, have %s", have)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if r := fixture.MustVerify(t, dir); r.Damaged > 0 || r.Events != 4 {
				t.Error(r.Events, fixture.Told(r))
			}
		})
	}
}

// TestWritingGoesOnByItself: the database is reopened without any request.
func TestWritingGoesOnByItself(t *testing.T) {
	f := &faults{create: 1}
	d := mustOpen(t, write(t, 3), f.options())
	defer d.Close()
	fixture.Eventually(t, "the database cannot be written to", func() bool {
		d.turn.Lock()
		defer d.turn.Unlock()
		return d.fault() == nil
	})
	storetest.Append(t, d, "s", "3")
}

// TestP2ShortWriteIsAbsent: a commit that is incomplete in every file is refused,
// and its outcome is known even while the disk keeps failing.
func TestP2ShortWriteIsAbsent(t *testing.T) {
	f := new(faults)
	d := mustOpen(t, t.TempDir(), f.options())
	defer d.Close()
	storetest.Append(t, d, "s", "A")
	f.set(func(f *faults) { f.write, f.create = 1, 1<<30 })
	if err := try(d, "s", "F")[0]; !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("want unavailable, have %v", err)
	}
	if have := content(t, d, "s"); have != "A" {
		t.Errorf("want A, have %s", have)
	}
}

// TestUnknownCommitIsNotRead: while a commit's outcome is unknown, nobody sees it:
// its numbers may be given to other events.
func TestUnknownCommitIsNotRead(t *testing.T) {
	f := new(faults)
	dir := t.TempDir()
	d := mustOpen(t, dir, f.options())
	defer d.Close()
	storetest.Append(t, d, "s", "A")
	f.set(func(f *faults) { f.sync, f.create = 1, 2 })
	if err := try(d, "s", "F")[0]; !errors.Is(err, store.ErrOutcomeUnknown) {
		t.Errorf("want outcome unknown, have %v", err)
	}
	if have := content(t, d, "s"); have != "A" {
		t.Errorf("want A, have %s", have)
	}
	for try(d, "s", "G")[0] != nil {
		hurry(d)
	}
	if have := content(t, d, "s"); have != "A G" {
		t.Errorf("want A G, have %s", have)
	}
}

// TestGivesUp: the store gives up once on a disk that keeps failing; a disk
// that is full does not.
func TestGivesUp(t *testing.T) {
	for name, c := range map[string]struct {
		fail func(f *faults)
		want bool
	}{
		"failing": {func(f *faults) { f.sync = 1 << 30 }, true},
		"full":    {func(f *faults) { f.write, f.create = 1, 1<<30 }, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := new(faults)
			o := f.options()
			gaveUp := make(chan error, 10)
			o.GaveUp = func(err error) { gaveUp <- err }
			d := mustOpen(t, t.TempDir(), o)
			defer d.Close()
			storetest.Append(t, d, "s", "A")
			d.faults.mu.Lock()
			d.faults.limit = time.Millisecond
			d.faults.mu.Unlock()
			f.set(c.fail)
			for end := time.Now().Add(50 * time.Millisecond); time.Now().Before(end) || c.want && len(gaveUp) == 0; hurry(d) {
				if err := try(d, "s", "F")[0]; err == nil {
					t.Fatal("acknowledged although the disk failed")
				}
			}
			if have := len(gaveUp) == 1; have != c.want || len(gaveUp) > 1 {
				t.Errorf("gave up %d times", len(gaveUp))
			}
		})
	}
}

// TestRefusedStaysRefused: the removal of a refused commit was once in a journal,
// and LevelDB skips damaged parts of journals: one bit, and the commit was back.
func TestRefusedStaysRefused(t *testing.T) {
	f, intact := new(faults), t.TempDir()
	d := mustOpen(t, intact, f.options())
	storetest.Append(t, d, "s", "A")
	f.set(func(f *faults) { f.sync = 1 })
	if err := try(d, "s", "refused")[0]; !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrOutcomeUnknown) {
		t.Fatalf("want it to be refused, have %v", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	files, err := filesOf(intact)
	if err != nil {
		t.Fatal(err)
	}
	opened := 0
	for path, b := range files {
		if !strings.HasPrefix(path, datadir.DBName+"/0") { // the rest is no journal and no table
			continue
		}
		for at := 0; at < len(b); at += 1 + len(b)/8 {
			dir, flipped := t.TempDir(), maps.Clone(files)
			flipped[path] = bytes.Clone(b)
			flipped[path][at] ^= 4
			if err := writeFiles(dir, flipped); err != nil {
				t.Fatal(err)
			}
			d, err := Open(dir, Options{})
			if err != nil {
				if !errors.Is(err, store.ErrDamaged) {
					t.Errorf("%s, byte %d: %v", path, at, err)
				}
				continue
			}
			opened++
			if have := content(t, d, "s"); have != "A" {
				t.Errorf("%s, byte %d: want A, have %s", path, at, have)
			}
			d.Close()
		}
	}
	if opened == 0 {
		t.Error("none of them was opened")
	}
}

// TestReadOnlyForLong: while the disk refuses writes, the database is reopened
// every second under its readers. That must leave nothing behind.
func TestReadOnlyForLong(t *testing.T) {
	f := new(faults)
	d := mustOpen(t, write(t, 3), f.options())
	defer d.Close()
	fixture.Remove(t, d, "s", 1)
	open := func() int { // goroutines and descriptors
		entries, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return runtime.NumGoroutine() + len(entries)
	}
	before := open()
	f.set(func(f *faults) { f.sync, f.create = 1<<30, 1<<30 })
	for range 20 {
		var readers sync.WaitGroup
		for _, r := range []store.Range{{Stream: []byte("s")}, {Select: store.Prefix(nil)}} {
			readers.Go(func() {
				n := 0
				for _, err := range d.Read(t.Context(), r) {
					if n++; err != nil {
						t.Error(err)
					}
				}
				if n != 2 {
					t.Errorf("want 2 events, have %d", n)
				}
			})
		}
		hurry(d)
		if err := try(d, "s", "refused")[0]; err == nil {
			t.Error("acknowledged although the disk failed")
		}
		readers.Wait()
	}
	fixture.Eventually(t, "what was opened is still open", func() bool { return open() < before+10 })
}

// A hookedDisk tells when its files are opened.
type hookedDisk struct {
	datadir.Disk
	open func()
}

func (d hookedDisk) Files(readOnly bool) (storage.Storage, error) {
	d.open()
	return d.Disk.Files(readOnly)
}

// TestOpeningAgainIsNotTheCallers: after a fault the committer reopens and repairs
// the database, which may take minutes. On the goroutine of a caller with a small
// request, such as a server's loop, it once looked like a hang.
func TestOpeningAgainIsNotTheCallers(t *testing.T) {
	f, open := new(faults), func() {}
	o := f.options()
	faulty := o.wrap
	o.wrap = func(on datadir.Disk) datadir.Disk { return hookedDisk{faulty(on), func() { open() }} }
	d := mustOpen(t, t.TempDir(), o)
	defer d.Close()
	storetest.Append(t, d, "s", "A")
	d.turn.Lock() // what follows is the turn's
	committing := false
	open = func() { committing = d.Writing() > 0 }
	d.turn.Unlock()
	f.set(func(f *faults) { f.sync, f.create = 1, 1<<30 })
	if try(d, "s", "F")[0] == nil {
		t.Fatal("the disk does not refuse")
	}
	returned := make(chan struct{})
	d.turn.Lock()
	if !committing {
		t.Error("a commit that is undone is not under way")
	}
	f.set(func(f *faults) { f.create = 0 })
	d.health.retryAt = time.Time{}
	open = sync.OnceFunc(func() {
		select {
		case <-returned:
		case <-time.After(10 * time.Second):
			t.Error("the caller opens the database again")
		}
	})
	d.turn.Unlock()
	done := make(chan []store.Result, 1)
	d.Append([]store.Append{{Groups: []store.Group{{Stream: []byte("s"), Events: [][]byte{[]byte("B")}}}}},
		func(r []store.Result) { done <- r })
	close(returned)
	if r := <-done; r[0].Err != nil {
		t.Error(r[0].Err)
	}
}
