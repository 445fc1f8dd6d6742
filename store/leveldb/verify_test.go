package leveldb

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
	"gorewind/store/storetest"
)

// writeVerified makes a store with something of every kind in it:
//
//	positions 1 to 3  events 1 to 3 of a, number 1
//	4, 5              events 1 and 2 of b, number 2
//	6                 event 4 of a
//	7                 event 1 of b is deleted, and erased
//	8                 a cursor in a
//	9                 event 5 of a, by a request with a key
func writeVerified(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	d := mustOpen(t, dir, Options{eager: true})
	storetest.Append(t, d, "a", "1", "2", "3")
	storetest.Append(t, d, "b", "1", "2")
	storetest.Append(t, d, "a", "4")
	remove(t, d, "b", 1)
	if err := store.Await(func(done func(error)) {
		d.SetCursor(store.Cursor{Consumer: []byte("c"), Stream: []byte("a"), ID: 4}, done)
	}); err != nil {
		t.Fatal(err)
	}
	if r := request(t, d, store.Append{Key: []byte("k"), Groups: []store.Group{{Stream: []byte("a"), Events: [][]byte{[]byte("5")}}}}); r.Err != nil {
		t.Fatal(r.Err)
	}
	eventually(t, "erasures are pending", erased(d))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// mustVerify verifies a store, and that this changed nothing.
func mustVerify(t *testing.T, dir string) Report {
	t.Helper()
	before := snapshot(t, dir)
	r, err := Verify(t.Context(), dir, nil)
	if err != nil {
		t.Error(err)
	}
	if after := snapshot(t, dir); after != before {
		t.Errorf("want\n%shave\n%s", before, after)
	}
	if r.Damaged < len(r.Damage) || len(r.Damage) > MaxDamage {
		t.Errorf("%d pieces of damage, of which %d are told", r.Damaged, len(r.Damage))
	}
	return r
}

// told returns the damage of a report, a line each.
func told(r Report) string {
	var b strings.Builder
	for _, d := range r.Damage {
		fmt.Fprintln(&b, d)
	}
	return b.String()
}

// change changes what the database of a closed store has.
func change(t *testing.T, dir string, f func(db *leveldb.DB) error) {
	t.Helper()
	files, err := datadir.Dir(dir).Files(false)
	if err != nil {
		t.Fatal(err)
	}
	db, g, err := ldb.Open(files, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(f(db), db.Close(), g.Close()); err != nil {
		t.Fatal(err)
	}
}

func TestVerifyGood(t *testing.T) {
	for name, c := range map[string]struct {
		make func() string
		want string
	}{
		"all kinds": {func() string { return writeVerified(t) }, "{2 6 6 6 0 0 [] 0 [] false false}"},
		"empty": {func() string {
			dir := t.TempDir()
			mustOpen(t, dir, Options{}).Close()
			return dir
		}, "{0 0 0 0 0 0 [] 0 [] false false}"},
		"format 1, killed": {func() string {
			dir := t.TempDir()
			copyDir(t, dir, v1)
			return dir
		}, "{7 75 20502 20 0 0 [] 0 [] false false}"},
	} {
		t.Run(name, func(t *testing.T) {
			if have := fmt.Sprint(mustVerify(t, c.make())); have != c.want {
				t.Errorf("want %s, have %s", c.want, have)
			}
		})
	}
}

// pageOf makes the key and the value of a page.
func pageOf(number, last uint64, time int64, position uint64, events ...string) (key, value []byte) {
	var w record.PageWriter
	for i, e := range events {
		w.Add(position+uint64(i), time, []byte(e))
	}
	key = record.AppendEventKey(nil, number, last)
	return key, w.End(key)
}

// timeOf returns when a page was written.
func timeOf(db *leveldb.DB, number, last uint64) int64 {
	value, err := db.Get(record.AppendEventKey(nil, number, last), nil)
	if err != nil {
		panic(err)
	}
	return int64(binary.BigEndian.Uint64(value[5:]))
}

func TestVerifyDamage(t *testing.T) {
	del := func(key []byte) func(db *leveldb.DB) error {
		return func(db *leveldb.DB) error { return db.Delete(key, nil) }
	}
	put := func(key []byte, value string) func(db *leveldb.DB) error {
		return func(db *leveldb.DB) error { return db.Put(key, []byte(value), nil) }
	}
	flip := func(key []byte, at int) func(db *leveldb.DB) error {
		return func(db *leveldb.DB) error {
			value, err := db.Get(key, nil)
			if err == nil {
				value[(at+len(value))%len(value)] ^= 1
				err = db.Put(key, value, nil)
			}
			return err
		}
	}
	const noRecord = "which has no record"
	intact := writeVerified(t)
	for name, c := range map[string]struct {
		damage func(db *leveldb.DB) error
		want   string
	}{
		"a page is missing":      {del(record.AppendEventKey(nil, 1, 3)), `stream "a", events 1 to 3, positions 1 to 3: the events are missing`},
		"the last page":          {del(record.AppendEventKey(nil, 1, 5)), `stream "a", event 5, position 9: the events are missing`},
		"a page's data":          {flip(record.AppendEventKey(nil, 1, 4), -1), `stream "a", event 4, position 6: damaged: page 6501010000000000000004 has a wrong checksum`},
		"a page's head":          {put(record.AppendEventKey(nil, 1, 4), "x"), `stream "a", event 4, position 6: damaged: page 6501010000000000000004 is cut to 1 octets`},
		"a page's key":           {put([]byte("e\x01"), "x"), "key 6501 of events"},
		"a page without stream":  {put(record.AppendEventKey(nil, 7, 1), "x"), "stream number 7: there are events of it, and it has no record"},
		"a page too many":        {put(record.AppendEventKey(nil, 1, 6), "x"), `stream "a", event 6: damaged: page`},
		"a stream is missing":    {del(record.StreamKey([]byte("b"))), `stream "b": it has a name and no record`},
		"a stream's last id":     {put(record.StreamKey([]byte("a")), "\x01\x04\x00"), `stream "a", event 5, position 9: the stream's record says that 4 is its last event`},
		"a stream's end":         {put(record.StreamKey([]byte("a")), "\x01\x06\x00"), `stream "a": its last event is 5 by the commits, 6 by its record`},
		"a stream's deleted id":  {put(record.StreamKey([]byte("b")), "\x02\x02\x00"), `stream "b": it is deleted up to event 1 by the commits, 0 by its record`},
		"a stream's record":      {put(record.StreamKey([]byte("b")), "\x02"), `stream "b": damaged: record of a stream: 02`},
		"two of one number":      {put(record.StreamKey([]byte("c")), "\x02\x02\x01"), `stream "c": another stream has its number, 2, too`},
		"a name is missing":      {del(record.NameKey(2)), "stream number 2: it has a record and no name by its number"},
		"a name":                 {put(record.NameKey(2), "B"), `stream "B": the name by its number is not the one of its record`},
		"a name too many":        {put(record.NameKey(3), "c"), `stream "c": it has a name and no record`},
		"a name's key":           {put([]byte("n\x02\x01"), "c"), "key 6e0201 of a name"},
		"the first commit":       {del(record.CommitKey(3)), "the commit at position 5 does not follow the one at position 0: one is missing or was changed"},
		"events of a commit":     {del(record.CommitKey(3)), `stream "a", events 1 to 3: no commit has them, or a second one; position 6 goes on with event 4`},
		"a commit in the middle": {del(record.CommitKey(8)), "the commit at position 9 does not follow the one at position 7: one is missing or was changed"},
		"the last commit":        {del(record.CommitKey(9)), "the commit at position 9 is missing; the last one is at position 8"},
		"a commit's time":        {flip(record.CommitKey(6), 8), "the commit at position 6 does not follow the one at position 5: one is missing or was changed"},
		"a commit's chain":       {flip(record.CommitKey(9), -1), "the commit at position 9 is another one than the store had"},
		"a commit's record":      {put(record.CommitKey(6), "x"), "damaged: record of the commit 780000000000000006"},
		"a cursor":               {put(record.CursorKey([]byte("c"), 1), "\x00"), "cursor 6301630101: 00"},
		"a cursor's id":          {put(record.CursorKey([]byte("c"), 1), "\x06"), `stream "a": the cursor of "c" is at event 6; the last one is 5`},
		"a cursor's stream":      {put(record.CursorKey([]byte("c"), 7), "\x01"), `the cursor of "c" is in the stream number 7, ` + noRecord},
		"a cursor's position":    {put(record.CursorKey([]byte("c"), 0), "\x0a"), `the cursor of "c" is at position 10; the last one is 9`},
		"a request":              {put(record.RequestKey(1, []byte("k")), "x"), "record of a request with a key 6b01016b: 78"},
		"a request's stream":     {put(record.RequestKey(7, []byte("k")), strings.Repeat("x", 16)+"\x01\x01"), `the request with the key "k" is of the stream number 7, ` + noRecord},
		"a request's id":         {put(record.RequestKey(1, []byte("k")), strings.Repeat("x", 16)+"\x01\x06"), `stream "a": the request with the key "k" stored event 6; the last one is 5`},
		"an erasure":             {put(record.ErasureKey(7), "d"), "damaged: record of an erasure 700000000000000007"},
		"an erasure's stream":    {put(record.ErasureKey(7), "d\x07\x01\x01"), "record of an erasure at position 7 in the stream number 7, " + noRecord},
		"an erasure's events":    {put(record.ErasureKey(7), "d\x01\x01\x02"), `stream "a", events 1 to 2, positions 1 to 2: record of an erasure 700000000000000007 of what was not erased`},
		"a key of no kind":       {put([]byte("zz"), "x"), "key 7a7a is none of a store"},
		"a key before all":       {put([]byte{0}, "x"), "key 00 is none of a store"},
		"a page's position": {func(db *leveldb.DB) error {
			key, value := pageOf(1, 3, timeOf(db, 1, 3), 2, "1", "2", "3")
			return db.Put(key, value, nil)
		}, `stream "a", events 1 to 3, positions 1 to 3: position or time is not that of the commit`},
		"a page's time": {func(db *leveldb.DB) error {
			key, value := pageOf(1, 4, timeOf(db, 1, 4)+1, 6, "4")
			return db.Put(key, value, nil)
		}, `stream "a", event 4, position 6: position or time is not that of the commit`},
		"a deleted event": {func(db *leveldb.DB) error {
			key, value := pageOf(2, 1, timeOf(db, 2, 2), 4, "1")
			return db.Put(key, value, nil)
		}, `stream "b", event 1, position 4: they were deleted and are still there`},
		"an event twice": {func(db *leveldb.DB) error {
			key, value := pageOf(1, 4, timeOf(db, 1, 4), 5, "3", "4")
			return db.Put(key, value, nil)
		}, `stream "a", event 3, position 3: they are there twice`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			copyDir(t, dir, intact)
			change(t, dir, c.damage)
			if have := told(mustVerify(t, dir)); !strings.Contains(have, c.want) {
				t.Errorf("want %s\nhave %s", c.want, have)
			}
		})
	}
}

// TestVerifySettled: once loss had been accepted, nobody told what was lost later:
// that a stream had lost something excused whatever else was wrong with it, and a
// lost commit excused cursors and requests.
func TestVerifySettled(t *testing.T) {
	settled := writeVerified(t)
	change(t, settled, func(db *leveldb.DB) error {
		return errors.Join(db.Delete(record.AppendEventKey(nil, 1, 3), nil), db.Delete(record.CommitKey(5), nil))
	})
	mustRepair(t, settled, RepairOptions{AcceptLoss: true})
	if r := mustVerify(t, settled); r.Damaged > 0 {
		t.Fatal(told(r))
	}
	for name, c := range map[string]struct {
		damage func(db *leveldb.DB) error
		want   string
	}{
		"a cursor": {func(db *leveldb.DB) error { return db.Delete(record.CursorKey([]byte("c"), 1), nil) },
			`stream "a": the cursor of "c" is missing, by the commits at 4`},
		"a cursor elsewhere": {func(db *leveldb.DB) error { return db.Put(record.CursorKey([]byte("c"), 1), []byte{2}, nil) },
			`stream "a": the cursor of "c" is at 2, by the commits at 4`},
		"a request": {func(db *leveldb.DB) error { return db.Delete(record.RequestKey(1, []byte("k")), nil) },
			`stream "a": what is kept of the request with the key "k" is not what the commits say`},
		"a stream's end": {func(db *leveldb.DB) error {
			return errors.Join(db.Delete(record.AppendEventKey(nil, 1, 5), nil), db.Put(record.StreamKey([]byte("a")), record.Counter{Number: 1, Last: 4, Deleted: 0}.Append(nil), nil))
		}, `stream "a": its last event is 5 by the commits, 4 by its record`},
		"another event in the place of one": {func(db *leveldb.DB) error { // as of a commit that was refused
			key, value := pageOf(1, 5, timeOf(db, 1, 5)-1, 9, "refused")
			return db.Put(key, value, nil)
		}, `stream "a", event 5, position 9: position or time is not that of the commit`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			copyDir(t, dir, settled)
			change(t, dir, c.damage)
			if have := told(mustVerify(t, dir)); !strings.Contains(have, c.want) {
				t.Errorf("want %s\nhave %s", c.want, have)
			}
		})
	}
}

// TestVerifyFiles: damage that LevelDB refuses, or does not see, is told.
func TestVerifyFiles(t *testing.T) {
	intact := writeVerified(t)
	high := filepath.Join("/", datadir.HighwaterName)
	for name, c := range map[string]struct {
		damage func(dir string) error
		want   string // told
		note   string
	}{
		"the high-water file is gone": {func(dir string) error { return os.Remove(dir + high) }, "is missing, so nobody can tell", ""},
		"both of its halves": {func(dir string) error { return os.WriteFile(dir+high, []byte("x"), 0o644) },
			"is readable, so nobody can tell", ""},
		"one of its halves": {func(dir string) error {
			edit(t, dir+high, func(b []byte) []byte { b[0] ^= 1; return b })
			return nil
		}, "", "one half of the file"},
		"the database":     {func(dir string) error { return os.RemoveAll(dir + "/db") }, "the database is missing; it held commits up to position 9", ""},
		"its format":       {func(dir string) error { return os.Remove(dir + "/db/" + datadir.FormatName) }, "FORMAT is missing", ""},
		"CURRENT":          {func(dir string) error { return os.WriteFile(dir+"/db/CURRENT", []byte("x"), 0o644) }, "damaged", ""},
		"all of its files": {func(dir string) error { return emptied(dir + "/db") }, "the commit at position 9 is missing; the last one is at position 0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			copyDir(t, dir, intact)
			if c.want == "damaged" {
				os.Remove(dir + "/db/CURRENT.bak")
			}
			if err := c.damage(dir); err != nil {
				t.Fatal(err)
			}
			r := mustVerify(t, dir)
			if have := told(r); !strings.Contains(have, c.want) || c.want == "" && have != "" {
				t.Errorf("want %q, have %s", c.want, have)
			}
			if have := strings.Join(r.Notes, "\n"); !strings.Contains(have, c.note) || c.note == "" && have != "" {
				t.Errorf("want the note %q, have %s", c.note, have)
			}
		})
	}
}

// emptied removes all of a database but its format.
func emptied(db string) error {
	entries, err := os.ReadDir(db)
	for _, e := range entries {
		if e.Name() != datadir.FormatName && err == nil {
			err = os.Remove(filepath.Join(db, e.Name()))
		}
	}
	return err
}

// TestVerifyTables: one bit anywhere in what a table holds is found, and events
// behind it are still verified.
func TestVerifyTables(t *testing.T) {
	intact := t.TempDir()
	d := mustOpen(t, intact, Options{})
	for i := range 60 { // several blocks, of several streams
		storetest.Append(t, d, fmt.Sprint(i%3), strings.Repeat("x", 1000))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, intact, Options{}).Close() // which makes a table of the journal
	tables, err := filepath.Glob(filepath.Join(intact, "db", "*.ldb"))
	if err != nil || len(tables) != 1 {
		t.Fatal(tables, err)
	}
	table, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	const footer = 48 // some of it is room
	passed := false
	for at := 0; at < len(table)-footer; at += 997 {
		dir := t.TempDir()
		copyDir(t, dir, intact)
		edit(t, filepath.Join(dir, "db", filepath.Base(tables[0])), func(b []byte) []byte { b[at] ^= 4; return b })
		r := mustVerify(t, dir)
		if r.Damaged == 0 {
			t.Errorf("nothing found although octet %d of %d is wrong", at, len(table))
		}
		if r.Events < 60 && r.Events > 30 {
			passed = true
			if have := told(r); !strings.Contains(have, `stream "`) || !strings.Contains(have, ".ldb") {
				t.Errorf("octet %d: want the streams and the file, have %s", at, have)
			}
		}
	}
	if !passed {
		t.Error("no damage was passed over")
	}
}

func TestVerifyCannot(t *testing.T) {
	dir := writeVerified(t)
	d := mustOpen(t, dir, Options{})
	if _, err := Verify(t.Context(), dir, nil); !errors.Is(err, ErrInUse) {
		t.Errorf("want it to be in use, have %v", err)
	}
	d.Close()
	none := filepath.Join(t.TempDir(), "none")
	if _, err := Verify(t.Context(), none, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want that it does not exist, have %v", err)
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("it was made")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, dir, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("want that it was cancelled, have %v", err)
	}
}

// TestVerifyAll: a report has a bound, unless all is asked for.
func TestVerifyAll(t *testing.T) {
	const pieces = MaxDamage + 10
	dir := writeVerified(t)
	change(t, dir, func(db *leveldb.DB) (err error) {
		for i := range pieces {
			err = errors.Join(err, db.Put([]byte{'e', 1, byte(i)}, []byte("x"), nil))
		}
		return err
	})
	if r := mustVerify(t, dir); r.Damaged != pieces || len(r.Damage) != MaxDamage {
		t.Errorf("want %d of %d pieces, have %d of %d", MaxDamage, pieces, len(r.Damage), r.Damaged)
	}
	if r, err := VerifyAll(t.Context(), dir, nil); err != nil || r.Damaged != pieces || len(r.Damage) != pieces {
		t.Errorf("want all %d pieces, have %d of %d %v", pieces, len(r.Damage), r.Damaged, err)
	}
	for _, all := range []bool{false, true} {
		want := MaxDamage
		if all {
			want = pieces
		}
		if r, err := Repair(t.Context(), dir, RepairOptions{All: all}); err != nil || len(r.Found.Damage) != want {
			t.Errorf("all %v: want %d pieces found, have %d %v", all, want, len(r.Found.Damage), err)
		}
	}
	for _, r := range []*Report{{}, {all: true}} {
		for i := range pieces {
			r.add(Damage{First: uint64(i)})
		}
		r.begin(Damage{What: "first"})
		if r.Damaged != pieces+1 || r.Damage[0].What != "first" || !r.all && len(r.Damage) != MaxDamage || r.all && len(r.Damage) != pieces+1 {
			t.Errorf("all %v: have %d of %d, the first %q", r.all, len(r.Damage), r.Damaged, r.Damage[0].What)
		}
	}
}
