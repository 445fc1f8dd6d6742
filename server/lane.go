package server

import (
	"slices"

	"gorewind/server/internal/pack"
	"gorewind/wire"
)

// A lane is the requests of one envelope of a connection. They take effect and are
// answered one after the other, except that neighbouring writes go to the store
// together.
type lane struct {
	conn     *conn
	key      string
	envelope pack.Envelope
	writes   int   // that the store has yet to answer
	task     *task // that is running, or nil
	queue    []request
	open     []*task // tasks in queue that CANCEL can end, oldest first
	held     bool    // it is in conn.held
}

// forget drops the lane from its connection if nothing is left to do in it.
func (ln *lane) forget() {
	if ln.key != "" && ln.idle() {
		delete(ln.conn.lanes, ln.key)
	}
}

// idle reports whether a request of any kind may take effect now.
func (ln *lane) idle() bool { return ln.writes == 0 && ln.ready() }

// ready reports whether a write may take effect now.
func (ln *lane) ready() bool { return ln.task == nil && len(ln.queue) == 0 }

// closed takes a task out of open, if it is there.
func (ln *lane) closed(t *task) {
	ln.open = slices.DeleteFunc(ln.open, func(other *task) bool { return other == t })
}

// opened takes the first task off open.
func (ln *lane) opened() {
	ln.open[0] = nil
	if ln.open = ln.open[1:]; len(ln.open) == 0 {
		ln.open = nil
	}
}

// lane returns the lane of an envelope, given as its frames. It makes one if there is
// none.
func (c *conn) lane(frames [][]byte) *lane {
	if len(frames) == 0 {
		return &c.plain
	}
	var scratch [wire.MaxEnvelopeBytes + 4*wire.MaxEnvelopeFrames]byte
	packed := pack.Frames(scratch[:0], frames...)
	if ln, ok := c.lanes[string(packed)]; ok {
		return ln
	}
	key := string(packed)
	ln := &lane{conn: c, key: key, envelope: pack.NewEnvelope(len(frames), key)}
	if c.lanes == nil {
		c.lanes = make(map[string]*lane)
	}
	c.lanes[key] = ln
	return ln
}

// A request waits in its lane until those before it are answered. One of its fields is
// set.
type request struct {
	write  write
	task   *task
	info   bool
	packed []byte // an answer that only waits for its turn
}

// memory returns how many bytes a waiting request keeps, with some overhead.
func (ln *lane) memory(r *request) int {
	n := 512 + len(ln.key) + len(r.packed)
	if r.write != nil {
		n += r.write.memory()
	}
	if r.task != nil {
		n += r.task.size
	}
	return n
}

// count adds n, 1 or -1, times a request to what waits in its connection.
func (ln *lane) count(r *request, n int) {
	ln.conn.waiting += n
	ln.conn.waitingBytes += n * ln.memory(r)
}

// wait queues a request behind others of its lane.
func (l *loop) wait(ln *lane, r request) {
	c := ln.conn
	if c.dead {
		return // the answer could not be sent
	}
	ln.queue = append(ln.queue, r)
	ln.count(&r, +1)
	l.boundWaiting(c)
}

// boundWaiting gives a connection up if too many of its requests wait.
func (l *loop) boundWaiting(c *conn) {
	if c.waiting > maxWaiting || c.waitingBytes > maxWaitingBytes {
		l.giveUp(c, "too many of its requests wait for earlier ones to finish")
	}
}

// advance lets waiting requests of a lane take effect, in order, until one has to wait.
func (l *loop) advance(ln *lane) {
	for len(ln.queue) > 0 && ln.task == nil {
		r := ln.queue[0]
		if ln.writes > 0 && r.write == nil {
			return
		}
		if c := ln.conn; c.unread() > holdAnswers {
			if !ln.held {
				ln.held = true
				c.held = append(c.held, ln)
			}
			return
		}
		ln.queue[0] = request{}
		if ln.queue = ln.queue[1:]; len(ln.queue) == 0 {
			ln.queue = nil
		}
		ln.count(&r, -1)
		switch {
		case r.write != nil:
			r.write.stage(l, ln)
		case r.task != nil:
			l.start(r.task)
		case r.info:
			l.answer(ln, ln.envelope.Pack(nil, l.info().Frames()))
		default:
			l.answer(ln, r.packed)
		}
	}
	ln.forget()
}

// reply answers a request, after those before it in its lane.
func (l *loop) reply(ln *lane, r wire.Reply) {
	packed := ln.envelope.Pack(nil, r.Frames())
	if ln.idle() {
		l.answer(ln, packed)
		return
	}
	l.wait(ln, request{packed: packed})
}

// refuse answers a request with an ERROR, after those before it in its lane.
func (l *loop) refuse(ln *lane, e *wire.Error) {
	l.stats.refused(e)
	l.reply(ln, e)
}

// respond answers a request whose turn it is.
func (l *loop) respond(ln *lane, r wire.Reply) {
	if e, ok := r.(*wire.Error); ok {
		l.stats.refused(e)
	}
	l.answer(ln, ln.envelope.Pack(nil, r.Frames()))
}

// answer appends a packed answer to what waits for the peer of a lane.
func (l *loop) answer(ln *lane, packed []byte) {
	c := ln.conn
	if c.dead || c.muted {
		return
	}
	c.out = append(c.out, packed...)
	l.answered(c, len(packed))
}

// answered counts answers that were appended to c.out, and has them sent.
func (l *loop) answered(c *conn, size int) {
	l.unread += size
	if c.full && (c.unread() > maxUnreadBytes || l.unread > maxUnreadTotal) {
		l.giveUp(c, "too many unread replies")
		return
	}
	l.flushLater(c)
}
