package leveldb

import (
	"sync"
	"time"
)

// A queue holds the calls that wait for the committer.
//
// While the disk syncs a commit, the next one gathers. Where callers have many
// requests under way, that alone makes commits far smaller than they could be:
// the faster the disk, the smaller, until most of the machine's time goes into
// commits rather than events. So the queue remembers how many requests were
// under way at once, and before a commit waits a little for half of that: the
// other half is what callers ask for meanwhile. It never waits for more than
// there were, and so not at all for a caller who waits for each answer.
type queue struct {
	mu     sync.Mutex // protects the fields below
	filled *sync.Cond // there are want requests, or it is late, or closed is set
	calls  []*call
	count  int // requests in calls
	taken  int // requests that the committer has
	peak   int // most requests of both at once, of more than one call
	want   int // how many the committer waits for
	closed bool

	patience time.Duration // how long it waits for more at most; gatherTime but in tests
}

const (
	gatherMost = 1000             // requests that the queue waits for at most
	gatherTime = time.Millisecond // and how long, or
	gatherSync = 3                // so many times the last sync, if that is less
)

func (q *queue) init() {
	q.filled = sync.NewCond(&q.mu)
	q.patience = gatherTime
}

// put reports false, and takes nothing, after close.
func (q *queue) put(c *call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	alone := q.count+q.taken == 0
	q.calls = append(q.calls, c)
	q.count += c.size()
	if !alone {
		q.peak = max(q.peak, q.count+q.taken)
	}
	if q.count >= q.want {
		q.filled.Signal()
	}
	return true
}

// half returns how many requests the next commit should have.
func (q *queue) half() int { return min(q.peak/2, gatherMost) }

// wait waits for calls, and then for more, if there are usually more, as long as
// that pays when a sync takes so long. It reports false when the queue was closed
// and is empty.
func (q *queue) wait(sync time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken = 0
	for len(q.calls) == 0 && !q.closed {
		q.filled.Wait()
	}
	if half := q.half(); q.count < half && !q.closed {
		q.gather(half, min(gatherSync*sync, q.patience))
	}
	return len(q.calls) > 0
}

func (q *queue) gather(want int, limit time.Duration) {
	q.want = want
	late := false
	timer := time.AfterFunc(limit, func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		late = true
		q.filled.Signal()
	})
	defer timer.Stop()
	for q.count < want && !late && !q.closed {
		q.filled.Wait()
	}
	q.want = 0
	if q.count < want {
		q.peak = q.count // there are fewer under way by now
	}
}

// pass reports whether a call of n requests need not wait: nothing else does, and
// there are seldom more at once.
func (q *queue) pass(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.calls) == 0 && !q.closed && n >= q.half()
}

// take returns all calls there are. It reuses spare for what comes next.
func (q *queue) take(spare []*call) []*call {
	q.mu.Lock()
	defer q.mu.Unlock()
	calls := q.calls
	clear(spare)
	q.calls = spare[:0]
	q.taken, q.count = q.count, 0
	return calls
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.filled.Broadcast()
}

func (q *queue) isClosed() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.closed
}
