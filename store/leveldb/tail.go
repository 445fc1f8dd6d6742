package leveldb

import (
	"context"
	"iter"
	"sync"
	"unsafe"

	"gorewind/store"
	"gorewind/store/leveldb/internal/logscan"
)

// recentBytes is how much memory the newest commits may take. Followers that are
// farther behind read from the database.
const recentBytes = 4 << 20

// recent holds the newest commits for followers.
type recent struct {
	mu        sync.Mutex // protects the fields below
	followers int
	commits   []recentCommit // without a gap; the last one ends at last
	bytes     int
	last      uint64        // position of the newest commit
	grown     chan struct{} // closed and replaced when last rises or closed is set
	closed    bool
}

type recentCommit struct {
	before uint64 // position that the commit follows
	events []store.Event
	bytes  int
}

func (r *recent) init() { r.grown = make(chan struct{}) }

// followed reports whether anybody follows.
func (r *recent) followed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.followers > 0
}

func (r *recent) join(n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.followers += n
}

// addCommit makes a commit known; events is nil if nobody followed when it was
// made. If it erased something, the older commits are dropped, so that followers
// read them again.
func (r *recent) addCommit(last uint64, events []store.Event, erased bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if events == nil || erased {
		r.commits, r.bytes = nil, 0
	}
	if events != nil {
		const eventSize = int(unsafe.Sizeof(store.Event{}))
		c := recentCommit{before: r.last, events: events, bytes: cap(events) * eventSize}
		for i := range events {
			c.bytes += len(events[i].Data)
		}
		r.commits = append(r.commits, c)
		r.bytes += c.bytes
	}
	for r.bytes > recentBytes && len(r.commits) > 1 {
		r.bytes -= r.commits[0].bytes
		r.commits[0] = recentCommit{}
		r.commits = r.commits[1:]
	}
	r.last = last
	close(r.grown)
	r.grown = make(chan struct{})
}

func (r *recent) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	close(r.grown)
	r.grown = make(chan struct{})
}

// after returns the events of the commit that holds the position after from, if it
// is in memory, and the commit's last position. Otherwise behind reports whether
// the database has it; if not, grown is closed when it is time to ask again.
func (r *recent) after(from uint64) (events []store.Event, upTo uint64, behind, closed bool, grown <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if from >= r.last {
		return nil, from, false, r.closed, r.grown
	}
	upTo = r.last
	for i := len(r.commits) - 1; i >= 0; i-- {
		c := &r.commits[i]
		if c.before <= from {
			return since(c.events, from), upTo, false, false, nil
		}
		upTo = c.before
	}
	return nil, from, true, false, nil
}

// since returns the events with a position greater than from.
func since(events []store.Event, from uint64) []store.Event {
	for len(events) > 0 && events[0].Position <= from {
		events = events[1:]
	}
	return events
}

// Tail implements store.Store.
func (d *DB) Tail(ctx context.Context, from uint64) iter.Seq2[[]store.Event, error] {
	return func(yield func([]store.Event, error) bool) {
		d.recent.join(+1)
		defer d.recent.join(-1)
		for {
			events, upTo, behind, closed, grown := d.recent.after(from)
			var err error
			switch {
			case behind:
				w := scanChunk{stretch: stretch{after: from, upTo: d.tip().Position}, events: logscan.ChunkEvents, bytes: recentBytes}
				var read []store.Event
				read, upTo, err = d.readScanChunk(ctx, nil, &w)
				events = make([]store.Event, 0, len(read))
				for e := range w.inOrder(read) {
					events = append(events, *e)
				}
			case closed:
				err = store.ErrClosed
			case grown != nil:
				select {
				case <-grown:
				case <-ctx.Done():
					err = ctx.Err()
				}
			}
			if err != nil {
				yield(nil, err)
				return
			}
			from = upTo
			if len(events) == 0 {
				continue
			}
			if !yield(events, nil) {
				return
			}
		}
	}
}
