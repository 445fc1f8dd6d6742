package repair_test

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

	engine "gorewind/store/leveldb"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/fixture"
	"gorewind/store/leveldb/internal/record"
	"gorewind/store/leveldb/repair"
	"gorewind/store/storetest"
)

func TestVerifyGood(t *testing.T) {
	for name, c := range map[string]struct {
		make func() string
		want string
	}{
		"all kinds": {func() string { return writeVerified(t) }, "{2 6 6 6 0 0 [] 0 [] false false}"},
		"empty": {func() string {
			dir := t.TempDir()
			mustOpen(t, dir, engine.Options{}).Close()
			return dir
		}, "{0 0 0 0 0 0 [] 0 [] false false}"},
		"format 1, killed": {func() string {
			dir := t.TempDir()
			fixture.CopyDir(t, dir, filepath.Join("..", "testdata", "v1"))
			return dir
		}, "{7 75 20502 20 0 0 [] 0 [] false false}"},
	} {
		t.Run(name, func(t *testing.T) {
			if have := fmt.Sprint(fixture.MustVerify(t, c.make())); have != c.want {
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

// timeOf returns the time of a page.
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
		"a page's head":          {put(record.AppendEventKey(nil, 1, 4), "x"), `stream "a", event 4, position 6: damaged: page 6501010000000000000004 is cut to 1 bytes`},
		"a page's key":           {put([]byte("e\x01"), "x"), "malformed event key 6501"},
		"a page without stream":  {put(record.AppendEventKey(nil, 7, 1), "x"), "stream number 7: the stream has events but no record"},
		"a page too many":        {put(record.AppendEventKey(nil, 1, 6), "x"), `stream "a", event 6: damaged: page`},
		"a stream is missing":    {del(record.StreamKey([]byte("b"))), `stream "b": the stream has a name but no record`},
		"a stream's last id":     {put(record.StreamKey([]byte("a")), "\x01\x04\x00"), `stream "a", event 5, position 9: the stream's record says that event 4 is the last`},
		"a stream's end":         {put(record.StreamKey([]byte("a")), "\x01\x06\x00"), `stream "a": the last event is 5 according to the commits, 6 according to its record`},
		"a stream's deleted id":  {put(record.StreamKey([]byte("b")), "\x02\x02\x00"), `stream "b": deleted up to event 1 according to the commits, up to 0 according to its record`},
		"a stream's record":      {put(record.StreamKey([]byte("b")), "\x02"), `stream "b": damaged: malformed stream record: 02`},
		"two of one number":      {put(record.StreamKey([]byte("c")), "\x02\x02\x01"), `stream "c": another stream has the same number, 2`},
		"a name is missing":      {del(record.NameKey(2)), "stream number 2: the stream has a record but no name under its number"},
		"a name":                 {put(record.NameKey(2), "B"), `stream "B": the name under its number differs from the name in its record`},
		"a name too many":        {put(record.NameKey(3), "c"), `stream "c": the stream has a name but no record`},
		"a name's key":           {put([]byte("n\x02\x01"), "c"), "malformed name key 6e0201"},
		"the first commit":       {del(record.CommitKey(3)), "the commit at position 5 does not follow the one at position 0: a commit is missing or was changed"},
		"events of a commit":     {del(record.CommitKey(3)), `stream "a", events 1 to 3: no commit has them, or two have them; position 6 continues with event 4`},
		"a commit in the middle": {del(record.CommitKey(8)), "the commit at position 9 does not follow the one at position 7: a commit is missing or was changed"},
		"the last commit":        {del(record.CommitKey(9)), "the commit at position 9 is missing; the last one is at position 8"},
		"a commit's time":        {flip(record.CommitKey(6), 8), "the commit at position 6 does not follow the one at position 5: a commit is missing or was changed"},
		"a commit's chain":       {flip(record.CommitKey(9), -1), "the commit at position 9 is not the one that the store had"},
		"a commit's record":      {put(record.CommitKey(6), "x"), "damaged: malformed commit record 780000000000000006"},
		"a cursor":               {put(record.CursorKey([]byte("c"), 1), "\x00"), "malformed cursor 6301630101: 00"},
		"a cursor's id":          {put(record.CursorKey([]byte("c"), 1), "\x06"), `stream "a": the cursor of "c" is at event 6; the last one is 5`},
		"a cursor's stream":      {put(record.CursorKey([]byte("c"), 7), "\x01"), `the cursor of "c" is in stream number 7, ` + noRecord},
		"a cursor's position":    {put(record.CursorKey([]byte("c"), 0), "\x0a"), `the cursor of "c" is at position 10; the last one is 9`},
		"a request":              {put(record.RequestKey(1, []byte("k")), "x"), "malformed request record 6b01016b: 78"},
		"a request's stream":     {put(record.RequestKey(7, []byte("k")), strings.Repeat("x", 16)+"\x01\x01"), `the request with the key "k" names stream number 7, ` + noRecord},
		"a request's id":         {put(record.RequestKey(1, []byte("k")), strings.Repeat("x", 16)+"\x01\x06"), `stream "a": the request with the key "k" stored event 6; the last one is 5`},
		"an erasure":             {put(record.ErasureKey(7), "d"), "damaged: malformed erasure record 700000000000000007"},
		"an erasure's stream":    {put(record.ErasureKey(7), "d\x07\x01\x01"), "the erasure record at position 7 names stream number 7, " + noRecord},
		"an erasure's events":    {put(record.ErasureKey(7), "d\x01\x01\x02"), `stream "a", events 1 to 2, positions 1 to 2: the erasure record 700000000000000007 names events that were not erased`},
		"a key of no kind":       {put([]byte("zz"), "x"), "unknown key 7a7a"},
		"a key before all":       {put([]byte{0}, "x"), "unknown key 00"},
		"a page's position": {func(db *leveldb.DB) error {
			key, value := pageOf(1, 3, timeOf(db, 1, 3), 2, "1", "2", "3")
			return db.Put(key, value, nil)
		}, `stream "a", events 1 to 3, positions 1 to 3: position or time differs from the commit`},
		"a page's time": {func(db *leveldb.DB) error {
			key, value := pageOf(1, 4, timeOf(db, 1, 4)+1, 6, "4")
			return db.Put(key, value, nil)
		}, `stream "a", event 4, position 6: position or time differs from the commit`},
		"a deleted event": {func(db *leveldb.DB) error {
			key, value := pageOf(2, 1, timeOf(db, 2, 2), 4, "1")
			return db.Put(key, value, nil)
		}, `stream "b", event 1, position 4: the events were deleted but still exist`},
		"an event twice": {func(db *leveldb.DB) error {
			key, value := pageOf(1, 4, timeOf(db, 1, 4), 5, "3", "4")
			return db.Put(key, value, nil)
		}, `stream "a", event 3, position 3: the events exist twice`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fixture.CopyDir(t, dir, intact)
			fixture.Change(t, dir, c.damage)
			if have := fixture.Told(fixture.MustVerify(t, dir)); !strings.Contains(have, c.want) {
				t.Errorf("want %s\nhave %s", c.want, have)
			}
		})
	}
}

// TestVerifyAfterLoss: Verify finds new damage in a store that was repaired with
// loss. It once excused all other damage of a stream with lost events, and cursors
// and requests after a lost commit.
func TestVerifyAfterLoss(t *testing.T) {
	repaired := writeVerified(t)
	fixture.Change(t, repaired, func(db *leveldb.DB) error {
		return errors.Join(db.Delete(record.AppendEventKey(nil, 1, 3), nil), db.Delete(record.CommitKey(5), nil))
	})
	fixture.MustRepair(t, repaired, repair.Options{AcceptLoss: true})
	if r := fixture.MustVerify(t, repaired); r.Damaged > 0 {
		t.Fatal(fixture.Told(r))
	}
	for name, c := range map[string]struct {
		damage func(db *leveldb.DB) error
		want   string
	}{
		"a cursor": {func(db *leveldb.DB) error { return db.Delete(record.CursorKey([]byte("c"), 1), nil) },
			`stream "a": the cursor of "c" is missing; the commits put it at 4`},
		"a cursor elsewhere": {func(db *leveldb.DB) error { return db.Put(record.CursorKey([]byte("c"), 1), []byte{2}, nil) },
			`stream "a": the cursor of "c" is at 2, but the commits put it at 4`},
		"a request": {func(db *leveldb.DB) error { return db.Delete(record.RequestKey(1, []byte("k")), nil) },
			`stream "a": the record of the request with the key "k" does not match the commits`},
		"a stream's end": {func(db *leveldb.DB) error {
			return errors.Join(db.Delete(record.AppendEventKey(nil, 1, 5), nil), db.Put(record.StreamKey([]byte("a")), record.Counter{Number: 1, Last: 4, Deleted: 0}.Append(nil), nil))
		}, `stream "a": the last event is 5 according to the commits, 4 according to its record`},
		"another event in the place of one": {func(db *leveldb.DB) error { // as from a refused commit
			key, value := pageOf(1, 5, timeOf(db, 1, 5)-1, 9, "refused")
			return db.Put(key, value, nil)
		}, `stream "a", event 5, position 9: position or time differs from the commit`},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fixture.CopyDir(t, dir, repaired)
			fixture.Change(t, dir, c.damage)
			if have := fixture.Told(fixture.MustVerify(t, dir)); !strings.Contains(have, c.want) {
				t.Errorf("want %s\nhave %s", c.want, have)
			}
		})
	}
}

// TestVerifyFiles: Verify reports damage that LevelDB refuses, and damage that
// LevelDB does not see.
func TestVerifyFiles(t *testing.T) {
	intact := writeVerified(t)
	high := filepath.Join("/", datadir.HighwaterName)
	for name, c := range map[string]struct {
		damage func(dir string) error
		want   string // in the report
		note   string
	}{
		"the high-water file is gone": {func(dir string) error { return os.Remove(dir + high) }, "is missing: cannot tell", ""},
		"both of its halves": {func(dir string) error { return os.WriteFile(dir+high, []byte("x"), 0o644) },
			"is readable: cannot tell", ""},
		"one of its halves": {func(dir string) error {
			fixture.Edit(t, dir+high, func(b []byte) []byte { b[0] ^= 1; return b })
			return nil
		}, "", "one half of the file"},
		"the database":     {func(dir string) error { return os.RemoveAll(dir + "/db") }, "the database is missing; it held commits up to position 9", ""},
		"its format":       {func(dir string) error { return os.Remove(dir + "/db/" + datadir.FormatName) }, "FORMAT is missing", ""},
		"CURRENT":          {func(dir string) error { return os.WriteFile(dir+"/db/CURRENT", []byte("x"), 0o644) }, "damaged", ""},
		"all of its files": {func(dir string) error { return emptied(dir + "/db") }, "the commit at position 9 is missing; the last one is at position 0", ""},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			fixture.CopyDir(t, dir, intact)
			if c.want == "damaged" {
				os.Remove(dir + "/db/CURRENT.bak")
			}
			if err := c.damage(dir); err != nil {
				t.Fatal(err)
			}
			r := fixture.MustVerify(t, dir)
			if have := fixture.Told(r); !strings.Contains(have, c.want) || c.want == "" && have != "" {
				t.Errorf("want %q, have %s", c.want, have)
			}
			if have := strings.Join(r.Notes, "\n"); !strings.Contains(have, c.note) || c.note == "" && have != "" {
				t.Errorf("want the note %q, have %s", c.note, have)
			}
		})
	}
}

// emptied removes everything from a database except its format.
func emptied(db string) error {
	entries, err := os.ReadDir(db)
	for _, e := range entries {
		if e.Name() != datadir.FormatName && err == nil {
			err = os.Remove(filepath.Join(db, e.Name()))
		}
	}
	return err
}

// TestVerifyTables: Verify finds one wrong bit anywhere in a table's contents, and
// still verifies the events behind it.
func TestVerifyTables(t *testing.T) {
	intact := t.TempDir()
	d := mustOpen(t, intact, engine.Options{})
	for i := range 60 { // several blocks, of several streams
		storetest.Append(t, d, fmt.Sprint(i%3), strings.Repeat("x", 1000))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, intact, engine.Options{}).Close() // which moves the journal to a table
	tables, err := filepath.Glob(filepath.Join(intact, "db", "*.ldb"))
	if err != nil || len(tables) != 1 {
		t.Fatal(tables, err)
	}
	table, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	const footer = 48 // partly unused
	passed := false
	for at := 0; at < len(table)-footer; at += 997 {
		dir := t.TempDir()
		fixture.CopyDir(t, dir, intact)
		fixture.Edit(t, filepath.Join(dir, "db", filepath.Base(tables[0])), func(b []byte) []byte { b[at] ^= 4; return b })
		r := fixture.MustVerify(t, dir)
		if r.Damaged == 0 {
			t.Errorf("nothing found although byte %d of %d is wrong", at, len(table))
		}
		if r.Events < 60 && r.Events > 30 {
			passed = true
			if have := fixture.Told(r); !strings.Contains(have, `stream "`) || !strings.Contains(have, ".ldb") {
				t.Errorf("byte %d: want the streams and the file, have %s", at, have)
			}
		}
	}
	if !passed {
		t.Error("no damage was passed over")
	}
}

func TestVerifyCannot(t *testing.T) {
	dir := writeVerified(t)
	d := mustOpen(t, dir, engine.Options{})
	if _, err := repair.Verify(t.Context(), dir, nil); !errors.Is(err, engine.ErrInUse) {
		t.Errorf("want it to be in use, have %v", err)
	}
	d.Close()
	none := filepath.Join(t.TempDir(), "none")
	if _, err := repair.Verify(t.Context(), none, nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("want that it does not exist, have %v", err)
	}
	if _, err := os.Stat(none); err == nil {
		t.Error("it was made")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := repair.Verify(ctx, dir, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("want that it was cancelled, have %v", err)
	}
}

// TestVerifyAll: a report is bounded, unless all damage is asked for.
func TestVerifyAll(t *testing.T) {
	const pieces = repair.MaxDamage + 10
	dir := writeVerified(t)
	fixture.Change(t, dir, func(db *leveldb.DB) (err error) {
		for i := range pieces {
			err = errors.Join(err, db.Put([]byte{'e', 1, byte(i)}, []byte("x"), nil))
		}
		return err
	})
	if r := fixture.MustVerify(t, dir); r.Damaged != pieces || len(r.Damage) != repair.MaxDamage {
		t.Errorf("want %d of %d pieces, have %d of %d", repair.MaxDamage, pieces, len(r.Damage), r.Damaged)
	}
	if r, err := repair.VerifyAll(t.Context(), dir, nil); err != nil || r.Damaged != pieces || len(r.Damage) != pieces {
		t.Errorf("want all %d pieces, have %d of %d %v", pieces, len(r.Damage), r.Damaged, err)
	}
	for _, all := range []bool{false, true} {
		want := repair.MaxDamage
		if all {
			want = pieces
		}
		if r, err := repair.Run(t.Context(), dir, repair.Options{All: all}); err != nil || len(r.Found.Damage) != want {
			t.Errorf("all %v: want %d pieces found, have %d %v", all, want, len(r.Found.Damage), err)
		}
	}
}
