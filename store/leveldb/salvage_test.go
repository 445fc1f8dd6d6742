package leveldb

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/fixture"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
	"gorewind/store/leveldb/repair"
	"gorewind/store/storetest"
)

// unerased makes a store as a kill leaves it before anything was erased.
func unerased(t *testing.T, write func(d *DB)) (dir string) {
	t.Helper()
	dir = t.TempDir()
	if err := mustOpen(t, dir, Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	id, _, err := datadir.ReadIdentity(datadir.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	d := newDB(Options{}, id, datadir.Dir(dir))
	d.eraser.gather = time.Hour
	if err := d.start(); err != nil {
		t.Fatal(err)
	}
	write(d)
	d.eraser.pending.Store(0) // else it is erased at the end
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// damageBlock moves the journal to a table, and damages the first block of it whose
// loss has the wanted effect.
func damageBlock(t *testing.T, dir string, is func(lost ldb.Hole) bool) {
	t.Helper()
	fixture.Change(t, dir, func(*leveldb.DB) error { return nil })
	files, err := datadir.Dir(dir).Files(true)
	if err != nil {
		t.Fatal(err)
	}
	defer files.Close()
	tables, err := files.List(storage.TypeTable)
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	newest := slices.MaxFunc(tables, func(a, b storage.FileDesc) int { return cmp.Compare(a.Num, b.Num) })
	path := filepath.Join(dir, datadir.DBName, newest.String())
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for at := 100; at < len(whole); at += ldb.Settings.BlockSize / 2 {
		fixture.Edit(t, path, func([]byte) []byte {
			b := bytes.Clone(whole)
			b[at] ^= 1
			return b
		})
		lost, err := ldb.ScanTable(files, newest, func(_, _ []byte) error { return nil })
		if err == nil && len(lost) == 1 && is(lost[0]) {
			return
		}
	}
	t.Fatal("there is no such block")
}

// TestReplacedIsNotBack: the new page of a replaced event was in a dropped block.
// The old page once came back from an older table without a report.
func TestReplacedIsNotBack(t *testing.T) {
	blocks := 2 * ldb.Settings.BlockSize
	dir := unerased(t, func(d *DB) {
		storetest.Append(t, d, "a", strings.Repeat("old", blocks))
		if _, err := rotateMem(d.db, 0, true); err != nil { // makes a table of it
			t.Fatal(err)
		}
		replace(t, d, "a", 1, strings.Repeat("young", blocks))
		storetest.Append(t, d, "b", strings.Repeat("x", blocks))
	})
	damageBlock(t, dir, func(lost ldb.Hole) bool {
		return lost.After == nil && bytes.Equal(lost.Before, record.AppendEventKey(nil, 2, 1))
	})
	before := fixture.Snapshot(t, dir)
	if done := fixture.MustRepair(t, dir, repair.Options{}); done.Left.Damaged == 0 || done.KeptAt != "" {
		t.Errorf("nothing is said to be missing; kept at %q", done.KeptAt)
	}
	if after := fixture.Snapshot(t, dir); after != before {
		t.Errorf("want\n%shave\n%s", before, after)
	}
	const want = `stream "a", event 1: it was replaced`
	if done := fixture.MustRepair(t, dir, repair.Options{AcceptLoss: true}); !strings.Contains(fixture.Told(done.Left), want) {
		t.Errorf("want %s, have %s", want, fixture.Told(done.Left))
	}
}

// TestErasuresAreNotForgotten: erasure records were in a dropped block. Nothing
// else says that old data is to be purged, and it once stayed.
func TestErasuresAreNotForgotten(t *testing.T) {
	const n = 2000 // a block has about 925
	dir := unerased(t, func(d *DB) {
		var events, replaced sync.WaitGroup
		events.Add(n)
		replaced.Add(n)
		for i := range n {
			d.Append([]store.Append{{Groups: []store.Group{fixture.Group(fmt.Sprint(i), "old")}}}, func([]store.Result) { events.Done() })
		}
		events.Wait()
		for i := range n {
			d.Replace(store.Replace{Stream: fmt.Append(nil, i), ID: 1, Data: []byte("young")}, func(err error) {
				if err != nil {
					t.Error(err)
				}
				replaced.Done()
			})
		}
		replaced.Wait()
	})
	damageBlock(t, dir, func(lost ldb.Hole) bool {
		return bytes.HasPrefix(lost.After, []byte{record.KindErasure}) && bytes.HasPrefix(lost.Before, []byte{record.KindErasure})
	})
	d := mustOpen(t, dir, Options{})
	defer d.Close()
	if have := d.Info().Erasing; have != n || fixture.Missing(filepath.Join(dir, nameKept+"1")) {
		t.Errorf("%d of %d erasures are forgotten", n-have, n)
	}
}

// TestLostEndIsReported: the last block of commits, beyond the high-water mark, was
// dropped. Acknowledged writes were once gone without a report.
func TestLostEndIsReported(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{})
	storetest.Append(t, d, "a", "1")
	mark := datadir.Highwater{Position: d.tip().Position, Chain: d.tip().Chain}
	for range 60 { // some 700 bytes each
		var groups []store.Group
		for range 100 {
			groups = append(groups, fixture.Group("a", "x"), fixture.Group("b", "x"))
		}
		if r := fixture.Request(t, d, store.Append{Groups: groups}); r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	if err := errors.Join(d.Close(), datadir.RewriteHighwater(datadir.Dir(dir), mark)); err != nil {
		t.Fatal(err)
	}
	damageBlock(t, dir, func(lost ldb.Hole) bool {
		return lost.Before == nil && bytes.HasPrefix(lost.After, []byte{record.KindCommit})
	})
	before := fixture.Snapshot(t, dir)
	const want = "commits after the position"
	if _, err := Open(dir, Options{}); !errors.Is(err, store.ErrDamaged) || !strings.Contains(err.Error(), want) {
		t.Fatalf("want %q, have %v", want, err)
	}
	if after := fixture.Snapshot(t, dir); after != before {
		t.Errorf("want\n%shave\n%s", before, after)
	}
	if done := fixture.MustRepair(t, dir, repair.Options{AcceptLoss: true}); done.Left.Damaged == 0 || fixture.Missing(done.KeptAt) {
		t.Errorf("%s; kept at %q", fixture.Told(done.Left), done.KeptAt)
	}
	if r := fixture.MustVerify(t, dir); r.Damaged > 0 {
		t.Error(fixture.Told(r))
	}
}
