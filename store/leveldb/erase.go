package leveldb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// An eraser has octets leave the disk after the commit that replaced or deleted
// them. Nothing reads them from then on, but LevelDB keeps an old value until a
// compaction happens to meet it, perhaps for ever.
//
// Each commit leaves a record of what it erased, in the same batch, so that
// nothing is forgotten over a crash. The eraser takes many at once: it removes
// the pages of deleted events, has LevelDB write out what is in memory, with
// which the journal goes, and compact the key ranges from top to bottom, with
// which the old values go; see compact.go. Then it removes the records.
type eraser struct {
	wake    chan struct{} // there are records
	stop    chan struct{} // closed by Close: finish what there is
	abandon chan struct{} // closed by Close: it took too long, leave it to the next time
	ended   chan struct{} // closed when eraseLoop has ended

	gather  time.Duration // how long it waits for more before it begins
	pending atomic.Int64  // records

	mu     sync.RWMutex      // protects hidden
	hidden map[uint64]uint64 // by number of a stream: up to where it is deleted, while pages of that may be there
}

const (
	eraseGather = 5 * time.Second // a compaction of many costs little more than of one
	eraseMost   = 1000            // records at once
	erasePages  = 500             // pages that are removed at once, while commits wait,
	eraseOctets = 4 << 20         // or so much data
	eraseRange  = 32 << 20        // data that is compacted at once, before others' is
	eraseRetry  = 5 * time.Second
	eraseStop   = 3 * time.Second // how long Close waits for it, and then for a merge that is under way
)

func (e *eraser) init() {
	e.wake = make(chan struct{}, 1)
	e.stop, e.abandon, e.ended = make(chan struct{}), make(chan struct{}), make(chan struct{})
	e.hidden = make(map[uint64]uint64)
	e.gather = eraseGather
}

// add takes note of what a commit erased.
func (e *eraser) add(operations []record.Operation) {
	n := 0
	for i := range operations {
		switch o := &operations[i]; o.Kind {
		case record.OpDelete:
			e.hide(o.Number, o.ID)
			n++
		case record.OpReplace:
			n++
		}
	}
	if n == 0 {
		return
	}
	e.pending.Add(int64(n))
	e.begin()
}

func (e *eraser) hide(number, upTo uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hidden[number] = max(upTo, e.hidden[number])
}

// removed takes note that a stream's pages up to an id are gone.
func (e *eraser) removed(number, upTo uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hidden[number] <= upTo {
		delete(e.hidden, number)
	}
}

// hiddenUpTo returns the id up to which a stream's events are deleted although
// they may be there.
func (e *eraser) hiddenUpTo(number uint64) uint64 {
	if e.pending.Load() == 0 {
		return 0
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.hidden[number]
}

// putOperations adds the positions of a commit's operations, and the records of
// what it erases, and reports whether there are such.
func (c *commit) putOperations() (erased bool) {
	for i := range c.record.Operations {
		o := &c.record.Operations[i]
		c.record.Last += o.Positions()
		if e, erases := o.Erasure(); erases {
			c.batch.Put(record.ErasureKey(c.record.Last), e.Append(nil))
			erased = true
		}
	}
	return erased
}

// load takes up what is to be done in a database that was opened: what an earlier
// process left, or what a fault brought back, since records are removed without a
// sync. The caller has the turn, or is alone.
func (e *eraser) load(db *leveldb.DB) error {
	n := 0
	err := logscan.Erasures(db, func(r record.Erasure) bool {
		if r.Kind == record.OpDelete {
			e.hide(r.Number, r.Last)
		}
		n++
		return true
	})
	e.pending.Store(int64(n))
	e.begin()
	return err
}

// begin wakes the eraser.
func (e *eraser) begin() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// eraseLoop is the eraser's goroutine.
func (d *DB) eraseLoop() {
	e := &d.eraser
	defer close(e.ended)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	resting := false
	for stopping := false; !stopping; {
		select {
		case <-e.wake:
			stopping = e.pause(e.gather)
		case <-tick.C:
			if err := d.sweep(); err != nil {
				d.log.Warn("tables that are not in use cannot be removed", "error", err)
			}
		case <-e.stop:
			stopping = true
		}
		for e.pending.Load() > 0 && !resting {
			err, wait := d.erase(), e.gather
			if resting = ldb.IsDamage(err); resting {
				d.leaveErased(err)
				break
			}
			if err != nil {
				if stopping || e.abandoned() {
					return
				}
				d.log.Warn("old octets cannot be removed yet; trying again", "pending", e.pending.Load(), "error", err)
				wait = eraseRetry
			}
			if e.pending.Load() > 0 {
				stopping = e.pause(wait)
			}
		}
	}
}

// leaveErased leaves what is erased where it is, until the store is opened the next
// time: a block that cannot be read is not merged with others. LevelDB has met it, and
// would refuse every write from now on, of all streams; so the database is opened again.
func (d *DB) leaveErased(cause error) {
	d.log.Error("the store is damaged: what was replaced or deleted cannot leave the disk; restore a backup, or see with gorewind verify and gorewind repair what can be done",
		"pending", d.eraser.pending.Load(), "error", cause)
	d.turn.Lock()
	defer d.turn.Unlock()
	if d.eraser.abandoned() || d.fault() != nil {
		return
	}
	_, err := d.reopen(cause)
	d.counts.refuse(err)
}

// pause waits, and reports whether it is time to finish.
func (e *eraser) pause(t time.Duration) (stopping bool) {
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return false
	case <-e.stop:
		return true
	}
}

// close has the eraser finish, or leave what there is to the next time if that
// takes long.
func (e *eraser) close() {
	close(e.stop)
	timer := time.NewTimer(eraseStop)
	defer timer.Stop()
	select {
	case <-e.ended:
	case <-timer.C:
	}
	close(e.abandon)
}

// abandoned reports whether the store is being closed without waiting longer.
func (e *eraser) abandoned() bool {
	select {
	case <-e.abandon:
		return true
	default:
		return false
	}
}

// maintain calls f while no commit is made.
func (d *DB) maintain(f func(db *leveldb.DB) error) error {
	d.turn.Lock()
	defer d.turn.Unlock()
	if d.eraser.abandoned() {
		return store.ErrClosed
	}
	if err := d.revive(); err != nil {
		return err
	}
	return f(d.db)
}

// errReopened: what was begun on a handle is to be done again on the next, since
// what was not synced may be lost.
var errReopened = errors.New("the database was opened again meanwhile")

// erase has the octets of some records leave the disk, and removes these.
func (d *DB) erase() error {
	var batch []record.Erasure
	var on *leveldb.DB
	err := d.maintain(func(db *leveldb.DB) error {
		on = db
		err := logscan.Erasures(db, func(e record.Erasure) bool {
			batch = append(batch, e)
			return len(batch) < eraseMost
		})
		if err == nil && len(batch) == 0 {
			d.eraser.pending.Store(0)
		}
		return err
	})
	if err != nil || len(batch) == 0 {
		return err
	}
	var ranges []util.Range
	for i := range batch {
		of, err := d.removePages(&batch[i])
		if err != nil {
			return err
		}
		ranges = append(ranges, of...)
	}
	if err := d.compact(on, ranges); err != nil {
		return err
	}
	if err := d.awaitRemoval(on); err != nil {
		return err
	}
	return d.maintain(func(db *leveldb.DB) error {
		if db != on {
			return errReopened
		}
		return d.eraser.finish(db, batch)
	})
}

// finish removes the records of what is erased.
func (e *eraser) finish(db *leveldb.DB, batch []record.Erasure) error {
	var done leveldb.Batch
	for i := range batch {
		done.Delete(record.ErasureKey(batch[i].Position))
	}
	if err := db.Write(&done, nil); err != nil { // not synced: what a crash brings back is done again
		return err
	}
	for i := range batch {
		if batch[i].Kind == record.OpDelete {
			e.removed(batch[i].Number, batch[i].Last)
		}
	}
	e.pending.Add(-int64(len(batch)))
	return nil
}

// removePages removes the pages of deleted events, a few at a time, and returns the
// ranges of keys in which old values may be. They are looked for while commits go
// on: after a crash much that is removed already may have to be passed over.
func (d *DB) removePages(e *record.Erasure) (ranges []util.Range, err error) {
	last := e.Last
	for next := e.First; e.Kind == record.OpDelete && next <= e.Last; {
		var batch leveldb.Batch
		err := d.use(context.Background(), func(db *leveldb.DB) (err error) {
			next, err = collect(db, e, next, &batch)
			return err
		})
		if err == nil && batch.Len() > 0 {
			err = d.maintain(func(db *leveldb.DB) error { return db.Write(&batch, nil) }) // not synced, like the removal of the record
		}
		if err == nil && d.eraser.abandoned() {
			err = store.ErrClosed
		}
		if err != nil {
			return nil, err
		}
	}
	first := e.First
	if e.Kind == record.OpReplace {
		first = e.Last // the old value had the page's key
	} else if key, err := d.shrinkPage(e); err != nil {
		return nil, err
	} else if key != nil {
		last = record.KeyNumber(key)
	}
	err = d.use(context.Background(), func(db *leveldb.DB) (err error) {
		ranges, err = pieces(db, nil, e.Number, first, last)
		return err
	})
	return ranges, err
}

// collect removes pages that have nothing but deleted events, from an id on, and
// returns from where on to go on.
func collect(db *leveldb.DB, e *record.Erasure, from uint64, batch *leveldb.Batch) (next uint64, err error) {
	upTo := min(e.Last, from+erasePages-1)
	it := db.NewIterator(&util.Range{Start: record.AppendEventKey(nil, e.Number, from), Limit: record.AppendEventKey(nil, e.Number, upTo+1)}, nil)
	defer it.Release()
	for octets := 0; it.Next(); {
		batch.Delete(it.Key())
		if octets += len(it.Value()); octets >= eraseOctets {
			return record.KeyNumber(it.Key()) + 1, nil
		}
	}
	if err := it.Error(); err != nil {
		return 0, ldb.Fault(fmt.Sprintf("deleted events of the stream number %d", e.Number), err)
	}
	return upTo + 1, nil
}

// shrinkPage removes the deleted events from the page that has others too, and
// returns the key of that page; nil if there is none.
func (d *DB) shrinkPage(e *record.Erasure) (key []byte, err error) {
	err = d.use(context.Background(), func(db *leveldb.DB) error {
		it := db.NewIterator(&util.Range{
			Start: record.AppendEventKey(nil, e.Number, e.Last+1), Limit: record.AppendEventKey(nil, e.Number, e.Last+math.MaxUint16),
		}, nil)
		defer it.Release()
		if it.Next() {
			key = slices.Clone(it.Key())
		}
		return it.Error()
	})
	if err != nil || key == nil {
		return nil, err
	}
	return key, d.maintain(func(db *leveldb.DB) error {
		value, err := db.Get(key, nil) // again: it may have been replaced
		if err != nil {
			return ldb.Fault(fmt.Sprintf("page %x", key), err)
		}
		if value, err = record.ShrinkPage(key, value, e.Last); err != nil || value == nil {
			return err
		}
		return db.Put(key, value, nil)
	})
}

// pieces appends the range of some ids to ranges, in pieces of which none has
// more data in tables, also old, than is to be compacted at once.
func pieces(db *leveldb.DB, ranges []util.Range, number, first, last uint64) ([]util.Range, error) {
	all := util.Range{Start: record.AppendEventKey(nil, number, first), Limit: record.AppendEventKey(nil, number, last)}
	sizes, err := db.SizeOf([]util.Range{all})
	if err != nil {
		return nil, ldb.Fault(fmt.Sprintf("events of the stream number %d", number), err)
	}
	if first >= last || sizes.Sum() <= eraseRange {
		return append(ranges, all), nil
	}
	middle := first + (last-first)/2
	if ranges, err = pieces(db, ranges, number, first, middle); err != nil {
		return nil, err
	}
	return pieces(db, ranges, number, middle+1, last)
}
