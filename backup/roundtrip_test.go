package backup

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"gorewind/store"
	"gorewind/store/leveldb"
	"gorewind/store/storetest"
)

// TestRoundTrip: a store made from an export, plain or compressed, returns the same
// bytes as the original, and gives the same answers to repeated requests with keys.
func TestRoundTrip(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	busy(t, s)
	want := told(t, s)
	for _, compress := range []bool{false, true} {
		path, trailer := exported(t, s, ExportOptions{Compress: compress})
		if trailer.End != s.Info().LastPosition || trailer.Commits < 20 || trailer.Erased == 0 {
			t.Errorf("have the trailer %+v", trailer)
		}
		if fi, err := os.Stat(path); err != nil || fi.Mode() != 0o600 {
			t.Errorf("want a file for the owner only, have %v, %v", fi.Mode(), err)
		}
		c, r := restored(t, path)
		same(t, "restored", want, told(t, c))
		if g := c.Identity().Generation; g <= s.Identity().Generation+1 || r.Deleted != 0 {
			t.Errorf("have the generation %d, and %+v", g, r)
		}
		if r := request(c, keyed("many/1", "key", "keyed")); r.Err != nil || r.IDs[0] != 16 {
			t.Errorf("the request again: %+v", r)
		}
		if r := request(c, keyed("many/1", "key", "other")); !errors.Is(r.Err, store.ErrKeyReused) {
			t.Errorf("another under its key: %+v", r)
		}
		same(t, "asked again", want, told(t, c))
	}
}

// TestRoundTripEmpty: an empty store can be exported, too.
func TestRoundTripEmpty(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	path, _ := exported(t, s, ExportOptions{})
	c, _ := restored(t, path)
	same(t, "restored", told(t, s), told(t, c))
}

// TestRoundTripFormat1 exports the store that the first version left.
func TestRoundTripFormat1(t *testing.T) {
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../store/leveldb/testdata/v1")); err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	defer s.Close()
	path, _ := exported(t, s, ExportOptions{})
	c, _ := restored(t, path)
	same(t, "restored", told(t, s), told(t, c))
}

// TestRoundTripRandom: random histories, exported whole and backed up each time the
// store was opened, are restored unchanged. No backup holds what was erased.
func TestRoundTripRandom(t *testing.T) {
	dir, backup := t.TempDir(), filepath.Join(t.TempDir(), "backup")
	runs, rewritten := 0, 0
	back := func(s store.Store) {
		sum, err := Backup(t.Context(), local{s}, backup, BackupOptions{Progress: quiet, segment: 20_000, gather: 3000})
		if err != nil {
			t.Fatal(err)
		}
		runs++
		rewritten += sum.Rewritten
		onlyWhatIsThere(t, s, backup)
	}
	storetest.Model(t, storetest.Operations(4000), false, func() storetest.System {
		s := open(t, dir)
		back(s)
		return s
	})
	s := open(t, dir)
	defer s.Close()
	back(s)
	want := told(t, s)
	path, _ := exported(t, s, ExportOptions{Compress: true})
	c, _ := restored(t, path)
	same(t, "imported", want, told(t, c))

	if _, err := VerifyBackup(t.Context(), backup, quiet); err != nil {
		t.Fatal(err)
	}
	r, _ := restoredBackup(t, backup, RestoreOptions{})
	same(t, "restored", want, told(t, r))
	if runs < 3 || rewritten == 0 {
		t.Errorf("only %d runs, and %d segments written anew", runs, rewritten)
	}
}

// onlyWhatIsThere checks that each event in a backup is in the store, with the same
// data.
func onlyWhatIsThere(t *testing.T, s store.Store, backup string) {
	t.Helper()
	d, err := openBackup(backup)
	if err != nil {
		t.Fatal(err)
	}
	defer d.close()
	for i := range d.m.Segments {
		err := d.read(t.Context(), &d.m.Segments[i], func(int64, int64) {}, func(c *Entry) error {
			return c.each(func(e *store.Event) error {
				now, ok, err := (local{s}).Event(t.Context(), e.Stream, e.ID)
				if err != nil || !ok || string(now.Data) != string(e.Data) || now.Position != e.Position {
					t.Fatalf("%s has %q %d: %.100q; the store has %v, %.100q", d.m.Segments[i].File, e.Stream, e.ID, e.Data, ok, now.Data)
				}
				return nil
			})
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestSelectionOfLittle: omitted positions take one commit, however many they are.
// A forged export once wrote commits for ever.
func TestSelectionOfLittle(t *testing.T) {
	s := open(t, t.TempDir())
	id := s.Identity()
	s.Close()
	prefix := ""
	var b bytes.Buffer
	w, err := newWriter(newPlainSink(&b), newHeader(id, 0, &Selection{Prefix: &prefix}))
	if err != nil {
		t.Fatal(err)
	}
	const position, end = 1 << 50, 1 << 62
	at := time.UnixMicro(1e15)
	c := whole{
		Entry: store.Entry{First: position, Position: position, Time: at, NextStream: 2, Changes: []store.Change{
			{Kind: store.Appended, Stream: []byte("s"), Number: 1, First: 1, Last: 1},
		}},
		Events: []store.Event{{Stream: []byte("s"), ID: 1, Position: position, Time: at, Data: []byte("x")}},
	}
	if err := c.write(w); err != nil {
		t.Fatal(err)
	}
	if _, err := w.finish(end); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "export")
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	r, restored := restored(t, path)
	if info := r.Info(); info.LastPosition != end || restored.Commits != 3 {
		t.Errorf("it ends at the position %d, with %d commits", info.LastPosition, restored.Commits)
	}
	if id := request(r, keyed("s", "", "2")).IDs; len(id) != 1 || id[0] != 2 {
		t.Errorf("it goes on with %v", id)
	}
}

// TestSelection: a store made from selected streams holds all of these and nothing
// of others.
func TestSelection(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	busy(t, s)
	prefix := "many/"
	for name, sel := range map[string]*Selection{
		"prefix":          {Prefix: &prefix},
		"globs":           {Globs: []string{"g/*", "emptied"}},
		"prefix and glob": {Prefix: &prefix, Globs: []string{"g/2"}},
		"nothing":         {Globs: []string{"none"}},
	} {
		t.Run(name, func(t *testing.T) {
			selected, err := sel.compile()
			if err != nil {
				t.Fatal(err)
			}
			path, trailer := exported(t, s, ExportOptions{Selection: sel})
			c, r := restored(t, path)
			size := uint64(0)
			for e, err := range c.Log(t.Context(), 0) {
				if err != nil {
					t.Fatal(err)
				}
				size += e.Bytes
			}
			if size != trailer.Bytes || r.Bytes != trailer.Bytes {
				t.Errorf("want %d bytes of data, the commits say %d, and %d are there", trailer.Bytes, size, r.Bytes)
			}
			var want strings.Builder
			for line := range strings.Lines(toldEvents(t, s)) {
				var stream string
				if _, err := sscanName(line, &stream); err != nil || selected.Matches([]byte(stream)) {
					want.WriteString(line)
				}
			}
			same(t, "events", want.String(), toldEvents(t, c))
			if c.Info().ID == s.Info().ID || r.Damaged > 0 {
				t.Errorf("have the store %+v, %+v", c.Info(), r)
			}
			if c.Info().LastPosition != s.Info().LastPosition {
				t.Errorf("want the last position %d, have %d", s.Info().LastPosition, c.Info().LastPosition)
			}
			for _, stream := range []string{"many/1", "\xff\x00", "emptied", "g/1", "g/2"} {
				for _, consumer := range []string{"mailer", "\xff", "gone"} {
					want, _ := s.Cursor(t.Context(), []byte(consumer), []byte(stream))
					if !selected.Matches([]byte(stream)) {
						want = 0
					}
					if have, err := c.Cursor(t.Context(), []byte(consumer), []byte(stream)); have != want || err != nil {
						t.Errorf("cursor of %q in %q: want %d, have %d, %v", consumer, stream, want, have, err)
					}
				}
			}
			if selected.Matches([]byte("many/1")) {
				if r := request(c, keyed("many/1", "key", "keyed")); r.Err != nil || r.IDs[0] != 16 {
					t.Errorf("the request again: %+v", r)
				}
			}
			if selected.Matches([]byte("emptied")) {
				if r := request(c, keyed("emptied", "", "4")); r.Err != nil || r.IDs[0] != 4 {
					t.Errorf("ids go on: %+v", r)
				}
			}
			again, _ := exported(t, c, ExportOptions{})
			copied, _ := restored(t, again)
			same(t, "a copy of it", told(t, c), told(t, copied))
		})
	}
}

// TestImportRefuses a directory that holds a store, and an incomplete export.
func TestImportRefuses(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	defer s.Close()
	busy(t, s)
	path, _ := exported(t, s, ExportOptions{})
	if _, err := Import(t.Context(), path, dir, quiet); !errors.Is(err, leveldb.ErrNotEmpty) && !errors.Is(err, leveldb.ErrInUse) {
		t.Errorf("over a store: %v", err)
	}
	part, _ := exported(t, s, ExportOptions{After: 5})
	if _, err := Import(t.Context(), part, filepath.Join(t.TempDir(), "new"), quiet); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("without its beginning: %v", err)
	}
}
