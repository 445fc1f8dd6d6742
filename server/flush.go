package server

import (
	"container/heap"
	"time"

	"gorewind/server/internal/zsock"
)

// flushLater puts a connection on the list of those that may have something to send.
func (l *loop) flushLater(c *conn) {
	if !c.flushing {
		c.flushing = true
		l.flushes = append(l.flushes, c)
	}
}

// flushAll sends as much as the peers take.
func (l *loop) flushAll() error {
	todo := l.flushes
	l.flushes = nil
	for i, c := range todo {
		c.flushing = false
		todo[i] = nil
		if err := l.flush(c); err != nil {
			return err
		}
	}
	if l.flushes == nil {
		l.flushes = todo[:0]
	}
	return nil
}

// flush sends a connection's answers, then one chunk of each task that has one.
func (l *loop) flush(c *conn) error {
	if c.dead || c.muted || c.full && time.Now().Before(c.retryAt) {
		return nil
	}
	progress := false
	if c.unread() > 0 {
		n, ok, err := l.send(c, c.out[c.outAt:])
		if err != nil || c.dead {
			return err
		}
		l.sentAnswers(c, n)
		progress = n > 0
		if !ok {
			l.block(c, progress)
			return nil
		}
		l.unblock(c)
		l.resume(c)
	}
	for range c.toSend.len {
		t := c.toSend.first
		if l.stale(t) {
			t.leave()
			l.giveBack(t)
			c.toRead.pushFront(t)
			continue
		}
		began := time.Now()
		if !t.short() && l.holdBack(c, began) {
			l.readLater(c)
			return nil
		}
		n, ok, err := l.send(c, t.chunk.packed[t.sent:])
		l.writePriority.sent(began, l.queued)
		if err != nil || c.dead {
			return err
		}
		t.sent += n
		progress = progress || n > 0
		if !ok {
			l.block(c, progress)
			return nil
		}
		l.unblock(c)
		t.leave()
		if l.sentChunk(t, began); c.muted { // the requests behind the chunk may have exceeded a limit
			return nil
		}
	}
	l.unblock(c)
	if c.unread() > 0 || c.toSend.len > 0 {
		l.flushLater(c)
	}
	l.readLater(c)
	return nil
}

// resume advances the lanes whose answers were held back.
func (l *loop) resume(c *conn) {
	held := c.held
	c.held = nil
	for _, ln := range held {
		ln.held = false
		l.advance(ln)
	}
}

// send hands packed messages to libzmq. It returns how many bytes libzmq took and
// reports whether that was all. If the peer is gone, it drops c.
func (l *loop) send(c *conn, packed []byte) (n int, ok bool, err error) {
	for {
		sent, state, err := l.transport.Send(c.id, c.peer, c.chosen, packed[n:])
		n += sent
		switch {
		case err != nil:
			return n, false, err
		case state == zsock.PeerGone:
			l.drop(c)
			return n, false, nil
		case state != zsock.SendNews:
			return n, state == zsock.SentAll, nil
		}
		if l.observe(); c.dead {
			return n, false, nil
		}
	}
}

// sentAnswers removes n bytes of sent answers from what waits.
func (l *loop) sentAnswers(c *conn, n int) {
	const keep = 64 << 10
	l.unread -= n
	c.outAt += n
	switch {
	case c.outAt == len(c.out) && cap(c.out) > keep:
		c.out, c.outAt = nil, 0
	case c.outAt == len(c.out):
		c.out, c.outAt = c.out[:0], 0
	case c.outAt > keep && c.outAt > len(c.out)/2:
		c.out, c.outAt = append([]byte(nil), c.out[c.outAt:]...), 0
	}
}

// A full connection is tried again soon at first, then less often.
const (
	firstRetry = 100 * time.Microsecond
	lastRetry  = 50 * time.Millisecond
	lazyRetry  = 500 * time.Millisecond // once its tasks gave their chunks back
	holdChunks = time.Second            // for so long, the tasks of a full connection keep their chunks
)

// block notes that a connection takes no more messages, and when to try again.
func (l *loop) block(c *conn, progress bool) {
	now := time.Now()
	if !c.full || progress {
		if !c.full {
			l.stats.Blocked.Add(1)
		}
		c.full, c.since, c.backoff = true, now, firstRetry
	} else if now.Sub(c.since) < holdChunks {
		c.backoff = min(c.backoff*3/2, lastRetry)
	} else {
		c.backoff = min(c.backoff*3/2, lazyRetry)
		for t := c.toSend.last; t != nil; t = c.toSend.last {
			t.leave()
			l.giveBack(t)
			c.toRead.pushFront(t)
		}
	}
	c.retryAt = now.Add(c.backoff)
	if c.heapSlot < 0 {
		heap.Push(&l.retries, c)
	} else {
		heap.Fix(&l.retries, c.heapSlot)
	}
}

// unblock notes that a connection takes messages again.
func (l *loop) unblock(c *conn) {
	if c.heapSlot >= 0 {
		heap.Remove(&l.retries, c.heapSlot)
	}
	if c.full {
		l.stats.Blocked.Add(-1)
		c.full, c.backoff = false, 0
	}
}

// retry tries the full connections that are due.
func (l *loop) retry(now time.Time) {
	for len(l.retries) > 0 && !l.retries[0].retryAt.After(now) {
		c := heap.Pop(&l.retries).(*conn)
		switch {
		case c.unread() > 0 || c.toSend.len > 0:
			l.flushLater(c)
		case c.inHand > 0 || c.toRead.len > 0:
			l.readLater(c) // read one event, to see whether the peer takes it
		default:
			l.unblock(c)
		}
	}
}

// retries is a heap of full connections by the time of their next try.
type retries []*conn

var _ heap.Interface = (*retries)(nil)

func (h retries) Len() int { return len(h) }

func (h retries) Less(i, j int) bool { return h[i].retryAt.Before(h[j].retryAt) }

func (h retries) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heapSlot, h[j].heapSlot = i, j
}

func (h *retries) Push(x any) {
	c := x.(*conn)
	c.heapSlot = len(*h)
	*h = append(*h, c)
}

func (h *retries) Pop() any {
	old := *h
	c := old[len(old)-1]
	*h = old[:len(old)-1]
	c.heapSlot = -1
	return c
}
