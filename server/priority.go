package server

import "time"

// writePriority has writes go before the chunks of queries. A replay takes as much
// of the processors and of libzmq's I/O thread as it is given, and writes that
// come faster than what is left then wait longer and longer. So after each chunk
// all others wait, the longer the more writes are under way: many writes leave
// replays a seventh of the loop's time, few leave them nearly all. It is the
// loop's.
type writePriority struct {
	until time.Time
	held  []*conn // that have a chunk to send then
}

const (
	priorityStep  = 64                    // writes that have a chunk's time pass once more
	priorityMost  = 6                     // and how often it passes at most
	priorityLimit = 20 * time.Millisecond // however long a chunk took
	priorityShort = 16 << 10              // octets of an answer's end that do not wait
)

// short reports whether what is left of a task, or has just come for it, is so
// little that it need not wait behind replays.
func (t *task) short() bool {
	return (t.chunk.last || t.chunk.prompt) && len(t.chunk.packed)-t.sent <= priorityShort
}

// sent is called when a chunk has been handed to libzmq, which took from began
// on, while so many writes are under way.
func (p *writePriority) sent(began time.Time, writes int) {
	now := time.Now()
	took := now.Sub(began) * time.Duration(min(writes, priorityMost*priorityStep)) / priorityStep
	p.until = now.Add(min(took, priorityLimit))
}

// releaseHeld has connections send their chunks whose time has come.
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

// holdBack reports whether a connection's chunks have to wait.
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
