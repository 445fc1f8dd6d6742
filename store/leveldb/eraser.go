package leveldb

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// An eraser purges replaced and deleted data from the disk after the commit that
// erased it. Nothing reads that data any more, but LevelDB keeps an old value until
// a compaction happens to meet it, perhaps for ever.
//
// Each commit writes a record of what it erased, in the same batch, so that a crash
// forgets nothing. The eraser handles many records at once. It removes the pages of
// deleted events, makes LevelDB write out its memory table, which removes the
// journal, and compacts the key ranges from top to bottom, which removes the old
// values; see compact.go. Then it removes the records.
type eraser struct {
	wake    chan struct{} // there are records
	stop    chan struct{} // closed by Close: finish what is pending
	abandon chan struct{} // closed by Close after a timeout: leave the rest to the next start
	ended   chan struct{} // closed when eraseLoop has ended

	gather  time.Duration // how long it waits for more records before it begins
	pending atomic.Int64  // number of records

	mu     sync.RWMutex      // protects hidden
	hidden map[uint64]uint64 // stream number to the id up to which it is deleted, while such pages may exist
}

const (
	eraseGather = 5 * time.Second // compacting for many records costs little more than for one
	eraseMost   = 1000            // records at once
	erasePages  = 500             // pages removed at once, while commits wait,
	eraseBytes  = 4 << 20         // or this much data
	eraseRange  = 32 << 20        // data compacted at once, before other data's turn
	eraseRetry  = 5 * time.Second
	eraseStop   = 3 * time.Second // how long Close waits for it, and then for a merge under way
)

func (e *eraser) init() {
	e.wake = make(chan struct{}, 1)
	e.stop, e.abandon, e.ended = make(chan struct{}), make(chan struct{}), make(chan struct{})
	e.hidden = make(map[uint64]uint64)
	e.gather = eraseGather
}

// noteErased notes what a commit erased.
func (e *eraser) noteErased(operations []record.Operation) {
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

// removed notes that a stream's pages up to an id are gone.
func (e *eraser) removed(number, upTo uint64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.hidden[number] <= upTo {
		delete(e.hidden, number)
	}
}

// hiddenUpTo returns the id up to which a stream's events are deleted although
// their pages may still exist.
func (e *eraser) hiddenUpTo(number uint64) uint64 {
	if e.pending.Load() == 0 {
		return 0
	}
	e.mu.RLock()
	defer e.mu.RUnlock()
	return e.hidden[number]
}

// load reads the pending erasures of a database that was just opened: those that an
// earlier process left, or that a fault brought back, since records are removed
// without a sync. The caller has the turn, or is alone.
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

// close lets the eraser finish. If that takes too long, it leaves the rest to the
// next start.
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

// abandoned reports whether Close has stopped waiting for the eraser.
func (e *eraser) abandoned() bool {
	select {
	case <-e.abandon:
		return true
	default:
		return false
	}
}
