package leveldb

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// An eraser has bytes leave the disk after the commit that replaced or deleted
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
	eraseBytes  = 4 << 20         // or so much data
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
