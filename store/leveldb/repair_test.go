package leveldb

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
	"gorewind/store/storetest"
)

// mustRepair repairs a store.
func mustRepair(t *testing.T, dir string, o RepairOptions) Repaired {
	t.Helper()
	done, err := Repair(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// contents returns what a store has: events with their ids and positions, cursors,
// and what a request with a key is answered again.
func contents(t *testing.T, dir string) string {
	t.Helper()
	d := mustOpen(t, dir, Options{})
	defer d.Close()
	var b strings.Builder
	for _, stream := range []string{"a", "b"} {
		for e, err := range d.Read(t.Context(), store.Range{Stream: []byte(stream)}) {
			if err != nil {
				t.Error(err)
			}
			fmt.Fprintf(&b, "%s.%d@%d=%s ", stream, e.ID, e.Position, e.Data)
		}
	}
	cursor, err := d.Cursor(t.Context(), []byte("c"), []byte("a"))
	r := request(t, d, store.Append{Key: []byte("k"), Groups: []store.Group{{Stream: []byte("a"), Events: [][]byte{[]byte("5")}}}})
	fmt.Fprint(&b, "cursor ", cursor, err, " again ", r)
	return b.String()
}

const verifiedContents = "a.1@1=1 a.2@2=2 a.3@3=3 a.4@6=4 a.5@9=5 b.2@5=2 cursor 4 <nil> again {[5] <nil>}"

// TestManifestIsRepaired: LevelDB opens some damaged manifests as if they were
// empty, and removes every table; others it refuses. Whatever it is, the store is
// repaired when it is opened, and what it was is kept.
func TestManifestIsRepaired(t *testing.T) {
	intact := writeVerified(t)
	manifests, err := filepath.Glob(filepath.Join(intact, dbName, "MANIFEST*"))
	if err != nil || len(manifests) != 1 {
		t.Fatal(manifests, err)
	}
	manifest := filepath.Base(manifests[0])
	content, err := os.ReadFile(manifests[0])
	if err != nil {
		t.Fatal(err)
	}
	damages := map[string]func(dir string) error{
		"no manifest": func(db string) error { return os.Remove(filepath.Join(db, manifest)) },
		"no CURRENT":  func(db string) error { return os.Remove(filepath.Join(db, "CURRENT")) },
		"CURRENT names another": func(db string) error {
			return os.WriteFile(filepath.Join(db, "CURRENT"), []byte("MANIFEST-000099\n"), 0o644)
		},
	}
	for at := 0; at < len(content); at += 17 {
		damages[fmt.Sprint("flipped at ", at)] = func(db string) error {
			b := bytes.Clone(content)
			b[at] ^= 0x10
			return os.WriteFile(filepath.Join(db, manifest), b, 0o644)
		}
		damages[fmt.Sprint("cut at ", at)] = func(db string) error { return os.Truncate(filepath.Join(db, manifest), int64(at)) }
	}
	kept := 0
	for name, damage := range damages {
		dir := t.TempDir()
		copyDir(t, dir, intact)
		if err := damage(filepath.Join(dir, dbName)); err != nil {
			t.Fatal(err)
		}
		before := snapshot(t, filepath.Join(dir, dbName))
		if have := contents(t, dir); have != verifiedContents {
			t.Errorf("%s: want %s, have %s", name, verifiedContents, have)
		}
		if r := mustVerify(t, dir); r.Damaged > 0 {
			t.Errorf("%s: %s", name, told(r))
		}
		if aside := filepath.Join(dir, asideName+"1"); !missing(aside) {
			kept++
			if after := snapshot(t, aside); after != before {
				t.Errorf("%s: want\n%shave\n%s", name, before, after)
			}
		}
	}
	if kept < len(damages)/2 {
		t.Errorf("%d of %d were repaired", kept, len(damages))
	}
}

func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, os.ErrNotExist)
}

// TestRepairMends: what only repeats the commits is made anew, and nothing is lost.
func TestRepairMends(t *testing.T) {
	del := func(key []byte) func(db *leveldb.DB) error {
		return func(db *leveldb.DB) error { return db.Delete(key, nil) }
	}
	put := func(key []byte, value ...byte) func(db *leveldb.DB) error {
		return func(db *leveldb.DB) error { return db.Put(key, value, nil) }
	}
	for name, damage := range map[string]func(db *leveldb.DB) error{
		"no record of a stream":            del(streamKey([]byte("a"))),
		"an unreadable one":                put(streamKey([]byte("a")), 0xff),
		"a wrong one":                      put(streamKey([]byte("a")), 1, 4, 0),
		"that of a commit that was undone": put(streamKey([]byte("z")), 2, 1, 0),
		"a stream that was undone": func(db *leveldb.DB) error {
			return errors.Join(put(streamKey([]byte("z")), 3, 1, 0)(db), db.Put(nameKey(3), []byte("z"), nil))
		},
		"no name by a number":                 del(nameKey(2)),
		"no cursor":                           del(cursorKey([]byte("c"), 1)),
		"a cursor elsewhere":                  put(cursorKey([]byte("c"), 1), 2),
		"a cursor that was removed":           put(cursorKey([]byte("d"), 1), 2),
		"no record of a request":              del(keyKey(1, []byte("k"))),
		"a record of a request that was not":  put(keyKey(1, []byte("j")), append(make([]byte, sumOctets), 1, 5)...),
		"a record of an erasure that was not": put(erasureKey(3), opDelete, 1, 1, 3),
		"events that were deleted": func(db *leveldb.DB) error {
			key, value := pageOf(2, 1, timeOf(db, 2, 2), 4, "1")
			return db.Put(key, value, nil)
		},
		"events that were undone": func(db *leveldb.DB) error {
			key, value := pageOf(1, 6, timeOf(db, 1, 5), 10, "6")
			return db.Put(key, value, nil)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeVerified(t)
			change(t, dir, damage)
			if r := mustVerify(t, dir); r.Damaged == 0 {
				t.Error("it is not found to be damaged")
			}
			done := mustRepair(t, dir, RepairOptions{})
			if done.Left.Damaged > 0 || missing(done.Aside) {
				t.Error(told(done.Left), done.Aside)
			}
			if have := contents(t, dir); have != verifiedContents {
				t.Errorf("want %s, have %s", verifiedContents, have)
			}
			if r := mustVerify(t, dir); r.Damaged > 0 {
				t.Error(told(r))
			}
		})
	}
}

// TestRepairLeavesWhatIsWhole: there is nothing to repair.
func TestRepairLeavesWhatIsWhole(t *testing.T) {
	dir := writeVerified(t)
	before := snapshot(t, dir)
	if done := mustRepair(t, dir, RepairOptions{AcceptLoss: true}); done.Found.Damaged > 0 || done.Aside != "" {
		t.Error(told(done.Found), done.Aside)
	}
	if after := snapshot(t, dir); after != before {
		t.Errorf("want\n%shave\n%s", before, after)
	}
}

// A loss is something that a repair cannot bring back.
type loss struct {
	damage func(t *testing.T, dir string)
	tells  string   // in what is told to be lost
	left   []string // events that can be read afterwards
	next   string   // of the next event in a and in c
}

var all = []string{"a.1", "a.2", "a.3", "a.4", "a.5", "b.2"}

// TestRepairAcceptsLoss: what is lost is told before anything is done, and only
// done when that is accepted; what is left can be used, and reading what is not
// there is an error.
func TestRepairAcceptsLoss(t *testing.T) {
	changes := func(f func(db *leveldb.DB) error) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) { change(t, dir, f) }
	}
	del := func(keys ...[]byte) func(t *testing.T, dir string) {
		return changes(func(db *leveldb.DB) error {
			for _, key := range keys {
				if err := db.Delete(key, nil); err != nil {
					return err
				}
			}
			return nil
		})
	}
	file := func(name string, f func(b []byte) []byte) func(t *testing.T, dir string) {
		return func(t *testing.T, dir string) {
			files, err := filepath.Glob(filepath.Join(dir, name))
			if err != nil || len(files) == 0 {
				t.Fatal(files, err)
			}
			for _, path := range files {
				edit(t, path, f)
			}
		}
	}
	page := func(number, last uint64) []byte { return appendEventKey(nil, number, last) }
	for name, c := range map[string]loss{
		"events":                  {del(page(1, 3)), `stream "a", events 1 to 3, positions 1 to 3`, all[3:], "a.6@10 c.1@11"},
		"a stream's last events":  {del(page(1, 5)), `stream "a", event 5, position 9`, slices.Delete(slices.Clone(all), 4, 5), "a.6@10 c.1@11"},
		"a commit":                {del(commitKey(5)), "one is missing", all, "a.6@10 c.1@11"},
		"the first commit":        {del(commitKey(3)), "one is missing", all, "a.6@10 c.1@11"},
		"the last commit":         {del(commitKey(9)), "position 9 is missing", all, "a.6@10 c.1@11"},
		"a commit and its events": {del(commitKey(6), page(1, 4)), "one is missing", slices.Delete(slices.Clone(all), 3, 4), "a.6@10 c.1@11"},
		"all commits": {del(commitKey(3), commitKey(5), commitKey(6), commitKey(7), commitKey(8), commitKey(9)),
			"position 9 is missing", all, "a.6@10 c.1@11"},
		"a name":                   {del(nameKey(2), streamKey([]byte("b"))), "stream number 2", slices.Delete(slices.Clone(all), 5, 6), "a.6@10 c.1@11"},
		"the last commit, in full": {del(commitKey(9), page(1, 5), keyKey(1, []byte("k"))), "position 9 is missing", slices.Delete(slices.Clone(all), 4, 5), "a.6@10 c.1@11"},
		"the high-water file":      {file(highwaterName, func(b []byte) []byte { return nil }), "how far it reached", all, "a.6@10 c.1@11"},
		"all of its tables": {func(t *testing.T, dir string) {
			mustOpen(t, dir, Options{}).Close() // makes one of the journal
			file("db/*.ldb", func(b []byte) []byte { clear(b); return b })(t, dir)
		}, "is missing", []string{}, "a.1@10 c.1@11"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := writeVerified(t)
			c.damage(t, dir)
			before := snapshot(t, dir)
			done := mustRepair(t, dir, RepairOptions{})
			if done.Aside != "" || !strings.Contains(told(done.Left), c.tells) {
				t.Errorf("want %q, have %s", c.tells, told(done.Left))
			}
			if after := snapshot(t, dir); after != before {
				t.Errorf("want\n%shave\n%s", before, after)
			}
			done = mustRepair(t, dir, RepairOptions{AcceptLoss: true})
			if missing(done.Aside) || done.Left.Damaged == 0 {
				t.Errorf("aside %q, %s", done.Aside, told(done.Left))
			}
			if r := mustVerify(t, dir); r.Damaged > 0 {
				t.Error(told(r))
			}
			c.mustBeLeft(t, dir)
			if r := mustVerify(t, dir); r.Damaged > 0 {
				t.Error(told(r))
			}
		})
	}
}

// TestRepairDamagedTable: of a table that has several values of a key LevelDB can
// make none without the damaged block, and recovers nothing then. What is lost is
// lost, and everything else is there.
func TestRepairDamagedTable(t *testing.T) {
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{})
	data := strings.Repeat("x", 3000)
	for i := range 200 {
		storetest.Append(t, d, fmt.Sprint(i%4), data)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, dir, Options{}).Close() // makes a table of the journal
	tables, err := filepath.Glob(filepath.Join(dir, dbName, "*.ldb"))
	if err != nil || len(tables) != 1 {
		t.Fatal(tables, err)
	}
	edit(t, tables[0], func(b []byte) []byte { b[len(b)/3] ^= 1; return b })
	before := snapshot(t, dir)
	if done := mustRepair(t, dir, RepairOptions{}); done.Aside != "" || done.Left.Events == 0 || snapshot(t, dir) != before {
		t.Errorf("%v events are left; aside %q", done.Left.Events, done.Aside)
	}
	done := mustRepair(t, dir, RepairOptions{AcceptLoss: true})
	if r := mustVerify(t, dir); r.Damaged > 0 || r.Lost == 0 || r.Lost > 10 || r.Events+r.Lost != 200 || r.Events != done.Left.Events {
		t.Errorf("%d events and %d lost; %s", r.Events, r.Lost, told(r))
	}
}

// mustBeLeft verifies what is left of a store, and that it goes on.
func (c *loss) mustBeLeft(t *testing.T, dir string) {
	t.Helper()
	d := mustOpen(t, dir, Options{eager: true})
	defer d.Close()
	if have := d.Info().Generation; have != 2 {
		t.Errorf("want generation 2, have %d", have)
	}
	if c.left == nil {
		return
	}
	left := []string{}
	for _, stream := range []string{"a", "b"} {
		for id := uint64(1); id < 10; id++ {
			r := store.Range{Stream: []byte(stream), After: store.Some(id - 1), UpTo: store.Some(id), Nearest: true}
			for e, err := range d.Read(t.Context(), r) {
				switch {
				case err == nil:
					left = append(left, fmt.Sprintf("%s.%d", stream, e.ID))
				case !errors.Is(err, store.ErrDamaged):
					t.Error(err)
				}
			}
		}
	}
	if !slices.Equal(left, c.left) {
		t.Errorf("want %v, have %v", c.left, left)
	}
	next, last := "", uint64(0)
	for _, stream := range []string{"a", "c"} {
		r := request(t, d, store.Append{Groups: []store.Group{{Stream: []byte(stream), Events: [][]byte{[]byte("next")}}}})
		next += fmt.Sprintf("%s.%d@%d ", stream, r.IDs[0], d.Info().LastPosition)
		last = max(last, r.IDs[0])
	}
	if next = strings.TrimSpace(next); next != c.next {
		t.Errorf("want %s, have %s", c.next, next)
	}
	remove(t, d, "a", last)
	eventually(t, "erasures are pending", erased(d))
}

// TestHalfReplaced: a crash between the two renames that put a repaired database in
// place costs nothing.
func TestHalfReplaced(t *testing.T) {
	dir := writeVerified(t)
	db := filepath.Join(dir, dbName)
	copyDir(t, filepath.Join(dir, newDBName), db)
	if err := os.Rename(db, filepath.Join(dir, asideName+"1")); err != nil {
		t.Fatal(err)
	}
	if have := contents(t, dir); have != verifiedContents {
		t.Errorf("want %s, have %s", verifiedContents, have)
	}
}

func TestSolve(t *testing.T) {
	value := []byte("what a record has besides")
	f := func(x uint64) uint64 { return chain(x, 7, value) }
	for _, want := range []uint64{0, 1, 1 << 63, 0x123456789abcdef} {
		if x := solve(f, want); f(x) != want {
			t.Errorf("want %x, have %x", want, f(x))
		}
	}
}
