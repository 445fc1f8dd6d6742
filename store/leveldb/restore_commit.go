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
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// Add adds the next commit. next returns the commit's remaining events one after
// the other: first those that it appended, in the order of their positions, then
// those that it replaced and that an earlier commit appended, as they are now; nil
// after the last. A later commit has to delete the events that are missing, or Lose
// has to report them. Add does not use an event after the next call of next, so a
// commit takes little memory however large its events have become.
//
// Unless e.Chain is 0, the commit and everything before it must come out exactly as
// in the other store; otherwise the error is an ErrDamaged, as it is for a commit
// that no store can have. If e.Chain is 0, Add computes the size and ignores
// e.Bytes.
func (r *Restore) Add(e store.Entry, next func() (*store.Event, error)) error {
	if err := r.addCommit(&e, next); err != nil {
		return fmt.Errorf("restore: the commit at position %d: %w", e.Position, err)
	}
	return nil
}

func (r *Restore) addCommit(e *store.Entry, next func() (*store.Event, error)) error {
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
	if r.event != nil || !c.record.Possible() || c.record.Last != e.Position || c.record.NextNumber > e.NextStream || e.NextStream-1 > e.Position { // each stream took one
		return fmt.Errorf("%w: its contents do not match its header", store.ErrDamaged)
	}
	c.record.NextNumber = e.NextStream
	if e.Chain != 0 {
		c.record.Bytes = e.Bytes
	}
	value := c.record.Append(nil, r.last.Chain)
	if e.Chain != 0 && c.record.Chain != e.Chain {
		return fmt.Errorf("%w: it differs from the commit of the original store", store.ErrDamaged)
	}
	c.batch.Put(record.CommitKey(e.Position), value)
	if err := r.write(); err != nil {
		return err
	}
	r.cache.publish(c.touched)
	r.last, r.torn = c.record.Tip(), false
	return nil
}

// begin resets the commit for a new entry.
func (r *Restore) begin(e *store.Entry) {
	c := &r.commit
	r.cache.age()
	c.serial++
	c.record = record.Commit{
		Last: r.last.Position, First: r.last.Position + 1, NextNumber: r.last.NextNumber,
		Time: e.Time.UnixMicro(), Runs: c.record.Runs[:0], Operations: c.record.Operations[:0],
	}
	c.batch.Reset()
	clear(c.touched)
	c.touched, c.recent, c.count = c.touched[:0], 0, 0
	c.page.Reset()
}

// restoreBytes is how much of a commit is written before all of it has been read.
// The commit's record is written last; without it the rest does not count.
const restoreBytes = store.MaxCommitBytes

// goOn gets the next remaining event.
func (r *Restore) goOn() (err error) {
	if err := r.spill(); err != nil {
		return err
	}
	r.event, err = r.next()
	return err
}

// spill writes the batch once it is large.
func (r *Restore) spill() error {
	if len(r.commit.batch.Dump()) < restoreBytes {
		return nil
	}
	r.torn = true
	return r.write()
}

// write writes the batch.
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
		return r.appendEvents(change)
	}
	o, ok := record.OperationOf(change)
	if !ok {
		return fmt.Errorf("%w: unknown kind of change %d", store.ErrDamaged, change.Kind)
	}
	c.record.Operations = append(c.record.Operations, o)
	c.record.Last += o.Positions()
	r.gap = r.gap || o.Kind == record.OpLost
	if o.Number > 0 {
		return r.changeStream(change, o)
	}
	switch o.Kind {
	case record.OpReplace, record.OpDelete, record.OpKey:
		return fmt.Errorf("%w: a change of kind %d names no stream", store.ErrDamaged, change.Kind)
	case record.OpCursor:
		r.move(o)
	}
	return nil
}

// changeStream puts a change of one stream into the commit; o is the change as a
// log operation.
func (r *Restore) changeStream(change *store.Change, o record.Operation) error {
	s, err := r.stream(change)
	if err != nil {
		return err
	}
	if err := r.reach(s, change, o.ID); err != nil {
		return err
	}
	switch o.Kind {
	case record.OpReplace:
		return r.replace(s, o)
	case record.OpDelete:
		s.after.Deleted = o.ID
		return r.erases(o)
	case record.OpCursor:
		r.move(o)
	case record.OpKey:
		return r.remember(o)
	}
	return nil
}

// move puts a cursor where the operation moved it.
func (r *Restore) move(o record.Operation) {
	key := record.CursorKey(o.Name, o.Number)
	if o.ID == 0 {
		r.commit.batch.Delete(key)
	} else {
		r.commit.batch.Put(key, binary.AppendUvarint(nil, o.ID))
	}
}

// remember stores the fingerprint of a request under its key.
func (r *Restore) remember(o record.Operation) error {
	if len(o.Sum) != record.SumSize || len(o.IDs) == 0 {
		return fmt.Errorf("%w: the record of the request with the key %+q is malformed", store.ErrDamaged, o.Name)
	}
	r.commit.batch.Put(record.RequestKey(o.Number, o.Name), record.AppendRequest(nil, o.Sum, o.IDs))
	return nil
}

// stream returns the stream of a change, and checks its number.
func (r *Restore) stream(change *store.Change) (*stream, error) {
	if err := checkStream(change.Stream); err != nil {
		return nil, fmt.Errorf("%w: %w", store.ErrDamaged, err)
	}
	s, err := r.commit.touch(&r.cache, r.db, change.Stream)
	if err == nil && s.after.Number != 0 && s.after.Number != change.Number {
		err = fmt.Errorf("%w: the stream %+q has the number %d, not %d", store.ErrDamaged, change.Stream, s.after.Number, change.Number)
	}
	return s, err
}

// name puts a new stream into the commit.
func (r *Restore) name(s *stream, change *store.Change) error {
	c := &r.commit
	taken, err := r.isTaken(change)
	if err == nil && taken {
		err = fmt.Errorf("%w: the number %d of the stream %+q belongs to another stream", store.ErrDamaged, change.Number, change.Stream)
	}
	if err != nil {
		return err
	}
	s.after.Number, c.record.NextNumber = change.Number, max(c.record.NextNumber, change.Number+1)
	c.batch.Put(record.NameKey(change.Number), change.Stream)
	return nil
}

// isTaken reports whether another stream already has the change's number. If
// commits are missing, a new stream may come with any free number. A crash may have
// left this commit's own name record.
func (r *Restore) isTaken(change *store.Change) (bool, error) {
	c, number := &r.commit, change.Number
	if number >= c.record.NextNumber || !r.gap {
		return number < c.record.NextNumber, nil
	}
	if slices.ContainsFunc(c.touched, func(s stream) bool { return s.after.Number == number }) {
		return true, nil
	}
	name, err := r.db.Get(record.NameKey(number), nil)
	if errors.Is(err, leveldb.ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, ldb.Fault("names", err)
	}
	return !bytes.Equal(name, change.Stream), nil
}

// reach makes sure that a stream holds, or once held, an event. If commits are
// missing, events that are not there count as lost.
func (r *Restore) reach(s *stream, change *store.Change, id uint64) error {
	if s.after.Number != 0 && s.after.Last >= id {
		return nil
	}
	if !r.gap {
		return fmt.Errorf("%w: there was no event %d of the stream %+q", store.ErrDamaged, id, change.Stream)
	}
	if s.after.Number == 0 {
		if err := r.name(s, change); err != nil {
			return err
		}
	}
	if s.after.Last < id {
		if change.Kind != store.Deleted { // events that this commit deletes need no pages
			c := &r.commit.record
			if err := r.lose(s.after.Number, s.after.Last+1, id, c.Time, c.Last); err != nil {
				return err
			}
		}
		s.after.Last = id
	}
	return nil
}

// appendEvents puts events into the commit.
func (r *Restore) appendEvents(change *store.Change) error {
	c := &r.commit
	s, err := r.stream(change)
	if err != nil {
		return err
	}
	if s.after.Number == 0 {
		if err := r.name(s, change); err != nil {
			return err
		}
	}
	if change.First <= s.after.Last || change.Last < change.First || change.Last-change.First >= store.MaxCommitEvents {
		return fmt.Errorf("%w: the events %d to %d of the stream %+q, which goes on after %d", store.ErrDamaged, change.First, change.Last, change.Stream, s.after.Last)
	}
	if r.torn {
		if err := r.removeEvents(change); err != nil {
			return err
		}
	}
	if err := r.reach(s, change, change.First-1); err != nil {
		return err
	}
	first := c.record.Last + 1
	count := change.Last - change.First + 1
	c.record.Runs = append(c.record.Runs, record.Run{Number: change.Number, First: change.First, Count: count})
	c.record.Last += count
	c.count += int(count)
	s.after.Last = change.Last
	return r.putLeft(change, first)
}

// removeEvents removes pages that an interrupted attempt wrote for events of this
// commit. Another version of the program may have cut the pages differently.
func (r *Restore) removeEvents(change *store.Change) error {
	var b leveldb.Batch
	it := r.db.NewIterator(&util.Range{
		Start: record.AppendEventKey(nil, change.Number, change.First),
		Limit: record.AppendEventKey(nil, change.Number, math.MaxUint64),
	}, nil)
	defer it.Release()
	for it.Next() {
		b.Delete(it.Key())
	}
	if err := it.Error(); err != nil {
		return ldb.Fault("events", err)
	}
	return r.put(&b)
}

// putLeft puts the remaining events of a run into pages; first is the run's first
// position.
func (r *Restore) putLeft(run *store.Change, first uint64) error {
	c := &r.commit
	next := run.First
	for e := r.event; e != nil && bytes.Equal(e.Stream, run.Stream) && e.Position <= c.record.Last; e = r.event {
		if e.Position < c.record.First {
			break // the commit also replaced it
		}
		if e.ID < next || e.ID > run.Last || e.Position != first+e.ID-run.First || e.Time.UnixMicro() != c.record.Time || checkEvent(e.Data) != nil {
			return fmt.Errorf("%w: the event %d of the stream %+q does not belong to this commit", store.ErrDamaged, e.ID, e.Stream)
		}
		if e.ID > next {
			c.endPage(run.Number, next-1)
		}
		next = e.ID + 1
		c.page.Add(e.Position, c.record.Time, e.Data)
		c.record.Bytes += uint64(len(e.Data))
		if c.page.Full() {
			c.endPage(run.Number, e.ID)
		}
		if err := r.goOn(); err != nil {
			return err
		}
	}
	c.endPage(run.Number, next-1)
	return nil
}

// endPage puts the page into the batch, unless it is empty.
func (c *commit) endPage(number, last uint64) {
	if !c.page.Empty() {
		c.key = record.AppendEventKey(c.key[:0], number, last)
		c.batch.Put(c.key, c.page.End(c.key))
	}
}

// lose puts pages of lost events into the batch.
func (r *Restore) lose(number, first, last uint64, time int64, position uint64) error {
	for key, value := range record.LostPages(number, first, last, time, position) {
		r.commit.batch.Put(key, value)
		if err := r.spill(); err != nil {
			return err
		}
	}
	return nil
}

// replace writes the new data of a replaced event, if it was given. The restored
// store may hold the event with its old data, or not at all.
func (r *Restore) replace(s *stream, o record.Operation) error {
	e, c := r.event, &r.commit
	if e == nil || e.ID != o.ID || !bytes.Equal(e.Stream, s.name) || e.Position >= c.record.First {
		return nil
	}
	key, _, p, err := findPage(r.db, o.Number, o.ID)
	switch {
	case err == nil:
		pages, err := c.rewrite(p, s.after, &store.Replace{Stream: s.name, ID: o.ID, Data: e.Data})
		if err != nil {
			return err
		}
		for i := range pages {
			c.batch.Put(pages[i].key, pages[i].before)
		}
		o.Page = max(o.Page, record.KeyNumber(key)) // a crash in this commit may have left a smaller page
		erased, _ := o.Erasure()
		c.batch.Put(record.ErasureKey(c.record.Last), erased.Append(nil))
	case errors.Is(err, store.ErrDamaged):
		c.page.Add(e.Position, e.Time.UnixMicro(), e.Data)
		c.endPage(o.Number, o.ID)
	default:
		return err
	}
	return r.goOn()
}

// erases schedules what a deletion left over for erasure once the store is opened.
func (r *Restore) erases(o record.Operation) error {
	it := r.db.NewIterator(&util.Range{Start: record.AppendEventKey(nil, o.Number, 0), Limit: record.AppendEventKey(nil, o.Number, math.MaxUint64)}, nil)
	defer it.Release()
	if it.Next() {
		if p, err := record.ParseAnyPage(it.Key(), it.Value()); err != nil {
			return err
		} else if p.First <= o.ID {
			e, _ := o.Erasure()
			e.First = min(e.First, p.First)
			r.commit.batch.Put(record.ErasureKey(r.commit.record.Last), e.Append(nil))
		}
	}
	if err := it.Error(); err != nil {
		return ldb.Fault("events", err)
	}
	return nil
}

// Lose reports events that are lost, not erased. Reading them gives an ErrDamaged.
func (r *Restore) Lose(stream []byte, first, last uint64) error {
	k, err := loadCounter(r.db, stream)
	if err == nil && (k.Number == 0 || first == 0 || first > last || last > k.Last) {
		err = fmt.Errorf("%w: the events %d to %d of the stream %+q never existed", store.ErrDamaged, first, last, stream)
	}
	if err == nil {
		r.commit.batch.Reset()
		err = r.lose(k.Number, first, last, r.last.Time, r.last.Position)
	}
	if err == nil {
		err = r.write()
	}
	if err != nil {
		return fmt.Errorf("restore: %w", err)
	}
	return nil
}
