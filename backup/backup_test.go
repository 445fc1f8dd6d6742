package backup

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"gorewind/store"
	"gorewind/store/leveldb"
	"gorewind/store/storetest"
)

func back(t testing.TB, from Source, dir string) Summary {
	t.Helper()
	sum, err := Backup(t.Context(), from, dir, BackupOptions{Progress: quiet})
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// restoredBackup restores a backup and opens the new store.
func restoredBackup(t testing.TB, backup string, o RestoreOptions) (store.Store, Restored) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	o.Progress = quiet
	r, err := Restore(t.Context(), backup, dir, o)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	t.Cleanup(func() { s.Close() })
	return s, r
}

// texts returns the contents of a directory's files as text.
func texts(t testing.TB, dir string) map[string]string {
	t.Helper()
	found := make(map[string]string)
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		f, err := os.Open(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		text, err := plainText(f)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(text)
		if err != nil {
			t.Fatalf("%s: %v", e.Name(), err)
		}
		found[e.Name()] = string(b)
		f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// TestBackupErases: after the next backup, no file of it holds what was replaced or
// deleted in the store. A part of the backup restores the store as it was, without
// what was erased since.
func TestBackupErases(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	dir := filepath.Join(t.TempDir(), "backup")
	request(s, keyed("a", "", "secret-1", "kept-2", "secret-3", "kept-4"))
	request(s, keyed("b", "", "secret-5"))
	back(t, local{s}, dir)
	request(s, keyed("a", "", "secret-6", "kept-7"))
	replace(t, s, "a", 3, "secret-8")
	back(t, local{s}, dir)
	replace(t, s, "a", 3, "replaced-9")
	remove(t, s, "a", 1)
	remove(t, s, "b", 1)
	replace(t, s, "a", 5, "replaced-10")
	request(s, keyed("b", "", "kept-11"))
	end := s.Info().LastPosition
	if sum := back(t, local{s}, dir); sum.Rewritten != 2 || sum.End != end {
		t.Errorf("have %+v", sum)
	}
	all := ""
	for name, text := range texts(t, dir) {
		if strings.Contains(text, "secret-") {
			t.Errorf("%s has what was erased:\n%s", name, text)
		}
		all += text
	}
	for _, kept := range []string{"kept-2", "replaced-9", "kept-4", "kept-7", "replaced-10", "kept-11"} {
		if !strings.Contains(all, kept) {
			t.Errorf("%s is missing", kept)
		}
	}
	if n := len(texts(t, dir)); n != 5 {
		t.Errorf("want three segments, the manifest and the lock, have %d files", n)
	}
	c, r := restoredBackup(t, dir, RestoreOptions{})
	same(t, "restored", told(t, s), told(t, c))
	if r.Deleted != 0 {
		t.Errorf("have %+v", r)
	}
	c, r = restoredBackup(t, dir, RestoreOptions{UpTo: 5})
	want := "event \"a\" 2 at 2: \"kept-2\"\nevent \"a\" 3 at 3: \"replaced-9\"\nevent \"a\" 4 at 4: \"kept-4\"\n"
	if have := dated.ReplaceAllString(events(t, c), ": "); have != want || r.Deleted != 2 {
		t.Errorf("of two streams events were deleted since: want\n%shave\n%s%+v", want, have, r)
	}
	if r := request(c, keyed("b", "", "on")); r.Err != nil || r.IDs[0] != 2 {
		t.Errorf("ids go on: %+v", r)
	}
}

// TestBackupRefuses another store than the one in the backup, one that went on
// differently, and a directory that holds something else.
func TestBackupRefuses(t *testing.T) {
	data := t.TempDir()
	s := open(t, data)
	dir := filepath.Join(t.TempDir(), "backup")
	request(s, keyed("a", "", "1"))
	s.Close()
	older := t.TempDir()
	if err := os.CopyFS(older, os.DirFS(data)); err != nil {
		t.Fatal(err)
	}
	s = open(t, data)
	defer s.Close()
	request(s, keyed("a", "", "2"))
	request(s, keyed("a", "", "3"))
	back(t, local{s}, dir)

	refused := func(what string, s store.Store, dir string, want error, words string) {
		t.Helper()
		before := texts(t, dir)
		_, err := Backup(t.Context(), local{s}, dir, BackupOptions{Progress: quiet})
		if !errors.Is(err, want) || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: want %q, have %v", what, words, err)
		}
		after := texts(t, dir)
		for name := range after {
			if _, there := before[name]; !there && name != lockName {
				t.Errorf("%s: %s is new", what, name)
			}
		}
		for name, text := range before {
			if after[name] != text {
				t.Errorf("%s: %s is another one, or gone", what, name)
			}
		}
	}
	other := open(t, t.TempDir())
	defer other.Close()
	refused("another store", other, dir, ErrOtherStore, "give another directory")
	again, _ := restoredBackup(t, dir, RestoreOptions{})
	refused("a restored store", again, dir, ErrOtherStore, fmt.Sprint("generation ", again.Identity().Generation))
	old := open(t, older)
	defer old.Close()
	refused("an older copy", old, dir, ErrOtherStore, "ends at 1")
	request(old, keyed("a", "", "2"))
	request(old, keyed("a", "", "another 3"))
	request(old, keyed("a", "", "4"))
	refused("an older copy that went on", old, dir, ErrOtherStore, "went on differently")

	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "thesis"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	refused("a directory of others", s, foreign, ErrNoBackup, "choose another")
	rest := t.TempDir()
	if err := os.CopyFS(rest, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(rest, manifestName)); err != nil {
		t.Fatal(err)
	}
	refused("what is left of a backup", other, rest, ErrNoBackup, "keep it for what can be recovered from it, and choose another")
	d, err := openDirectory(dir, syscall.LOCK_SH)
	if err != nil {
		t.Fatal(err)
	}
	refused("beside another", s, dir, ErrInUse, "in use")
	d.close()
	for _, dir := range []string{foreign, filepath.Join(foreign, "none")} {
		if _, err := VerifyBackup(t.Context(), dir, quiet); err == nil {
			t.Errorf("there is no backup in %s", dir)
		}
		if _, err := Restore(t.Context(), dir, filepath.Join(foreign, "new"), RestoreOptions{Progress: quiet}); err == nil {
			t.Errorf("there is no backup in %s", dir)
		}
	}
	if sum := back(t, local{s}, dir); sum.Segments != 0 {
		t.Errorf("it has everything, and got %+v", sum)
	}
}

// TestBackupDamage: verifying and restoring find a backup file that was cut,
// altered, removed, or replaced by another. The next backup also finds one that is
// missing or too short.
func TestBackupDamage(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	dir := filepath.Join(t.TempDir(), "backup")
	for i := range 3 {
		request(s, keyed("a", "", fmt.Sprint(i)))
		back(t, local{s}, dir)
	}
	d, err := openBackup(dir)
	if err != nil {
		t.Fatal(err)
	}
	segments := d.m.Segments
	d.close()
	tried, fresh := 0, t.TempDir()
	try := func(what, name string, alter func(b []byte) []byte) {
		t.Helper()
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, alter(bytes.Clone(whole)), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err = VerifyBackup(t.Context(), dir, quiet)
		if !errors.Is(err, ErrFile) {
			t.Fatalf("%s of %s: %v", what, name, err)
		}
		tried++
		if _, err := Restore(t.Context(), dir, filepath.Join(fresh, fmt.Sprint(tried)), RestoreOptions{Progress: quiet}); !errors.Is(err, ErrFile) {
			t.Fatalf("%s of %s, restored: %v", what, name, err)
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	manifest, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		t.Fatal(err)
	}
	for n := range manifest {
		try(fmt.Sprint("byte ", n), manifestName, func(b []byte) []byte { b[n] ^= 1; return b })
		if n%10 == 0 {
			try(fmt.Sprint("the end after byte ", n), manifestName, func(b []byte) []byte { return b[:n] })
		}
	}
	other, err := os.ReadFile(filepath.Join(dir, segments[1].File))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range segments {
		try("half", s.File, func(b []byte) []byte { return b[:len(b)/2] })
		try("a byte", s.File, func(b []byte) []byte { b[len(b)/2] ^= 4; return b })
		if s.File != segments[1].File {
			try("all", s.File, func([]byte) []byte { return other })
		}
	}
	if err := os.Truncate(filepath.Join(dir, segments[0].File), segments[0].Bytes-1); err != nil {
		t.Fatal(err)
	}
	if _, err := Backup(t.Context(), local{s}, dir, BackupOptions{Progress: quiet}); !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), "was written with") {
		t.Errorf("brought up to date with a segment that was cut: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, segments[0].File)); err != nil {
		t.Fatal(err)
	}
	for what, run := range map[string]func() error{
		"verified":           func() error { _, err := VerifyBackup(t.Context(), dir, quiet); return err },
		"brought up to date": func() error { _, err := Backup(t.Context(), local{s}, dir, BackupOptions{Progress: quiet}); return err },
	} {
		if err := run(); !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), "it is missing") {
			t.Errorf("%s without a segment: %v", what, err)
		}
	}
}

// TestRestoreGenerations: each store made from a copy gets a generation of its own,
// even from another copy of the same store, and none that a repair gave. A resumed
// restore keeps its generation.
func TestRestoreGenerations(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	busy(t, s)
	dir := filepath.Join(t.TempDir(), "backup")
	back(t, local{s}, dir)
	to := filepath.Join(t.TempDir(), "new")
	done := 0
	for tries := 1; ; tries++ {
		ctx, cancel := context.WithCancel(t.Context())
		n := 0
		_, err := Restore(ctx, dir, to, RestoreOptions{Progress: func(string, int64, int64, string) {
			if n++; n > tries*3 {
				cancel()
			}
		}})
		cancel()
		if err == nil {
			done = tries
			break
		}
		if !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if _, err := leveldb.Open(to, leveldb.Options{}); !errors.Is(err, leveldb.ErrUnfinished) {
			t.Fatalf("a store that was not finished: %v", err)
		}
	}
	c := open(t, to)
	defer c.Close()
	same(t, "restored in pieces", told(t, s), told(t, c))
	copied := filepath.Join(t.TempDir(), "copied")
	if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	last := c.Identity().Generation
	if repaired := s.Identity().Generation + 1; done < 3 || last <= repaired {
		t.Errorf("after %d attempts have the generation %d", done, last)
	}
	for _, dir := range []string{dir, copied, dir} {
		again, r := restoredBackup(t, dir, RestoreOptions{})
		g := again.Identity().Generation
		if g <= last || r.Identity.Generation != g {
			t.Errorf("after the generation %d have %d, and %+v", last, g, r.Identity)
		}
		last = g
	}
}

// TestRestoreOfAnotherBackup: a restore from one backup does not resume from
// another backup of the same store, from which more may have been erased.
func TestRestoreOfAnotherBackup(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	request(s, keyed("a", "", "erased", "2"))
	older, newer := filepath.Join(t.TempDir(), "older"), filepath.Join(t.TempDir(), "newer")
	back(t, local{s}, older)
	request(s, keyed("a", "", "3"))
	back(t, local{s}, older)
	replace(t, s, "a", 1, "replaced")
	back(t, local{s}, newer)
	d, err := openBackup(older)
	if err != nil {
		t.Fatal(err)
	}
	d.close()
	if err := os.Remove(d.file(&d.m.Segments[1])); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "new")
	if _, err := Restore(t.Context(), older, to, RestoreOptions{Progress: quiet}); !errors.Is(err, ErrFile) {
		t.Fatalf("of half a backup: %v", err)
	}
	if _, err := Restore(t.Context(), newer, to, RestoreOptions{Progress: quiet}); err != nil {
		t.Fatal(err)
	}
	c := open(t, to)
	defer c.Close()
	same(t, "restored", told(t, s), told(t, c))
}

// TestRestoreUntil restores the store as it was before several times.
func TestRestoreUntil(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	busy(t, s)
	dir := filepath.Join(t.TempDir(), "backup")
	back(t, local{s}, dir)
	var before store.Entry
	n := 0
	for e, err := range s.Log(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		if before.Position > 0 && e.Time.After(before.Time) && n%5 == 0 {
			c, _ := restoredBackup(t, dir, RestoreOptions{Until: e.Time})
			sameUpTo(t, s, c, before.Position)
		}
		before = e
		n++
	}
	if _, err := Restore(t.Context(), dir, filepath.Join(t.TempDir(), "new"), RestoreOptions{UpTo: before.Position + 1, Progress: quiet}); !errors.Is(err, store.ErrUnknownID) {
		t.Errorf("beyond the end: %v", err)
	}
}

// sameUpTo compares a store with one restored up to a position. What was erased
// since is erased there by commits of its own.
func sameUpTo(t *testing.T, s, c store.Store, upTo uint64) {
	t.Helper()
	var want strings.Builder
	for e, err := range s.Read(t.Context(), store.Range{Select: store.Prefix(nil), UpTo: store.Some(upTo), Nearest: true}) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&want, textOfEvent(e))
	}
	same(t, fmt.Sprint("events up to ", upTo), want.String(), events(t, c))
	chains := func(s store.Store) string {
		var b strings.Builder
		for e, err := range s.Log(t.Context(), 0) {
			if err != nil {
				t.Fatal(err)
			}
			if e.Position <= upTo {
				fmt.Fprintf(&b, "%d %x\n", e.Position, e.Chain)
			}
		}
		return b.String()
	}
	same(t, fmt.Sprint("commits up to ", upTo), chains(s), chains(c))
}

// TestBackupUnderLoad makes backups while writers append, replace and delete. Each
// can be restored; the last one holds everything, and nothing that was erased.
func TestBackupUnderLoad(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	dir := filepath.Join(t.TempDir(), "backup")
	write := func(w, round int) {
		for i := uint64(1); i <= 150; i++ {
			stream := fmt.Sprintf("s/%d/%d", w, i%5)
			r := request(s, keyed(stream, fmt.Sprint("key", round, i), fmt.Sprint("event ", i), strings.Repeat("x", int(i%300))))
			if r.Err != nil {
				t.Error(r.Err)
				return
			}
			last := r.IDs[0]
			switch i % 7 {
			case 1:
				replace(t, s, stream, last, "replaced")
			case 3:
				replace(t, s, stream, last-last%3/2, fmt.Sprint("replaced ", i))
			case 5:
				remove(t, s, stream, last-min(last, i%40))
			case 6:
				move(t, s, "consumer", stream, last)
			}
		}
	}
	var ends []uint64
	for round := range 4 {
		var writers sync.WaitGroup
		for w := range 4 {
			writers.Go(func() { write(w, round) })
		}
		for from := range s.Tail(t.Context(), s.Info().LastPosition) {
			if len(from) > 0 {
				break // the writers have begun
			}
		}
		sum, err := Backup(t.Context(), local{s}, dir, BackupOptions{Progress: quiet, segment: 100_000, gather: 10_000})
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, sum.End)
		path, trailer := exported(t, s, ExportOptions{})
		writers.Wait()
		c, _ := restoredBackup(t, dir, RestoreOptions{})
		if have := c.Info().LastPosition; have < sum.End {
			t.Errorf("want the position %d restored, have %d", sum.End, have)
		}
		c, _ = restored(t, path)
		if have := c.Info().LastPosition; have < trailer.End {
			t.Errorf("want the position %d imported, have %d", trailer.End, have)
		}
	}
	sum := back(t, local{s}, dir)
	onlyWhatIsThere(t, s, dir)
	c, r := restoredBackup(t, dir, RestoreOptions{})
	same(t, "restored", told(t, s), told(t, c))
	for _, end := range ends {
		c, _ := restoredBackup(t, dir, RestoreOptions{UpTo: end})
		sameUpTo(t, s, c, end)
	}
	if v, err := VerifyBackup(t.Context(), dir, quiet); err != nil || v.End != sum.End || v.Events != r.Events {
		t.Errorf("have %+v, %v; restored %+v", v, err, r)
	}
}

// A meddler is a Source that changes its store before events are read.
type meddler struct {
	local
	meddle func()
}

// Events implements Source.
func (m meddler) Events(ctx context.Context, of *Selection, after, upTo uint64) iter.Seq2[store.Event, error] {
	m.meddle()
	return m.local.Events(ctx, of, after, upTo)
}

// TestDeletedWhileExported: events deleted after the end of an export, but before
// they are read, are deleted in the store made from it.
func TestDeletedWhileExported(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	request(s, keyed("a", "", "1", "2", "3"))
	request(s, keyed("b", "", "1", "2"))
	request(s, keyed("c", "", "1"))
	path := filepath.Join(t.TempDir(), "export")
	from := meddler{local{s}, func() { remove(t, s, "a", 2); remove(t, s, "b", 2) }}
	trailer, err := ExportFile(t.Context(), from, path, ExportOptions{})
	if err != nil || trailer.End != 6 || trailer.Erased != 4 {
		t.Fatalf("%+v, %v", trailer, err)
	}
	c, r := restored(t, path)
	same(t, "restored", events(t, s), events(t, c))
	if r.Deleted != 2 || r.Damaged > 0 || c.Info().LastPosition != 8 {
		t.Errorf("have %+v", r)
	}
	if r := request(c, keyed("b", "", "on")); r.Err != nil || r.IDs[0] != 3 {
		t.Errorf("ids go on: %+v", r)
	}
}

// TestRestoreGoesOnOtherwise: an attempt with an earlier end may have deleted there
// what was deleted later. A resumed restore does not skip another commit at that
// position.
func TestRestoreGoesOnOtherwise(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	request(s, keyed("a", "", "1", "2", "3"))
	request(s, keyed("b", "", "acknowledged"))
	dir := filepath.Join(t.TempDir(), "backup")
	from := meddler{local{s}, func() { remove(t, s, "a", 2) }}
	if _, err := Backup(t.Context(), from, dir, BackupOptions{Progress: quiet}); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "new")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := Restore(ctx, dir, to, RestoreOptions{UpTo: 3, Progress: func(what string, _, _ int64, _ string) {
		if strings.HasPrefix(what, "verifying") {
			cancel()
		}
	}})
	if !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if _, err := Restore(t.Context(), dir, to, RestoreOptions{Progress: quiet}); err != nil {
		t.Fatal(err)
	}
	c := open(t, to)
	defer c.Close()
	if have := events(t, c); !strings.Contains(have, "acknowledged") {
		t.Errorf("have %s", have)
	}
}

// TestManifestNamesSegments: a manifest names no files outside the backup; the next
// backup would replace them.
func TestManifestNamesSegments(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	request(s, keyed("a", "", "1"))
	dir := filepath.Join(t.TempDir(), "backup")
	back(t, local{s}, dir)
	m, err := readManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	outside := filepath.Join(dir, "..", m.Segments[0].File)
	if err := os.Rename(filepath.Join(dir, m.Segments[0].File), outside); err != nil {
		t.Fatal(err)
	}
	m.Segments[0].File = filepath.Join("..", m.Segments[0].File)
	if err := m.write(dir); err != nil {
		t.Fatal(err)
	}
	replace(t, s, "a", 1, "other")
	if _, err := Backup(t.Context(), local{s}, dir, BackupOptions{Progress: quiet}); !errors.Is(err, ErrFile) {
		t.Errorf("have %v", err)
	}
	if _, err := os.Stat(outside); err != nil {
		t.Error(err)
	}
}

// lossy makes a store that has lost some events in a repair.
func lossy(t *testing.T) store.Store {
	t.Helper()
	s := open(t, t.TempDir())
	defer s.Close()
	request(s, keyed("a", "", "1", "2", "3", "4"))
	request(s, keyed("b", "", "1"))
	request(s, keyed("a", "", "5", "6"))
	dir := t.TempDir()
	r, err := leveldb.NewRestore(dir, s.Identity(), "it")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for e, err := range s.Log(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		var events []store.Event
		for event := range (local{s}).Events(t.Context(), nil, e.First-1, e.Position) {
			if string(event.Stream) != "a" || event.ID < 3 || event.ID > 5 {
				events = append(events, event)
			}
		}
		if err := r.Add(e, storetest.Each(events...)); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.Lose([]byte("a"), 3, 5); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	l := open(t, dir)
	t.Cleanup(func() { l.Close() })
	return l
}

// TestLostIsAccepted: what the store cannot read is an error, unless that is
// accepted. Then it cannot be read in the store made from the export, either.
func TestLostIsAccepted(t *testing.T) {
	s := lossy(t)
	path := filepath.Join(t.TempDir(), "export")
	_, err := ExportFile(t.Context(), local{s}, path, ExportOptions{})
	if !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("want it refused, have %v", err)
	}
	trailer, err := ExportFile(t.Context(), local{s}, path, ExportOptions{AcceptLoss: true})
	if err != nil || trailer.Lost != 3 || trailer.Events != 4 {
		t.Fatalf("%+v, %v", trailer, err)
	}
	c, r := restored(t, path)
	if r.Lost != 3 || r.Deleted != 0 {
		t.Errorf("have %+v", r)
	}
	var lost *store.Lost
	for _, err := range c.Read(t.Context(), store.Range{Stream: []byte("a")}) {
		errors.As(err, &lost)
	}
	if lost == nil {
		t.Errorf("want events that cannot be read, have %+v", lost)
	}
	a := "a"
	path, _ = exported(t, s, ExportOptions{Selection: &Selection{Prefix: &a}, AcceptLoss: true})
	if _, r := restored(t, path); r.Lost != 3 || r.Streams != 1 {
		t.Errorf("selected: have %+v", r)
	}
}

// TestNothingIsLeft: the next backup removes what a failed one left.
func TestNothingIsLeft(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	busy(t, s)
	dir := filepath.Join(t.TempDir(), "backup")
	for at := int64(0); ; at += 5 {
		ctx, cancel := context.WithCancel(t.Context())
		_, err := Backup(ctx, local{s}, dir, BackupOptions{segment: 2000, Progress: func(_ string, done, _ int64, _ string) {
			if done > at {
				cancel()
			}
		}})
		cancel()
		if err == nil {
			break
		}
		if _, err := VerifyBackup(t.Context(), dir, quiet); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"000000000001-000000000099.7.jsonl.zst", "000000000001-000000000000.0.jsonl.zst.tmp"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("left"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	back(t, local{s}, dir)
	d, err := openBackup(dir)
	if err != nil {
		t.Fatal(err)
	}
	d.close()
	if have := texts(t, dir); len(have) != len(d.m.Segments)+2 || len(d.m.Segments) < 3 {
		t.Errorf("%d segments, and the files %q", len(d.m.Segments), have)
	}
	c, _ := restoredBackup(t, dir, RestoreOptions{})
	same(t, "restored", told(t, s), told(t, c))
}

// A broken is a Source whose log breaks off before a position.
type broken struct {
	local
	at uint64
}

// Log implements Source.
func (b broken) Log(ctx context.Context, after, upTo uint64) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range b.local.Log(ctx, after, upTo) {
			if e.Position >= b.at {
				err = context.Canceled
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
	}
}

// TestBackupInterrupted: a backup that is interrupted within its first segment
// keeps what it copied, and the next one continues from there.
func TestBackupInterrupted(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	busy(t, s)
	dir := filepath.Join(t.TempDir(), "backup")
	sum, err := Backup(t.Context(), broken{local{s}, 30}, dir, BackupOptions{Progress: quiet})
	if !errors.Is(err, context.Canceled) || sum.End < 25 || sum.End > 30 {
		t.Fatalf("want it interrupted before the position 30, have %+v, %v", sum, err)
	}
	if v, err := VerifyBackup(t.Context(), dir, quiet); err != nil || v.End != sum.End {
		t.Errorf("want the backup up to %d, have %+v, %v", sum.End, v, err)
	}
	replace(t, s, "many/0", 1, "replaced meanwhile")
	if again := back(t, local{s}, dir); again.After != sum.End {
		t.Errorf("it went on after the position %d, not %d", again.After, sum.End)
	}
	c, _ := restoredBackup(t, dir, RestoreOptions{})
	same(t, "restored", told(t, s), told(t, c))
}

// TestTornCommit: a commit that could not be written completely is not followed by
// a trailer, which would make it look complete.
func TestTornCommit(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer full.Close()
	to, err := newFrameSink(full)
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWriter(to, newHeader(store.Identity{}, 0, nil))
	if err != nil {
		t.Fatal(err)
	}
	data := []byte(strings.Repeat("x", frameText))
	for i, c := range []whole{
		{Entry: store.Entry{First: 1, Position: 1}},
		{Entry: store.Entry{First: 2, Position: 2}, Events: []store.Event{{Stream: []byte("s"), ID: 1, Position: 2, Data: data}}},
	} {
		if err := c.write(w); (err == nil) != (i == 0) || w.canEnd() != (i == 0) {
			t.Errorf("commit %d: %v, it can end: %v", i+1, err, w.canEnd())
		}
	}
}

// TestRestoreTellsWhatIsGood: the error about a damaged backup file says how to
// restore what comes before it.
func TestRestoreTellsWhatIsGood(t *testing.T) {
	s := open(t, t.TempDir())
	defer s.Close()
	busy(t, s)
	dir := filepath.Join(t.TempDir(), "backup")
	if _, err := Backup(t.Context(), local{s}, dir, BackupOptions{Progress: quiet, segment: 2000}); err != nil {
		t.Fatal(err)
	}
	d, err := openBackup(dir)
	if err != nil {
		t.Fatal(err)
	}
	second := d.m.Segments[1]
	if err := errors.Join(os.Truncate(d.file(&second), second.Bytes-1), d.close()); err != nil {
		t.Fatal(err)
	}
	to := filepath.Join(t.TempDir(), "restored")
	_, err = Restore(t.Context(), dir, to, RestoreOptions{Progress: quiet})
	if broken := (*BrokenError)(nil); !errors.Is(err, ErrFile) || !errors.As(err, &broken) || broken.UpTo != second.After {
		t.Errorf("want that it is good up to %d, have %v", second.After, err)
	}
	if _, r := restoredBackup(t, dir, RestoreOptions{UpTo: second.After}); r.Position < second.After { // and a later deletion takes a position
		t.Errorf("want everything up to the position %d, have %d", second.After, r.Position)
	}
}
