package server

import (
	"sync/atomic"
	"time"

	"gorewind/wire"
)

// keepaliveEvery is how long a follower hears nothing at most.
const keepaliveEvery = 10 * time.Second

// A follower that has had everything is parked in the hub, without a chunk: its
// part of a query.

// rest implements source.
func (q *query) rest(l *loop, t *task) bool {
	if !q.follow || !q.at.live || q.at.more {
		return false
	}
	if time.Since(t.lastSent) >= l.keepaliveEvery { // it was woken for what is not for it
		l.sendLive(t)
		return true
	}
	// Before the hub has it, since what wakes it comes as a post.
	q.parked = true
	l.parked.push(t)
	if l.hub.park(q) {
		return true
	}
	q.parked = false
	t.leave()
	return false
}

// woken is called when the hub has handed a follower on.
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
		t.away = true // it is on its way from the hub
	}
}

// sendKeepalives sends LIVE to the followers that have heard nothing for long.
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

// sendLive sends LIVE to a follower that is in no fifo and not in the hub.
func (l *loop) sendLive(t *task) {
	part := &t.chunk
	part.packed, part.last, part.prompt, part.epoch = part.pack(nil, wire.Live{}), false, true, l.erasures.now.Load()
	c := t.lane.conn
	c.inHand++
	l.charge(t, len(part.packed))
	c.toSend.push(t)
	l.flushLater(c)
}

// A reach is how far a query has come, for who looks at it from outside: its
// place is a reader's, the hub's or the loop's, by turns.
type reach struct {
	at  atomic.Uint64 // place.n
	end atomic.Uint64 // a follower's: the last that was there when it looked into the store
}

// Followers says how many there are, and how far the last of them is behind.
type Followers struct {
	Count     int
	Events    uint64 // of those who follow one stream
	Positions uint64 // of those who follow a selection
}

// Followers looks at the followers of a store whose last position is last. It
// takes the hub's lock and does not have the loop wait, save where it wants that
// lock: 20 ns for each follower, on the caller's processor, and a post would take
// as long on the loop's.
func (s *Server) Followers(last uint64) Followers { return s.loop.hub.lag(last) }

func (h *hub) lag(last uint64) (f Followers) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f.Count = len(h.followers)
	for q := range h.followers {
		switch at := q.reach.at.Load(); {
		case q.slot >= 0: // it waits: it has had everything
		case q.watch.selects != nil:
			f.Positions = max(f.Positions, last-min(at, last))
		default:
			end := max(q.watch.last, q.reach.end.Load())
			f.Events = max(f.Events, end-min(at, end))
		}
	}
	return f
}
