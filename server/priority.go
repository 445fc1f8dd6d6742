package server

import "time"

// writePriority makes writes go before the chunks of queries. A replay takes as much of
// the processors and of libzmq's I/O thread as it can get, and then writes that come
// faster than the rest allows wait longer and longer. So after each chunk, all other
// chunks wait, and they wait longer the more writes are under way: many writes leave
// replays a seventh of the loop's time, few writes leave them nearly all of it. The
// loop owns it.
type writePriority struct {
	until time.Time // when the next chunk may be sent
	held  []*conn   // that have a chunk to send then
}

const (
	priorityStep  = 64                    // for each so many writes, the wait grows by the time that the chunk took
	priorityMost  = 6                     // the wait is at most so many times that time
	priorityLimit = 20 * time.Millisecond // and at most this long
	priorityShort = 16 << 10              // bytes of a last or live chunk that need not wait
)

// short reports whether the rest of a task's answer, or its live events, are so few
// bytes that they need not wait behind replays.
func (t *task) short() bool {
	return (t.chunk.last || t.chunk.prompt) && len(t.chunk.packed)-t.sent <= priorityShort
}

// sent is called when a chunk was handed to libzmq. That began at began, and so many
// writes are under way.
func (p *writePriority) sent(began time.Time, writes int) {
	now := time.Now()
	took := now.Sub(began) * time.Duration(min(writes, priorityMost*priorityStep)) / priorityStep
	p.until = now.Add(min(took, priorityLimit))
}

// releaseHeld lets connections send the chunks that were held back, when it is time.
func (l *loop) releaseHeld(now time.Time) {
	p := &l.writePriority
	if len(p.held) == 0 || now.Before(p.until) {
		return
	}
	for i, c := range p.held {
		c.heldBack = false
		p.held[i] = nil
		l.flushLater(c)
	}
	p.held = p.held[:0]
}

// holdBack reports whether a connection's chunks have to wait, and remembers the
// connection if so.
func (l *loop) holdBack(c *conn, now time.Time) bool {
	p := &l.writePriority
	if !now.Before(p.until) {
		return false
	}
	if !c.heldBack {
		c.heldBack = true
		p.held = append(p.held, c)
	}
	return true
}
