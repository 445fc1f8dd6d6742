package leveldb

import (
	"errors"
	"testing"
	"time"

	"gorewind/store"
	"gorewind/store/storetest"
)

// hurry has the next request try to open the database again.
func hurry(d *DB) {
	d.turn.Lock()
	defer d.turn.Unlock()
	d.condition.retryAt = time.Time{}
}

// TestFullDisk: what cannot be written is refused before the disk refuses, and
// reading goes on, also when the store is opened; a store that was opened on a
// full disk was once called damaged.
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
			if r := mustVerify(t, dir); r.Damaged > 0 || r.Events != 4 {
				t.Error(r.Events, told(r))
			}
		})
	}
}

// TestWritingGoesOnByItself: nobody need ask for something to have the database
// opened again.
func TestWritingGoesOnByItself(t *testing.T) {
	f := &faults{create: 1}
	d := mustOpen(t, write(t, 3), f.options())
	defer d.Close()
	eventually(t, "the database cannot be written to", func() bool {
		d.turn.Lock()
		defer d.turn.Unlock()
		return d.fault() == nil
	})
	storetest.Append(t, d, "s", "3")
}

// TestP2ShortWriteIsAbsent: a commit that is not whole in any file is refused, and
// its outcome is known, also while the disk fails on.
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

// TestUnknownCommitIsNotRead: as long as a commit's outcome is unknown, nobody is
// shown what it had: its numbers may be given to others.
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

// TestGivesUp: a disk that fails on and on ends the store's patience, once; one
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
			d.sickness.mu.Lock()
			d.sickness.limit = time.Millisecond
			d.sickness.mu.Unlock()
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
