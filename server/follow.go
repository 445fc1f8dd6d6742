package server

import (
	"time"

	"gorewind/wire"
)

// liveEvery is how long a follower hears nothing at most.
const liveEvery = 10 * time.Second

// A follower that has had everything is parked in the hub, without a chunk: its
// part of a query.

// rest implements source.
func (q *query) rest(l *loop, t *task) bool {
	if !q.follow || !q.at.live || q.at.more {
		return false
	}
	if time.Since(t.heard) >= l.liveEvery { // it was woken for what is not for it
		l.tellLive(t)
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

// enliven sends LIVE to the followers that have heard nothing for long.
func (l *loop) enliven(now time.Time) {
	if l.parked.len == 0 || now.Before(l.enlivenAt) {
		return
	}
	l.enlivenAt = now.Add(l.liveEvery / 10)
	for t := l.parked.first; t != nil; {
		next := t.link.next
		if q := t.source.(*query); now.Sub(t.heard) >= l.liveEvery && l.hub.take(q) {
			q.parked = false
			t.leave()
			l.tellLive(t)
		}
		t = next
	}
}

// tellLive sends LIVE to a follower that is in no fifo and not in the hub.
func (l *loop) tellLive(t *task) {
	part := &t.chunk
	part.packed, part.last, part.prompt, part.epoch = part.pack(nil, wire.Live{}), false, true, l.erasures.now.Load()
	c := t.lane.conn
	c.inHand++
	l.charge(t, len(part.packed))
	c.toSend.push(t)
	l.flushLater(c)
}
