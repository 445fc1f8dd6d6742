package server

import (
	"sync/atomic"
	"time"

	"gorewind/wire"
)

// keepaliveEvery is the longest time that a follower goes without a message.
const keepaliveEvery = 10 * time.Second

// A follower that has had everything is parked in the hub, without a chunk. This file
// is that part of a query.

// suspend implements source.
func (q *query) suspend(l *loop, t *task) bool {
	if !q.follow || !q.at.live || q.at.more {
		return false
	}
	if time.Since(t.lastSent) >= l.keepaliveEvery { // events woke it that are not for it
		l.sendLive(t)
		return true
	}
	// Mark it before the hub has it: the hub wakes it by a post.
	q.parked = true
	l.parked.push(t)
	if l.hub.park(q) {
		return true
	}
	q.parked = false
	t.leave()
	return false
}

// woken is called when the hub has handed a follower back.
func (l *loop) woken(t *task) {
	t.source.(*query).parked = false
	t.away = false
	t.leave()
	c := t.lane.conn
	c.inHand++
	switch {
	case t.ended:
		l.releaseChunk(t)
	case len(t.chunk.packed) > 0:
		c.toSend.push(t)
		l.flushLater(c)
	default:
		l.releaseChunk(t)
		c.toRead.push(t)
		l.readLater(c)
	}
}

// end implements source.
func (q *query) end(l *loop, t *task) {
	if !q.follow {
		return
	}
	if !l.hub.leave(q) && q.parked {
		t.away = true // the hub has posted it to the loop
	}
}

// sendKeepalives sends LIVE to the followers that were sent nothing for keepaliveEvery.
func (l *loop) sendKeepalives(now time.Time) {
	if l.parked.len == 0 || now.Before(l.keepaliveAt) {
		return
	}
	l.keepaliveAt = now.Add(l.keepaliveEvery / 10)
	for t := l.parked.first; t != nil; {
		next := t.link.next
		if q := t.source.(*query); now.Sub(t.lastSent) >= l.keepaliveEvery && l.hub.take(q) {
			q.parked = false
			t.leave()
			l.sendLive(t)
		}
		t = next
	}
}

// sendLive sends LIVE to a follower that is neither in a fifo nor in the hub.
func (l *loop) sendLive(t *task) {
	part := &t.chunk
	part.packed, part.last, part.prompt, part.epoch = part.pack(nil, wire.Live{}), false, true, l.erasures.now.Load()
	c := t.lane.conn
	c.inHand++
	l.charge(t, len(part.packed))
	c.toSend.push(t)
	l.flushLater(c)
}

// progress is how far a query has come, for other goroutines to read. The place
// itself belongs to whoever has the task.
type progress struct {
	at  atomic.Uint64 // place.n
	end atomic.Uint64 // a follower's: last id or position in the store when it last read
}

// Followers says how many followers there are, and how far the slowest of them is
// behind.
type Followers struct {
	Count     int
	Events    uint64 // behind in its stream, for followers of one stream
	Positions uint64 // behind in the store, for followers of selections
}

// Followers returns figures about the followers of a store whose last position is last.
// It takes the hub's lock, 20 ns for each follower, and does not post to the loop.
func (s *Server) Followers(last uint64) Followers { return s.loop.hub.lag(last) }

func (h *hub) lag(last uint64) (f Followers) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f.Count = len(h.followers)
	for q := range h.followers {
		switch at := q.progress.at.Load(); {
		case q.slot >= 0: // it waits: it has had everything
		case q.watch.selects != nil:
			f.Positions = max(f.Positions, last-min(at, last))
		default:
			end := max(q.watch.last, q.progress.end.Load())
			f.Events = max(f.Events, end-min(at, end))
		}
	}
	return f
}
