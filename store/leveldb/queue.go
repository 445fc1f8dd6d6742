package leveldb

import (
	"sync"
	"time"
)

// A queue holds the calls that wait for the committer.
//
// While the disk syncs one commit, the next one gathers. If callers keep many
// requests in flight, that alone makes commits too small: the faster the disk, the
// smaller the commits, until most of the machine's time goes into commits rather
// than events. So the queue remembers how many requests were in flight at once, and
// waits a little before a commit until it has half of them; callers send the other
// half meanwhile. It never waits for more than there were, so it does not delay a
// caller that waits for each answer.
type queue struct {
	mu     sync.Mutex // protects the fields below
	filled *sync.Cond // signals that want requests are there, the wait is over, or closed is set
	calls  []*call
	count  int // requests in calls
	taken  int // requests that the committer is working on
	peak   int // most requests of both at once, of more than one call
	want   int // number of requests the committer waits for
	closed bool

	maxWait time.Duration // longest wait for more requests; gatherTime except in tests
}

const (
	gatherMost = 1000             // most requests to wait for
	gatherTime = time.Millisecond // longest wait, or
	gatherSync = 3                // this many times the last sync, if that is less
)

func (q *queue) init() {
	q.filled = sync.NewCond(&q.mu)
	q.maxWait = gatherTime
}

// put adds a call. After close it takes nothing and returns false.
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

// wait waits for calls, and then for more if more are usual, as long as that pays
// given the time of a sync. It reports false when the queue is closed and empty.
func (q *queue) wait(sync time.Duration) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.taken = 0
	for len(q.calls) == 0 && !q.closed {
		q.filled.Wait()
	}
	if half := q.half(); q.count < half && !q.closed {
		q.gather(half, min(gatherSync*sync, q.maxWait))
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
		q.peak = q.count // fewer are in flight by now
	}
}

// pass reports whether a call of n requests may skip the queue: nothing waits, and
// there are seldom more at once.
func (q *queue) pass(n int) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.calls) == 0 && !q.closed && n >= q.half()
}

// take returns all waiting calls. It reuses spare for the calls that come next.
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
