package leveldb

import (
	"sync"

	"gorewind/store"
)

// A call is one call of Append on its way through the committer.
type call struct {
	reqs    []store.Append
	done    func([]store.Result)
	results []store.Result
}

// A queue holds the calls that wait for the committer.
type queue struct {
	mu     sync.Mutex // protects the fields below
	filled *sync.Cond // calls is not empty, or closed is set
	calls  []*call
	closed bool
}

func (q *queue) init() { q.filled = sync.NewCond(&q.mu) }

// put reports false, and takes nothing, after close.
func (q *queue) put(c *call) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.calls = append(q.calls, c)
	q.filled.Signal()
	return true
}

// wait waits for calls. It reports false when the queue was closed and is empty.
func (q *queue) wait() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.calls) == 0 && !q.closed {
		q.filled.Wait()
	}
	return len(q.calls) > 0
}

// open reports whether nothing waits and close was not called.
func (q *queue) open() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.calls) == 0 && !q.closed
}

// take returns all calls there are. It reuses spare for what comes next.
func (q *queue) take(spare []*call) []*call {
	q.mu.Lock()
	defer q.mu.Unlock()
	calls := q.calls
	clear(spare)
	q.calls = spare[:0]
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
