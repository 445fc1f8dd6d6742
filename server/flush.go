package server

import (
	"container/heap"
	"time"

	"gorewind/server/internal/zsock"
)

func (l *loop) flushLater(c *conn) {
	if !c.flushing {
		c.flushing = true
		l.flushes = append(l.flushes, c)
	}
}

// flushAll sends what the peers take.
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

// flush sends a connection's answers, then a turn of its tasks' chunks.
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
		if l.sentChunk(t, began); c.muted { // what waited behind it was too much
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

// resume lets requests go on whose answers were held back.
func (l *loop) resume(c *conn) {
	held := c.held
	c.held = nil
	for _, ln := range held {
		ln.held = false
		l.advance(ln)
	}
}

// send hands messages to libzmq and reports whether it took all. Where the peer
// is gone it drops c.
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

// sentAnswers takes n octets off what waits.
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

// When a full connection is tried again: soon at first, then less often.
const (
	firstRetry = 100 * time.Microsecond
	lastRetry  = 50 * time.Millisecond
	lazyRetry  = 500 * time.Millisecond // once its tasks gave back their chunks
	holdChunks = time.Second            // that long a full connection's tasks keep them
)

// block takes note that a connection takes no more.
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

func (l *loop) unblock(c *conn) {
	if c.heapSlot >= 0 {
		heap.Remove(&l.retries, c.heapSlot)
	}
	if c.full {
		l.stats.Blocked.Add(-1)
		c.full, c.backoff = false, 0
	}
}

// retry tries the full connections whose time has come.
func (l *loop) retry(now time.Time) {
	for len(l.retries) > 0 && !l.retries[0].retryAt.After(now) {
		c := heap.Pop(&l.retries).(*conn)
		switch {
		case c.unread() > 0 || c.toSend.len > 0:
			l.flushLater(c)
		case c.inHand > 0 || c.toRead.len > 0:
			l.readLater(c) // one event, to see whether it is taken
		default:
			l.unblock(c)
		}
	}
}

// retries orders full connections by when to try them again.
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
