package repair_test

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	engine "gorewind/store/leveldb"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/fixture"
	"gorewind/store/leveldb/repair"
	"gorewind/store/storetest"
)

// TestRepairDamagedTable: if a table has several values of a key, LevelDB cannot
// rewrite it without the damaged block, and recovers nothing. A repair loses only
// what was in the block.
func TestRepairDamagedTable(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, engine.Options{})
	data := strings.Repeat("x", 3000)
	for i := range 200 {
		storetest.Append(t, d, fmt.Sprint(i%4), data)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir, engine.Options{}).Close() // moves the journal to a table
	tables, err := filepath.Glob(filepath.Join(dir, datadir.DBName, "*.ldb"))
	if err != nil || len(tables) != 1 {
		t.Fatal(tables, err)
	}
	fixture.Edit(t, tables[0], func(b []byte) []byte { b[len(b)/3] ^= 1; return b })
	before := fixture.Snapshot(t, dir)
	if done := fixture.MustRepair(t, dir, repair.Options{}); done.KeptAt != "" || done.Left.Events == 0 || fixture.Snapshot(t, dir) != before {
		t.Errorf("%v events are left; kept at %q", done.Left.Events, done.KeptAt)
	}
	done := fixture.MustRepair(t, dir, repair.Options{AcceptLoss: true})
	if r := fixture.MustVerify(t, dir); r.Damaged > 0 || r.Lost == 0 || r.Lost > 10 || r.Events+r.Lost != 200 || r.Events != done.Left.Events {
		t.Errorf("%d events and %d lost; %s", r.Events, r.Lost, fixture.Told(r))
	}
}
