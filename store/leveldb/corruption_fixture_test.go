package leveldb

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/fixture"
	"gorewind/store/leveldb/internal/record"
	"gorewind/store/storetest"
)

// A specimen is a small store that holds something of every kind, to be damaged.
type specimen struct {
	name  string
	files map[string][]byte // by path below the store's directory
	least uint64            // the position in the high-water file
	last  uint64            // of the last commit
	holds map[uint64]holding
}

// A holding is what a store holds up to a position.
type holding struct {
	last    uint64        // position
	events  []store.Event // in the order of their positions; a time that is zero is not known
	cursors []uint64      // of specimenCursors
}

// Streams of specimens: one with events of other streams among its own, one that
// begins with a part of another one's name, and one whose last event was deleted.
const (
	streamBusy    = "a"
	streamAlike   = "a/\xff"
	streamEmptied = "e"
	streamKeyed   = "k"
	streamPlump   = "p"
	streamLong    = "long"
	streamAbsent  = "z"
)

// emptiedIDs is how many events were deleted of the stream that holds none.
const emptiedIDs = 2

var specimenCursors = []store.Cursor{
	{Consumer: []byte("c"), Stream: []byte(streamBusy)},
	{Consumer: []byte("c")},
	{Consumer: []byte("late"), Stream: []byte(streamPlump)},
	{Consumer: []byte("none")},
}

// specimenRequests have keys, and specimens have their results.
var (
	specimenRequests = []store.Append{
		{Key: []byte("old"), Groups: []store.Group{fixture.Group(streamKeyed, "k1"), fixture.Group(streamBusy, "a4")}},
		{Key: []byte("young"), Groups: []store.Group{fixture.Group(streamKeyed, "k2", "k3")}},
	}
	specimenIDs = [][]uint64{{1, 4}, {3}}
)

// specimens makes the stores that are to be damaged.
func specimens(t *testing.T, r *rand.Rand) []*specimen {
	t.Helper()
	old, long := writeOld(t, r, 0), writeOld(t, r, 3)
	return []*specimen{
		writeYoung(t, old, "closed", false, func(d *DB, commit func(func())) {
			commit(func() { storetest.Append(t, d, streamBusy, "a7") })
		}),
		writeYoung(t, old, "killed", true, func(d *DB, commit func(func())) {
			commit(func() { replace(t, d, streamPlump, 2, "replaced") })
			commit(func() { fixture.Remove(t, d, streamAlike, 1) })
			commit(func() { storetest.Append(t, d, "born late", "", "x") })
		}),
		// Tables and a journal of several blocks.
		writeYoung(t, long, "killed, long", true, func(d *DB, commit func(func())) {
			for i := range 5 {
				commit(func() { storetest.Append(t, d, streamLong, random(r, 13_000), fmt.Sprint(i)) })
			}
			commit(func() { fixture.Remove(t, d, streamLong, 1) })
		}),
	}
}

// random returns bytes that do not get smaller.
func random(r *rand.Rand, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return string(b)
}

// writeOld writes what specimens have in tables: some merged tables, because
// something was erased, and one above them that came from a journal, with some long
// events.
func writeOld(t *testing.T, r *rand.Rand, long int) (dir string) {
	t.Helper()
	dir = t.TempDir()
	d := mustOpen(t, dir, Options{eager: true})
	storetest.Append(t, d, streamBusy, "a1", "a2", "a3")
	mustRemember(t, d, 0)
	storetest.Append(t, d, streamEmptied, "e1", "e2")
	storetest.Append(t, d, streamAlike, "l1")
	replace(t, d, streamBusy, 3, "a3, replaced")
	fixture.Remove(t, d, streamBusy, 1)
	fixture.Remove(t, d, streamEmptied, emptiedIDs)
	mustCommit(t, d, streamBusy, 2)
	fixture.Eventually(t, "erasures are pending", fixture.Erased(d))
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = mustOpen(t, dir, Options{})
	storetest.Append(t, d, streamPlump, random(r, 100), "", random(r, 50))
	storetest.Append(t, d, streamAlike, "l2")
	mustCommit(t, d, "", 3)
	for range long {
		storetest.Append(t, d, streamLong, random(r, 13_000))
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// mustRemember makes a request that has a key.
func mustRemember(t *testing.T, d *DB, i int) {
	t.Helper()
	if r := fixture.Request(t, d, specimenRequests[i]); r.Err != nil || !slices.Equal(r.IDs, specimenIDs[i]) {
		t.Fatalf("want the ids %d, have %d, %v", specimenIDs[i], r.IDs, r.Err)
	}
}

// mustCommit moves a cursor.
func mustCommit(t *testing.T, d *DB, stream string, id uint64) {
	t.Helper()
	c := store.Cursor{Consumer: []byte("c"), Stream: []byte(stream), ID: id}
	if err := store.Await(func(done func(error)) { d.SetCursor(c, done) }); err != nil {
		t.Fatal(err)
	}
}

// writeYoung adds to an old store what is in a journal, and returns it with its
// files: as Close leaves them, or if it is to be killed, as they are before, with a
// high-water file that names half of the journal.
func writeYoung(t *testing.T, old, name string, kill bool, finish func(d *DB, commit func(func()))) *specimen {
	t.Helper()
	dir := t.TempDir()
	fixture.CopyDir(t, dir, old)
	d := mustOpen(t, dir, Options{})
	var stats leveldb.DBStats
	if err := d.db.Stats(&stats); err != nil || len(stats.LevelTablesCounts) < 2 || stats.LevelTablesCounts[0] == 0 {
		t.Fatalf("want tables on two levels, have %v, %v", stats.LevelTablesCounts, err)
	}
	s := &specimen{name: name, holds: make(map[uint64]holding)}
	commit := func(f func()) {
		f()
		s.last = d.tip().Position
		s.holds[s.last] = look(t, d)
	}
	mustRemember(t, d, 1)
	commit(func() { storetest.Append(t, d, streamPlump, "p4") })
	half := d.tip()
	commit(func() {
		r := fixture.Request(t, d, store.Append{Groups: []store.Group{fixture.Group(streamBusy, "a5"), fixture.Group(streamAlike, "l3", "l4"), fixture.Group(streamBusy, "a6")}})
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	})
	commit(func() { mustCommit(t, d, streamBusy, 5) })
	finish(d, commit)
	killed := t.TempDir()
	fixture.CopyDir(t, killed, dir)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if kill {
		s.take(t, killed)
		s.files[datadir.HighwaterName] = highwaterOf(t, half)
		s.least = half.Position
	} else {
		s.take(t, dir)
		s.least = s.last
	}
	return s
}

// highwaterOf returns a high-water file for the end of a log.
func highwaterOf(t *testing.T, last record.Tip) []byte {
	t.Helper()
	dir := t.TempDir()
	h, err := datadir.OpenHighwater(datadir.Dir(dir), true)
	if err == nil {
		err = errors.Join(h.Write(datadir.Highwater{Position: last.Position, Chain: last.Chain}), h.Close())
	}
	b, failed := os.ReadFile(filepath.Join(dir, datadir.HighwaterName))
	if err := errors.Join(err, failed); err != nil {
		t.Fatal(err)
	}
	return b
}

// take sets the specimen's files. It keeps only a part of a journal's preallocated
// room, and little of LevelDB's own log, which nobody reads.
func (s *specimen) take(t *testing.T, dir string) {
	t.Helper()
	var err error
	if s.files, err = filesOf(dir); err != nil {
		t.Fatal(err)
	}
	for path, b := range s.files {
		if written := len(bytes.TrimRight(b, "\x00")); strings.HasSuffix(path, ".log") && len(b) > written {
			s.files[path] = b[:min(len(b), written+2*journalBlock)]
		}
		if path == datadir.DBName+"/LOG" {
			s.files[path] = b[:min(len(b), 100)]
		}
	}
}

// filesOf returns what is in the files below dir but locks.
func filesOf(dir string) (map[string][]byte, error) {
	files := make(map[string][]byte)
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == nameLock {
			return err
		}
		files[strings.TrimPrefix(path, dir+"/")], err = os.ReadFile(path)
		return err
	})
	return files, err
}

// writeFiles is the reverse of filesOf.
func writeFiles(dir string, files map[string][]byte) error {
	for path, b := range files {
		path = filepath.Join(dir, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, b, 0o644)); err != nil {
			return err
		}
	}
	return nil
}

// look returns what an intact store holds.
func look(t *testing.T, d *DB) holding {
	t.Helper()
	c := holding{last: d.tip().Position}
	for e, err := range d.Read(t.Context(), store.Range{Select: store.Prefix(nil)}) {
		if err != nil {
			t.Fatal(err)
		}
		e.Stream, e.Data = slices.Clone(e.Stream), slices.Clone(e.Data)
		c.events = append(c.events, e)
	}
	for _, cursor := range specimenCursors {
		id, err := d.Cursor(t.Context(), cursor.Consumer, cursor.Stream)
		if err != nil {
			t.Fatal(err)
		}
		c.cursors = append(c.cursors, id)
	}
	return c
}

// of returns the events of a stream.
func (c *holding) of(stream string) (events []store.Event) {
	for _, e := range c.events {
		if string(e.Stream) == stream {
			events = append(events, e)
		}
	}
	return events
}

// streams returns the last event of each stream, in the order of their names.
func (c *holding) streams() []store.Event {
	last := make(map[string]store.Event)
	for _, e := range c.events {
		last[string(e.Stream)] = e
	}
	var events []store.Event
	for _, name := range slices.Sorted(maps.Keys(last)) {
		events = append(events, last[name])
	}
	return events
}

// next returns the id that a stream's next event gets.
func (c *holding) next(stream string) uint64 {
	events := c.of(stream)
	switch {
	case len(events) > 0:
		return events[len(events)-1].ID + 1
	case stream == streamEmptied:
		return emptiedIDs + 1
	}
	return 1
}

// differ says how the events that were read differ from the expected ones.
func differ(have, want []store.Event) error {
	for i, e := range have {
		switch {
		case i >= len(want):
			return fmt.Errorf("after the last of %d events comes %s", len(want), eventText(e))
		case !want[i].Time.IsZero() && !e.Time.Equal(want[i].Time),
			!bytes.Equal(e.Stream, want[i].Stream), e.ID != want[i].ID, e.Position != want[i].Position, !bytes.Equal(e.Data, want[i].Data):
			return fmt.Errorf("event %d of %d: want %s, have %s", i, len(want), eventText(want[i]), eventText(e))
		}
	}
	return nil
}

func eventText(e store.Event) string {
	return fmt.Sprintf("%q %d at %d, %v: %.40q", e.Stream, e.ID, e.Position, e.Time.UnixMicro(), e.Data)
}

// A comparison asks a store for all that it holds.
type comparison struct {
	ctx     context.Context
	d       *DB
	want    *holding
	damaged []error // what the store refused because of damage
	wrong   []error // what it must not have answered
}

// compare asks a store for everything. ctx bounds how long.
func compare(ctx context.Context, d *DB, want *holding) *comparison {
	c := &comparison{ctx: ctx, d: d, want: want}
	for _, stream := range []string{streamBusy, streamAlike, streamEmptied, streamKeyed, streamPlump, streamLong, streamAbsent} {
		c.read("stream "+stream, store.Range{Stream: []byte(stream)}, want.of(stream))
	}
	c.read("everything", store.Range{Select: store.Prefix(nil)}, want.events)
	c.read("a selection", store.Range{Select: store.Prefix([]byte("a"))}, slices.DeleteFunc(slices.Clone(want.events), func(e store.Event) bool {
		return e.Stream[0] != 'a'
	}))
	if middle := want.events[len(want.events)/2]; !middle.Time.IsZero() {
		c.read("what is later", store.Range{Select: store.Prefix(nil), Since: middle.Time}, slices.DeleteFunc(slices.Clone(want.events), func(e store.Event) bool {
			return !e.Time.IsZero() && e.Time.Before(middle.Time)
		}))
	}
	c.tail()
	c.streams()
	for i, cursor := range specimenCursors {
		id, err := d.Cursor(ctx, cursor.Consumer, cursor.Stream)
		if c.told(fmt.Sprint("cursor ", i), err) && id != want.cursors[i] {
			c.wrongf("cursor %d: want %d, have %d", i, want.cursors[i], id)
		}
	}
	for i, req := range specimenRequests {
		result := store.Await(func(done func([]store.Result)) { d.Append([]store.Append{req}, done) })[0]
		if c.told(fmt.Sprint("request ", i), result.Err) && !slices.Equal(result.IDs, specimenIDs[i]) {
			c.wrongf("request %d: want the ids %d, have %d", i, specimenIDs[i], result.IDs)
		}
	}
	if have := d.Info().LastPosition; have != want.last {
		c.wrongf("want the last position %d, have %d", want.last, have)
	}
	return c
}

func (c *comparison) wrongf(format string, args ...any) {
	c.wrong = append(c.wrong, fmt.Errorf(format, args...))
}

// told notes an error, and reports whether there is none.
func (c *comparison) told(what string, err error) bool {
	switch {
	case err == nil:
	case errors.Is(err, store.ErrDamaged):
		c.damaged = append(c.damaged, fmt.Errorf("%s: %w", what, err))
	default:
		c.wrong = append(c.wrong, fmt.Errorf("%s: %w", what, err))
	}
	return err == nil
}

// read reads a range forward and backward.
func (c *comparison) read(what string, r store.Range, want []store.Event) {
	for _, r.Backward = range []bool{false, true} {
		var have []store.Event
		var failed error
		for e, err := range c.d.Read(c.ctx, r) {
			if failed = err; err == nil {
				have = append(have, e)
			}
		}
		if r.Backward {
			what, want = what+", backward", slices.Clone(want)
			slices.Reverse(want)
		}
		c.events(what, have, want, failed)
	}
}

// events compares an answer, which ended with an error or not.
func (c *comparison) events(what string, have, want []store.Event, err error) {
	if differs := differ(have, want); differs != nil {
		c.wrongf("%s: %w", what, differs)
	}
	if c.told(what, err) && len(have) < len(want) {
		c.wrongf("%s: it ends after %d of %d events without a word", what, len(have), len(want))
	}
}

// tail follows until there is nothing more.
func (c *comparison) tail() {
	var have []store.Event
	var failed error
	for events, err := range c.d.Tail(c.ctx, 0) {
		have = append(have, events...)
		if failed = err; len(have) >= len(c.want.events) {
			break
		}
	}
	c.events("tail", have, c.want.events, failed)
}

func (c *comparison) streams() {
	want := c.want.streams()
	have, failed := 0, error(nil)
	for s, err := range c.d.Streams(c.ctx, nil, nil) {
		if failed = err; err != nil {
			break
		}
		if have >= len(want) || !bytes.Equal(s.Name, want[have].Stream) || s.Last != want[have].ID {
			c.wrongf("stream %d of %d is %q with event %d", have, len(want), s.Name, s.Last)
		}
		have++
	}
	if c.told("streams", failed) && have < len(want) {
		c.wrongf("streams: they end after %d of %d without a word", have, len(want))
	}
}

// count appends to existing streams, to an empty one and to a new one, and adds
// what was acknowledged to what the store ought to hold.
func (c *comparison) count() {
	for _, stream := range []string{streamBusy, streamEmptied, streamAbsent} {
		data := []byte("added to " + stream)
		a := store.Append{Groups: []store.Group{{Stream: []byte(stream), Events: [][]byte{data}}}}
		result := store.Await(func(done func([]store.Result)) { c.d.Append([]store.Append{a}, done) })[0]
		if !c.told("append to "+stream, result.Err) {
			continue
		}
		if want := c.want.next(stream); result.IDs[0] != want {
			c.wrongf("append to %s: want the id %d, have %d", stream, want, result.IDs[0])
		}
		c.want.last++
		c.want.events = append(c.want.events, store.Event{Stream: []byte(stream), ID: result.IDs[0], Position: c.want.last, Data: data})
	}
}
