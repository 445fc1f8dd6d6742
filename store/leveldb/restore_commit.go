package leveldb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
)

// Add adds the next commit. next returns, one after the other, the events of it that
// are left, in the order of their positions, then the events as they are now that it
// replaced, if they come from before, and nil after the last; what is not among them
// is to be deleted by a later commit, or Lose tells of it. What next returned is not
// used after its next call, so that a commit takes little memory, whatever has become
// of its events.
//
// Unless e.Chain is 0, the commit has to come out as it was in the other store, with
// all that came before: otherwise it is an ErrDamaged, as is what no store can have.
// If it is 0, e.Octets is not looked at, but counted.
func (r *Restore) Add(e store.Entry, next func() (*store.Event, error)) error {
	if err := r.add(&e, next); err != nil {
		return fmt.Errorf("restore: the commit at position %d: %w", e.Position, err)
	}
	return nil
}

func (r *Restore) add(e *store.Entry, next func() (*store.Event, error)) error {
	c := &r.commit
	r.begin(e)
	r.next = next
	if err := r.goOn(); err != nil {
		return err
	}
	for i := range e.Changes {
		change := &e.Changes[i]
		if change.Number > 0 && max(change.First, change.Last) > e.Position { // each id took a position
			return fmt.Errorf("%w: there was no event %d of the stream %+q", store.ErrDamaged, max(change.First, change.Last), change.Stream)
		}
		if err := r.change(change); err != nil {
			return err
		}
	}
	c.putCounters()
	if r.event != nil || !c.record.possible() || c.record.last != e.Position || c.record.nextNumber > e.NextStream || e.NextStream-1 > e.Position { // each stream took one
		return fmt.Errorf("%w: it does not have what it says", store.ErrDamaged)
	}
	c.record.nextNumber = e.NextStream
	if e.Chain != 0 {
		c.record.octets = e.Octets
	}
	value := c.record.append(nil, r.last.chain)
	if e.Chain != 0 && c.record.chain != e.Chain {
		return fmt.Errorf("%w: it is not the one that the store had", store.ErrDamaged)
	}
	c.batch.Put(commitKey(e.Position), value)
	if err := r.write(); err != nil {
		return err
	}
	r.cache.publish(c.touched)
	r.last, r.torn = c.record.tip(), false
	return nil
}

// begin makes the commit that of an entry, which has nothing yet.
func (r *Restore) begin(e *store.Entry) {
	c := &r.commit
	r.cache.age()
	c.serial++
	c.record = commitRecord{
		last: r.last.position, first: r.last.position + 1, nextNumber: r.last.nextNumber,
		time: e.Time.UnixMicro(), runs: c.record.runs[:0], operations: c.record.operations[:0],
	}
	c.batch.Reset()
	clear(c.touched)
	c.touched, c.recent, c.count = c.touched[:0], 0, 0
	c.page.reset()
}

// restoreOctets is how much is written of a commit before all of it was read. Its
// record comes last: without that there is none of the rest.
const restoreOctets = store.MaxCommitOctets

// goOn gets the next event that is left.
func (r *Restore) goOn() (err error) {
	if err := r.spill(); err != nil {
		return err
	}
	r.event, err = r.next()
	return err
}

// spill writes what is in the batch if that is much.
func (r *Restore) spill() error {
	if len(r.commit.batch.Dump()) < restoreOctets {
		return nil
	}
	r.torn = true
	return r.write()
}

// write writes what is in the batch.
func (r *Restore) write() error {
	c := &r.commit
	r.pacer.pace(r.db, c.count)
	if err := r.put(&c.batch); err != nil {
		return err
	}
	c.batch.Reset()
	c.count = 0
	return nil
}

// change puts a change into the commit.
func (r *Restore) change(change *store.Change) error {
	c := &r.commit
	if change.Kind == store.Appended {
		return r.append(change)
	}
	o, ok := operationOf(change)
	if !ok {
		return fmt.Errorf("%w: a change of the kind %d", store.ErrDamaged, change.Kind)
	}
	c.record.operations = append(c.record.operations, o)
	c.record.last += o.positions()
	r.gap = r.gap || o.kind == opLost
	var s *stream
	if o.number > 0 {
		var err error
		if s, err = r.stream(change); err != nil {
			return err
		}
		if err := r.reach(s, change, o.id); err != nil {
			return err
		}
	}
	if s == nil && (o.kind == opReplace || o.kind == opDelete || o.kind == opKey) {
		return fmt.Errorf("%w: a change of the kind %d of no stream", store.ErrDamaged, change.Kind)
	}
	switch o.kind {
	case opReplace:
		return r.replace(s, o)
	case opDelete:
		s.after.deleted = o.id
		return r.erases(o)
	case opCursor:
		key := cursorKey(o.name, o.number)
		if o.id == 0 {
			c.batch.Delete(key)
		} else {
			c.batch.Put(key, binary.AppendUvarint(nil, o.id))
		}
	case opKey:
		if len(o.sum) != sumOctets || len(o.ids) == 0 {
			return fmt.Errorf("%w: what is kept of the request with the key %+q", store.ErrDamaged, o.name)
		}
		c.batch.Put(keyKey(o.number, o.name), appendRemembered(nil, o.sum, o.ids))
	}
	return nil
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
	taken, err := r.isTaken(change)
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

// isTaken reports whether a stream has the number of another already. Where commits are
// not known, one that was new in them may come with any number that none has; what a
// crash left of this commit may have it with its own.
func (r *Restore) isTaken(change *store.Change) (bool, error) {
	c, number := &r.commit, change.Number
	if number >= c.record.nextNumber || !r.gap {
		return number < c.record.nextNumber, nil
	}
	if slices.ContainsFunc(c.touched, func(s stream) bool { return s.after.number == number }) {
		return true, nil
	}
	name, err := r.db.Get(nameKey(number), nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fault("names", err)
	}
	return !bytes.Equal(name, change.Stream), nil
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
			c := &r.commit.record
			if err := r.lose(s.after.number, s.after.last+1, id, c.time, c.last); err != nil {
				return err
			}
		}
		s.after.last = id
	}
	return nil
}

// append puts events into the commit.
func (r *Restore) append(change *store.Change) error {
	c := &r.commit
	s, err := r.stream(change)
	if err != nil {
		return err
	}
	if s.after.number == 0 {
		if err := r.name(s, change); err != nil {
			return err
		}
	}
	if change.First <= s.after.last || change.Last < change.First || change.Last-change.First >= store.MaxCommitEvents {
		return fmt.Errorf("%w: the events %d to %d of the stream %+q, which goes on after %d", store.ErrDamaged, change.First, change.Last, change.Stream, s.after.last)
	}
	if r.torn {
		if err := r.clear(change); err != nil {
			return err
		}
	}
	if err := r.reach(s, change, change.First-1); err != nil {
		return err
	}
	first := c.record.last + 1
	count := change.Last - change.First + 1
	c.record.runs = append(c.record.runs, run{change.Number, change.First, count})
	c.record.last += count
	c.count += int(count)
	s.after.last = change.Last
	return r.putLeft(change, first)
}

// clear removes what is there of events that are not in the store yet: another version
// of the program, which goes on now, may have put them into other pages.
func (r *Restore) clear(change *store.Change) error {
	var b leveldb.Batch
	it := r.db.NewIterator(&util.Range{
		Start: appendEventKey(nil, change.Number, change.First),
		Limit: appendEventKey(nil, change.Number, math.MaxUint64),
	}, nil)
	defer it.Release()
	for it.Next() {
		b.Delete(it.Key())
	}
	if err := it.Error(); err != nil {
		return fault("events", err)
	}
	return r.put(&b)
}

// putLeft puts the events that are left of a run, whose first position is given,
// into pages.
func (r *Restore) putLeft(run *store.Change, first uint64) error {
	c := &r.commit
	next := run.First
	for e := r.event; e != nil && bytes.Equal(e.Stream, run.Stream) && e.Position <= c.record.last; e = r.event {
		if e.Position < c.record.first {
			break // the commit replaced it, too
		}
		if e.ID < next || e.ID > run.Last || e.Position != first+e.ID-run.First || e.Time.UnixMicro() != c.record.time || checkEvent(e.Data) != nil {
			return fmt.Errorf("%w: the event %d of the stream %+q is not of this commit", store.ErrDamaged, e.ID, e.Stream)
		}
		if e.ID > next {
			c.endPage(run.Number, next-1)
		}
		next = e.ID + 1
		c.page.add(e.Position, c.record.time, e.Data)
		c.record.octets += uint64(len(e.Data))
		if c.page.full() {
			c.endPage(run.Number, e.ID)
		}
		if err := r.goOn(); err != nil {
			return err
		}
	}
	c.endPage(run.Number, next-1)
	return nil
}

// endPage puts the page into the batch, if there is one.
func (c *commit) endPage(number, last uint64) {
	if !c.page.empty() {
		c.key = appendEventKey(c.key[:0], number, last)
		c.batch.Put(c.key, c.page.end(c.key))
	}
}

// lose puts pages of lost events into the batch, which were lost in a commit or before.
func (r *Restore) lose(number, first, last uint64, time int64, position uint64) error {
	for key, value := range lostPages(number, first, last, time, position) {
		r.commit.batch.Put(key, value)
		if err := r.spill(); err != nil {
			return err
		}
	}
	return nil
}

// replace puts an event in the place of itself, if it is given: what is restored
// may have it with what it was before, or not at all.
func (r *Restore) replace(s *stream, o operation) error {
	e, c := r.event, &r.commit
	if e == nil || e.ID != o.id || !bytes.Equal(e.Stream, s.name) || e.Position >= c.record.first {
		return nil
	}
	key, _, p, err := findPage(r.db, o.number, o.id)
	switch {
	case err == nil:
		pages, err := c.rewrite(p, s.after, &store.Replace{Stream: s.name, ID: o.id, Data: e.Data})
		if err != nil {
			return err
		}
		for i := range pages {
			c.batch.Put(pages[i].key, pages[i].before)
		}
		o.page = max(o.page, keyNumber(key)) // what a crash left of this commit may have made it smaller
		erased, _ := o.erasure()
		c.batch.Put(erasureKey(c.record.last), erased.append(nil))
	case errors.Is(err, store.ErrDamaged):
		c.page.add(e.Position, e.Time.UnixMicro(), e.Data)
		c.endPage(o.number, o.id)
	default:
		return err
	}
	return r.goOn()
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
	if err == nil && (k.number == 0 || first == 0 || first > last || last > k.last) {
		err = fmt.Errorf("%w: the events %d to %d of the stream %+q never were", store.ErrDamaged, first, last, stream)
	}
	if err == nil {
		r.commit.batch.Reset()
		err = r.lose(k.number, first, last, r.last.time, r.last.position)
	}
	if err == nil {
		err = r.write()
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}
