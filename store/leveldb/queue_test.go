package leveldb

import (
	"testing"
	"time"

	"gorewind/store"
)

func calls(q *queue, requests ...int) {
	for _, n := range requests {
		q.put(&call{reqs: make([]store.Append, n)})
	}
}

// busy returns a queue of whose calls the committer has 1000 requests.
func busy() *queue {
	q := new(queue)
	q.init()
	calls(q, 500, 500)
	q.wait(0)
	q.take(nil)
	return q
}

// TestGather: the committer waits for half of the requests that were in flight at
// once, and for nothing if callers wait for each answer.
func TestGather(t *testing.T) {
	const long = time.Hour
	q := new(queue)
	q.init()
	for _, n := range []int{1, 64, 1, 64, 1} { // one call under way: a small one does not wait for what the large one had
		calls(q, n)
		if !q.wait(long) || len(q.take(nil)) != 1 {
			t.Fatal("want the one call at once")
		}
	}
	calls(q, 60)
	if !q.wait(long) || len(q.take(nil)) != 1 {
		t.Fatal("want the call with more than ever at once")
	}
	calls(q, 40)     // while the 60 are being committed: so many as 100 are under way
	q.maxWait = long // so that it can be seen to wait
	gathered := make(chan bool)
	go func() { gathered <- q.wait(long) }() // ends when 50 wait
	waiting := func() int {
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.want
	}
	for deadline := time.Now().Add(10 * time.Second); waiting() != 50; {
		if time.Now().After(deadline) {
			t.Fatalf("want it to wait for 50, have %d", waiting())
		}
	}
	calls(q, 9)
	select {
	case <-gathered:
		t.Fatal("want it to wait for 50, have it content with 49")
	default:
	}
	if calls(q, 1); !<-gathered || len(q.take(nil)) != 3 {
		t.Fatal("want all that waits")
	}
}

// TestGatherGivesUp: the committer does not wait again and again for a number that
// was usual once.
func TestGatherGivesUp(t *testing.T) {
	q := busy()
	calls(q, 10)
	if !q.wait(time.Microsecond) || q.half() != 5 {
		t.Fatalf("want it to expect 5 from now on, have %d", q.half())
	}
	q.take(nil)
	if !q.pass(5) || q.pass(4) {
		t.Error("want 5 to pass, and 4 to wait for others")
	}
}

// TestGatherEndsWithClose: a closed queue waits for nobody.
func TestGatherEndsWithClose(t *testing.T) {
	q := busy()
	calls(q, 1)
	go q.close() // ends at once
	if !q.wait(time.Hour) {
		t.Error("want what waits before the end")
	}
	q.take(nil)
	if q.wait(time.Hour) || q.put(new(call)) || q.pass(1) {
		t.Error("want no more after close")
	}
}
