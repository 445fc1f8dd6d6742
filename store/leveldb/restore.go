package leveldb

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
)

// restoringName is the directory in which a Restore makes a database. Open
// refuses a store that has it and no database.
const restoringName = "db.restoring"

// sourceName is the file in it that says what the store is made of.
const sourceName = "SOURCE"

// ErrUnfinished: the directory has a store that is being restored.
var ErrUnfinished = errors.New("holds a restore that was not finished")

// A Restore makes a store from the log of another, commit by commit, with the
// events that are left. One goroutine uses it.
//
// Nothing is synced before Finish. What a crash leaves is a beginning of the log,
// with which NewRestore goes on.
type Restore struct {
	dir    string
	id     identity
	source string
	lock   *os.File
	db     *leveldb.DB
	guard  *guard
	last   tip
	gap    bool // there is a store.Gap: what came before it is not all known
	commit commit
	pacer  pacer
	cache  streams
}

// NewRestore begins to make a store in dir, which must hold none, or goes on with
// one that it began: see Position. source names what it is made of, such as by a
// checksum. What was begun of the same has the identity that it was begun with; what
// was begun of anything else is removed, since the two might not fit together. Errors
// are those of Open.
func NewRestore(dir string, id store.Identity, source string) (*Restore, error) {
	r := &Restore{dir: dir, id: identity{id.ID, id.Generation, id.Secret}, source: source}
	err := r.open()
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("restore store %s: %w", dir, err)
	}
	return r, nil
}

func (r *Restore) open() (err error) {
	if parsed, err := parseIdentity(r.id.String(), "given"); err != nil || parsed != r.id {
		return fmt.Errorf("%w: the identity of the store is not one", store.ErrInvalid)
	}
	if err := Probe(r.dir); err != nil && !errors.Is(err, ErrUnfinished) {
		return err
	}
	if _, err := os.Stat(filepath.Join(r.dir, dbName)); !errors.Is(err, os.ErrNotExist) {
		return errors.Join(ErrNotEmpty, err)
	}
	if err := os.MkdirAll(r.dir, dirMode); err != nil {
		return err
	}
	if r.lock, err = lockFile(r.dir); err != nil {
		return err
	}
	if goesOn, err := r.goesOn(); err != nil {
		return err
	} else if !goesOn {
		if err := r.make(); err != nil {
			return err
		}
	}
	files, err := storage.OpenFile(r.making(), false)
	if err != nil {
		return err
	}
	dir, err := os.Open(r.making())
	if err != nil {
		return errors.Join(err, files.Close())
	}
	if r.db, r.guard, err = openDatabase(files, dir, &settings, leveldb.Open); err != nil {
		return err
	}
	r.commit.keys, r.commit.cursors = make(map[string]int), make(map[string]cursorMove)
	r.cache.init()
	r.last = tip{nextNumber: 1}
	return commitsAfter(r.db, 0, func(c *commitRecord, value []byte) error {
		if !c.follows(r.last.chain, value) {
			return fmt.Errorf("%w: a commit between the positions %d and %d is missing", store.ErrDamaged, r.last.position, c.last)
		}
		r.last = c.tip()
		r.gap = r.gap || c.lost()
		return nil
	})
}

// goesOn reports whether there is a store that was begun of the same, and takes over
// its identity.
func (r *Restore) goesOn() (bool, error) {
	source, err := os.ReadFile(filepath.Join(r.making(), sourceName))
	if err == nil && string(source) == r.source {
		var text []byte
		path := filepath.Join(r.making(), formatName)
		if text, err = os.ReadFile(path); err == nil {
			r.id, err = parseIdentity(string(text), path)
			return err == nil, err
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		err = nil
	}
	return false, err
}

// make makes an empty database. FORMAT is there when it is whole: what a crash left
// before that is made anew.
func (r *Restore) make() error {
	if err := os.RemoveAll(r.making()); err != nil {
		return err
	}
	if err := os.Mkdir(r.making(), dirMode); err != nil {
		return err
	}
	if err := makeDatabase(r.making()); err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(r.making(), sourceName), r.source); err != nil {
		return err
	}
	path := filepath.Join(r.making(), formatName)
	if err := writeSynced(path+".new", r.id.String()); err != nil {
		return err
	}
	if err := os.Rename(path+".new", path); err != nil {
		return err
	}
	return errors.Join(syncDir(r.making()), syncDir(r.dir))
}

func (r *Restore) making() string { return filepath.Join(r.dir, restoringName) }

// Identity returns that of the store that is made.
func (r *Restore) Identity() store.Identity {
	return store.Identity{ID: r.id.id, Generation: r.id.generation, Secret: r.id.secret}
}

// Position returns that of the last commit that was added, also by a Restore
// before that was not finished.
func (r *Restore) Position() uint64 { return r.last.position }

// Add adds the next commit. events are those of it that are left, in the order of
// their positions, and the events as they are now that it replaced, if they come
// from before; what is not among them is to be deleted by a later commit, or Lose
// tells of it. Unless e.Chain is 0, the commit has to come out as it was in the
// other store, with all that came before: otherwise it is an ErrDamaged, as is
// what no store can have.
func (r *Restore) Add(e store.Entry, events []store.Event) error {
	c := &r.commit
	r.begin(&e)
	for i := range e.Changes {
		var err error
		if events, err = r.change(&e.Changes[i], events); err != nil {
			return fmt.Errorf("restore: the commit at position %d: %w", e.Position, err)
		}
	}
	c.putCounters()
	if len(events) > 0 || c.record.last != e.Position || c.record.nextNumber > e.NextStream || e.NextStream-1 > e.Position { // each stream took one
		return fmt.Errorf("restore: %w: the commit at position %d does not have what it says", store.ErrDamaged, e.Position)
	}
	c.record.nextNumber = e.NextStream
	value := c.record.append(nil, r.last.chain)
	if e.Chain != 0 && c.record.chain != e.Chain {
		return fmt.Errorf("restore: %w: the commit at position %d is not the one that the store had", store.ErrDamaged, e.Position)
	}
	c.batch.Put(commitKey(e.Position), value)
	r.pacer.pace(r.db, c.count)
	if err := r.db.Write(&c.batch, nil); err != nil {
		return r.refused(err)
	}
	r.cache.publish(c.touched)
	r.last = c.record.tip()
	return nil
}

// begin makes the commit that of an entry, which has nothing yet.
func (r *Restore) begin(e *store.Entry) {
	c := &r.commit
	r.cache.age()
	c.serial++
	c.record = commitRecord{
		last: r.last.position, first: r.last.position + 1, nextNumber: r.last.nextNumber,
		time: e.Time.UnixMicro(), octets: e.Octets, runs: c.record.runs[:0], operations: c.record.operations[:0],
	}
	c.batch.Reset()
	clear(c.touched)
	c.touched, c.recent, c.count, c.page.count = c.touched[:0], 0, 0, 0
}

// change puts a change into the commit, and returns the events that are left.
func (r *Restore) change(change *store.Change, events []store.Event) ([]store.Event, error) {
	c := &r.commit
	if change.Kind == store.Appended {
		return r.append(change, events)
	}
	o, ok := operationOf(change)
	if !ok {
		return nil, fmt.Errorf("%w: a change of the kind %d", store.ErrDamaged, change.Kind)
	}
	c.record.operations = append(c.record.operations, o)
	c.record.last += o.positions()
	r.gap = r.gap || o.kind == opLost
	var s *stream
	if o.number > 0 {
		var err error
		if s, err = r.stream(change); err != nil {
			return nil, err
		}
		if err := r.reach(s, change, o.id); err != nil {
			return nil, err
		}
	}
	switch o.kind {
	case opReplace, opDelete, opKey:
		if s == nil {
			return nil, fmt.Errorf("%w: a change of the kind %d of no stream", store.ErrDamaged, change.Kind)
		}
	}
	switch o.kind {
	case opReplace:
		return r.replace(s, o, events)
	case opDelete:
		s.after.deleted = o.id
		return events, r.erases(o)
	case opCursor:
		key := cursorKey(o.name, o.number)
		if o.id == 0 {
			c.batch.Delete(key)
		} else {
			c.batch.Put(key, binary.AppendUvarint(nil, o.id))
		}
	case opKey:
		if len(o.sum) != sumOctets || len(o.ids) == 0 {
			return nil, fmt.Errorf("%w: what is kept of the request with the key %+q", store.ErrDamaged, o.name)
		}
		c.batch.Put(keyKey(o.number, o.name), appendRemembered(nil, o.sum, o.ids))
	}
	return events, nil
}

// stream returns the stream of a change, whose number must be the one it has.
func (r *Restore) stream(change *store.Change) (*stream, error) {
	if err := checkStream(change.Stream); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	s, err := r.commit.touch(&r.cache, r.db, change.Stream)
	if err == nil && s.after.number != 0 && s.after.number != change.Number {
		err = fmt.Errorf("%w: the stream %+q has the number %d, not %d", store.ErrDamaged, change.Stream, s.after.number, change.Number)
	}
	return s, err
}

// name puts a new stream into the commit.
func (r *Restore) name(s *stream, change *store.Change) error {
	c := &r.commit
	taken, err := r.isTaken(change.Number)
	if err == nil && taken {
		err = fmt.Errorf("%w: the number %d of the stream %+q is that of another", store.ErrDamaged, change.Number, change.Stream)
	}
	if err != nil {
		return err
	}
	s.after.number, c.record.nextNumber = change.Number, max(c.record.nextNumber, change.Number+1)
	c.batch.Put(nameKey(change.Number), change.Stream)
	return nil
}

// isTaken reports whether a stream has a number already. Where commits are not known,
// one that was new in them may come with any number that none has.
func (r *Restore) isTaken(number uint64) (bool, error) {
	c := &r.commit
	if number >= c.record.nextNumber || !r.gap {
		return number < c.record.nextNumber, nil
	}
	if slices.ContainsFunc(c.touched, func(s stream) bool { return s.after.number == number }) {
		return true, nil
	}
	taken, err := r.db.Has(nameKey(number), nil)
	if err != nil {
		return false, fault("names", err)
	}
	return taken, nil
}

// reach has a stream hold an event, or have held it. Where commits are not known,
// what is not there yet is lost.
func (r *Restore) reach(s *stream, change *store.Change, id uint64) error {
	if s.after.number != 0 && s.after.last >= id {
		return nil
	}
	if !r.gap {
		return fmt.Errorf("%w: there was no event %d of the stream %+q", store.ErrDamaged, id, change.Stream)
	}
	if s.after.number == 0 {
		if err := r.name(s, change); err != nil {
			return err
		}
	}
	if s.after.last < id {
		if change.Kind != store.Deleted { // what is deleted by this commit needs no pages
			r.commit.lose(s.after.number, s.after.last+1, id)
		}
		s.after.last = id
	}
	return nil
}

// append puts events into the commit.
func (r *Restore) append(change *store.Change, events []store.Event) ([]store.Event, error) {
	c := &r.commit
	s, err := r.stream(change)
	if err != nil {
		return nil, err
	}
	if s.after.number == 0 {
		if err := r.name(s, change); err != nil {
			return nil, err
		}
	}
	if change.First <= s.after.last || change.Last < change.First || change.Last-change.First >= store.MaxCommitEvents {
		return nil, fmt.Errorf("%w: the events %d to %d of the stream %+q, which goes on after %d", store.ErrDamaged, change.First, change.Last, change.Stream, s.after.last)
	}
	if err := r.reach(s, change, change.First-1); err != nil {
		return nil, err
	}
	first := c.record.last + 1
	count := change.Last - change.First + 1
	c.record.runs = append(c.record.runs, run{change.Number, change.First, count})
	c.record.last += count
	c.count += int(count)
	s.after.last = change.Last
	return c.putLeft(change, first, events)
}

// putLeft puts the events that are left of a run, whose first position is given,
// into pages, and returns those that are not of it.
func (c *commit) putLeft(run *store.Change, first uint64, events []store.Event) ([]store.Event, error) {
	n, next := 0, run.First
	for ; n < len(events) && bytes.Equal(events[n].Stream, run.Stream) && events[n].Position <= c.record.last; n++ {
		e := &events[n]
		if e.Position < c.record.first {
			break // the commit replaced it, too
		}
		if e.ID < next || e.ID > run.Last || e.Position != first+e.ID-run.First || e.Time.UnixMicro() != c.record.time || checkEvent(e.Data) != nil {
			return nil, fmt.Errorf("%w: the event %d of the stream %+q is not of this commit", store.ErrDamaged, e.ID, e.Stream)
		}
		if e.ID > next {
			c.endPage(run.Number, next-1)
		}
		next = e.ID + 1
		c.page.add(e.Position, c.record.time, e.Data)
		if c.page.full() {
			c.endPage(run.Number, e.ID)
		}
	}
	c.endPage(run.Number, next-1)
	return events[n:], nil
}

// endPage puts the page into the batch, if there is one.
func (c *commit) endPage(number, last uint64) {
	if c.page.count > 0 {
		c.key = appendEventKey(c.key[:0], number, last)
		c.batch.Put(c.key, c.page.end(c.key))
	}
}

// lose puts pages of lost events into the batch.
func (c *commit) lose(number, first, last uint64) {
	for key, value := range lostPages(number, first, last, c.record.time, c.record.last) {
		c.batch.Put(key, value)
	}
}

// replace puts an event in the place of itself, if it is given: what is restored
// may have it with what it was before, or not at all.
func (r *Restore) replace(s *stream, o operation, events []store.Event) ([]store.Event, error) {
	if len(events) == 0 || events[0].ID != o.id || !bytes.Equal(events[0].Stream, s.name) || events[0].Position >= r.commit.record.first {
		return events, nil
	}
	e := &events[0]
	c := &r.commit
	key, _, p, err := findPage(r.db, o.number, o.id)
	switch {
	case err == nil:
		pages, err := c.rewrite(p, s.after, &store.Replace{Stream: s.name, ID: o.id, Data: e.Data})
		if err != nil {
			return nil, err
		}
		for i := range pages {
			c.batch.Put(pages[i].key, pages[i].before)
		}
		o.page = keyNumber(key)
		erased, _ := o.erasure()
		c.batch.Put(erasureKey(c.record.last), erased.append(nil))
	case errors.Is(err, store.ErrDamaged):
		c.page.add(e.Position, e.Time.UnixMicro(), e.Data)
		c.endPage(o.number, o.id)
	default:
		return nil, err
	}
	return events[1:], nil
}

// erases has what a deletion left over leave the disk once the store is opened.
func (r *Restore) erases(o operation) error {
	it := r.db.NewIterator(&util.Range{Start: appendEventKey(nil, o.number, 0), Limit: appendEventKey(nil, o.number, math.MaxUint64)}, nil)
	defer it.Release()
	if it.Next() {
		if p, err := parseAnyPage(it.Key(), it.Value()); err != nil {
			return err
		} else if p.first <= o.id {
			e, _ := o.erasure()
			e.first = min(e.first, p.first)
			r.commit.batch.Put(erasureKey(r.commit.record.last), e.append(nil))
		}
	}
	if err := it.Error(); err != nil {
		return fault("events", err)
	}
	return nil
}

// Lose tells of events that are lost, and not erased: reading them is an
// ErrDamaged.
func (r *Restore) Lose(stream []byte, first, last uint64) error {
	k, err := loadCounter(r.db, stream)
	if err != nil {
		return err
	}
	if k.number == 0 || first == 0 || first > last || last > k.last {
		return fmt.Errorf("restore: %w: the events %d to %d of the stream %+q never were", store.ErrDamaged, first, last, stream)
	}
	var b leveldb.Batch
	for key, value := range lostPages(k.number, first, last, r.last.time, r.last.position) {
		b.Put(key, value)
	}
	if err := r.db.Write(&b, nil); err != nil {
		return r.refused(err)
	}
	return nil
}

func (r *Restore) refused(err error) error {
	if refused := r.guard.err(); refused != nil {
		err = refused
	}
	return fmt.Errorf("restore: %w", fault("leveldb", err))
}

// Finish verifies the store as Verify does, syncs it, puts it in its place, and
// closes it. A store that is not whole is an ErrDamaged, with the report that says why, and is
// left as it is.
func (r *Restore) Finish(ctx context.Context, progress func(done, of int)) (Report, error) {
	report, err := r.finish(ctx, progress)
	if err != nil {
		return report, fmt.Errorf("restore store %s: %w", r.dir, err)
	}
	return report, nil
}

func (r *Restore) finish(ctx context.Context, progress func(done, of int)) (Report, error) {
	if err := r.sync(); err != nil {
		return Report{}, err
	}
	v := newVerifier(ctx, progress)
	v.db = r.db
	err := v.all()
	if err == nil && v.report.Damaged > 0 {
		err = fmt.Errorf("%w: %v", store.ErrDamaged, v.report.Damage[0])
	}
	if err == nil {
		err = r.closeDatabase()
	}
	if err == nil {
		err = r.settleIn()
	}
	if err == nil {
		err = r.Close()
	}
	return v.report, err
}

// sync has the disk keep what was added, by writing its end once more.
func (r *Restore) sync() error {
	if r.last.position == 0 {
		return nil
	}
	value, err := r.db.Get(commitKey(r.last.position), nil)
	if err == nil {
		err = r.db.Put(commitKey(r.last.position), value, &opt.WriteOptions{Sync: true})
	}
	if err != nil {
		return r.refused(err)
	}
	return nil
}

// settleIn makes the database the store's.
func (r *Restore) settleIn() error {
	on := directoryDisk(r.dir)
	if err := rewriteHighwater(on, highwater{r.last.position, r.last.chain}); err != nil {
		return err
	}
	if err := on.keepIdentity(r.id, false); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(r.making(), sourceName)); err != nil {
		return err
	}
	if err := r.syncFiles(); err != nil {
		return err
	}
	if err := os.Rename(r.making(), on.db()); err != nil {
		return err
	}
	return errors.Join(syncDir(r.dir), syncDir(filepath.Dir(filepath.Clean(r.dir))))
}

// syncFiles syncs each file of the database. LevelDB closes a journal that is full
// without a sync, and may not have made a table of it yet.
func (r *Restore) syncFiles() error {
	entries, err := os.ReadDir(r.making())
	if err != nil {
		return err
	}
	for _, e := range entries {
		f, err := os.Open(filepath.Join(r.making(), e.Name()))
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if err != nil {
			return err
		}
	}
	return syncDir(r.making())
}

func (r *Restore) closeDatabase() error {
	if r.db == nil {
		return nil
	}
	err := errors.Join(r.db.Close(), r.guard.Close())
	r.db = nil
	return err
}

// Close ends it. What was not finished can be gone on with.
func (r *Restore) Close() error {
	err := r.closeDatabase()
	if r.lock != nil {
		err = errors.Join(err, r.lock.Close())
		r.lock = nil
	}
	return err
}
