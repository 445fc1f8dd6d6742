package backup

import (
	"bytes"
	"context"
	"fmt"
	"hash/crc32"
	"iter"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gorewind/store"
	"gorewind/store/leveldb"
)

// A local is a Source without a daemon.
type local struct{ store.Store }

// Identity implements Source.
func (l local) Identity(context.Context) (store.Identity, uint64, error) {
	return l.Store.Identity(), l.Info().LastPosition, nil
}

// Log implements Source.
func (l local) Log(ctx context.Context, after, upTo uint64) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		for e, err := range l.Store.Log(ctx, after) {
			if err == nil && e.First > upTo || !yield(e, err) {
				return
			}
		}
	}
}

// Events implements Source.
func (l local) Events(ctx context.Context, of *Selection, after, upTo uint64) iter.Seq2[store.Event, error] {
	r := store.Range{Select: store.Prefix(nil), After: store.Some(after), UpTo: store.Some(upTo), Nearest: true}
	if of != nil {
		var err error
		if r.Select, err = of.compile(); err != nil {
			panic(err)
		}
	}
	return l.Read(ctx, r)
}

// Event implements Source.
func (l local) Event(ctx context.Context, stream []byte, id uint64) (store.Event, bool, error) {
	r := store.Range{Stream: stream, After: store.Some(id - 1), UpTo: store.Some(id), Nearest: true}
	for e, err := range l.Read(ctx, r) {
		return e, err == nil, err
	}
	return store.Event{}, false, nil
}

func open(t testing.TB, dir string) store.Store {
	t.Helper()
	s, err := leveldb.Open(dir, leveldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func quiet(string, int64, int64, string) {}

// told describes everything that a store returns: its log, events, streams and
// cursors.
func told(t testing.TB, s store.Store) string {
	t.Helper()
	var b strings.Builder
	info := s.Info()
	fmt.Fprintf(&b, "store %s, last position %d, secret %s\n", info.ID, info.LastPosition, s.Identity().Secret)
	cursors := make(map[string]store.Cursor)
	for e, err := range s.Log(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "commit %d-%d at %d, %d bytes, next %d, chain %x\n", e.First, e.Position, e.Time.UnixMicro(), e.Bytes, e.NextStream, e.Chain)
		for _, c := range e.Changes {
			fmt.Fprintf(&b, "  %d %q %d %q %d-%d %x %d %d %x\n", c.Kind, c.Stream, c.Number, c.Name, c.First, c.Last, c.Sum, c.IDs, c.Count, c.Patch)
			if c.Kind == store.Moved {
				cursors[fmt.Sprintf("%q %q", c.Name, c.Stream)] = store.Cursor{Consumer: bytes.Clone(c.Name), Stream: bytes.Clone(c.Stream)}
			}
		}
	}
	b.WriteString(toldEvents(t, s))
	names := slices.Sorted(maps.Keys(cursors))
	for _, name := range names {
		c := cursors[name]
		id, err := s.Cursor(t.Context(), c.Consumer, c.Stream)
		fmt.Fprintf(&b, "cursor %s: %d %v\n", name, id, err)
	}
	return b.String()
}

// toldEvents describes the events and streams of a store.
func toldEvents(t testing.TB, s store.Store) string {
	t.Helper()
	var b strings.Builder
	b.WriteString(events(t, s))
	for st, err := range s.Streams(t.Context(), nil, nil) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&b, "stream %q %d\n", st.Name, st.Last)
	}
	return b.String()
}

func events(t testing.TB, s store.Store) string {
	t.Helper()
	var b strings.Builder
	for e, err := range s.Read(t.Context(), store.Range{Select: store.Prefix(nil)}) {
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, textOfEvent(e))
	}
	return b.String()
}

func textOfEvent(e store.Event) string {
	data := fmt.Sprintf("%q", e.Data[:min(len(e.Data), 10_000)])
	if len(e.Data) > 10_000 {
		data += fmt.Sprintf(" of %d bytes, with the checksum %x", len(e.Data), crc32.Checksum(e.Data, castagnoli))
	}
	return fmt.Sprintf("event %q %d at %d, %d: %s", e.Stream, e.ID, e.Position, e.Time.UnixMicro(), data)
}

// dated matches the time in textOfEvent.
var dated = regexp.MustCompile(`, \d+: `)

// same fails with the first line in which two texts differ.
func same(t testing.TB, what, want, have string) {
	t.Helper()
	w, h := strings.Split(want, "\n"), strings.Split(have, "\n")
	for i := range max(len(w), len(h)) {
		if i >= len(w) || i >= len(h) || w[i] != h[i] {
			line := func(l []string) string {
				if i < len(l) {
					return l[i]
				}
				return "nothing"
			}
			t.Fatalf("%s: line %d: want %.300s\nhave %.300s", what, i+1, line(w), line(h))
		}
	}
}

// request asks for an Append with a key.
func request(s store.Store, a store.Append) store.Result {
	return store.Await(func(done func([]store.Result)) { s.Append([]store.Append{a}, done) })[0]
}

func must(t testing.TB, write func(done func(error))) {
	t.Helper()
	if err := store.Await(write); err != nil {
		t.Error(err)
	}
}

func replace(t testing.TB, s store.Store, stream string, id uint64, data string) {
	t.Helper()
	must(t, func(done func(error)) {
		s.Replace(store.Replace{Stream: []byte(stream), ID: id, Data: []byte(data)}, done)
	})
}

func remove(t testing.TB, s store.Store, stream string, upTo uint64) {
	t.Helper()
	must(t, func(done func(error)) { s.Delete(store.Delete{Stream: []byte(stream), UpTo: store.Some(upTo)}, done) })
}

func move(t testing.TB, s store.Store, consumer, stream string, id uint64) {
	t.Helper()
	must(t, func(done func(error)) {
		s.SetCursor(store.Cursor{Consumer: []byte(consumer), Stream: []byte(stream), ID: id, Rewind: true}, done)
	})
}

// keyed is a request that has a key.
func keyed(stream, key string, events ...string) store.Append {
	g := store.Group{Stream: []byte(stream)}
	for _, e := range events {
		g.Events = append(g.Events, []byte(e))
	}
	return store.Append{Key: []byte(key), Groups: []store.Group{g}}
}

// busy puts something of every kind into a store.
func busy(t testing.TB, s store.Store) {
	t.Helper()
	for i := range 20 {
		request(s, keyed(fmt.Sprint("many/", i%4), "", "one", fmt.Sprint("event ", i), ""))
	}
	request(s, keyed("emptied", "", "1", "2"))
	remove(t, s, "emptied", 2)
	request(s, keyed("\xff\x00", "", "\xff", "text", "<&>\u2028\x00"))
	request(s, keyed("many/1", "key", "keyed"))
	request(s, keyed("many/1", "\xfe", "keyed", "twice"))
	request(s, store.Append{Key: []byte("groups"), Groups: []store.Group{
		{Stream: []byte("g/1"), Events: [][]byte{[]byte("a")}},
		{Stream: []byte("other"), Events: [][]byte{[]byte("b"), []byte("c")}},
		{Stream: []byte("g/2"), Events: [][]byte{[]byte("d")}},
		{Stream: []byte("g/1"), Events: [][]byte{[]byte("e")}},
	}})
	replace(t, s, "many/2", 3, "replaced")
	replace(t, s, "g/1", 1, strings.Repeat("page", 2000))
	remove(t, s, "many/3", 4)
	move(t, s, "mailer", "many/1", 4)
	move(t, s, "mailer", "", 9)
	move(t, s, "\xff", "\xff\x00", 2)
	move(t, s, "gone", "many/1", 3)
	move(t, s, "gone", "many/1", 0)
	request(s, keyed("emptied", "", "3"))
}

// restored imports an export and opens the new store.
func restored(t testing.TB, path string) (store.Store, Restored) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "restored")
	r, err := Import(t.Context(), path, dir, quiet)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, dir)
	t.Cleanup(func() { s.Close() })
	return s, r
}

// exported exports a store to a file.
func exported(t testing.TB, s store.Store, o ExportOptions) (path string, trailer Trailer) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "export")
	trailer, err := ExportFile(t.Context(), local{s}, path, o)
	if err != nil {
		t.Fatal(err)
	}
	return path, trailer
}

// sscanName reads the stream of a line of toldEvents.
func sscanName(line string, stream *string) (int, error) {
	var what string
	return fmt.Sscanf(line, "%s %q", &what, stream)
}
