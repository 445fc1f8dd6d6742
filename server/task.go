package server

import (
	"context"
	"time"

	"gorewind/store"
	"gorewind/wire"
)

// A task is a request whose answer takes time. Readers read the answer in chunks; the
// next chunk is read only after the last one was sent. Between chunks a task keeps
// nothing but its source's place.
//
// The loop has the task, or hands it over: to a reader while it is away, or to the hub
// while its follower is parked. The chunk and the source's place go with it.
type task struct {
	// Constant.
	lane   *lane
	source source
	size   int // bytes that the source keeps of the request

	chunk chunk // owned by whoever has the task

	// The loop's, even while somebody else has the task.
	away      bool // a reader has it; or it has ended but is still on its way from the hub
	link      link
	sent      int       // bytes of the chunk that were sent
	lastSent  time.Time // when the peer was last sent something
	ended     bool
	counted   bool // it counts in conn.running
	cancelled bool // before it began
}

// A source is what a command supplies to a task.
type source interface {
	claim

	// begin is called when the task begins.
	begin(l *loop, t *task)

	// chunkSize returns how many bytes a chunk may have before its last event.
	chunkSize() int

	// fill packs the next chunk, starting at the place. A reader calls it. An empty
	// chunk that is not the last one means that there is nothing to read at the moment.
	fill(ctx context.Context, r *reader, c *chunk)

	// pass moves the place past a message that was sent, and passAll past the whole
	// chunk.
	pass(frames [][]byte)
	passAll()

	// stale reports whether the chunk may hold events that were erased after it was
	// read.
	stale(c *chunk, e *erasures) bool

	// suspend is called when a chunk was sent or was empty. It reports whether the task
	// now waits for something else than a reader.
	suspend(l *loop, t *task) bool

	// end is called when the task has ended.
	end(l *loop, t *task)

	// cancelled returns the answer to CANCEL, or nil if the task cannot be cancelled.
	cancelled() wire.Reply
}

// baseSource implements the methods that most sources do not need.
type baseSource struct{}

func (baseSource) begin(*loop, *task)           {}
func (baseSource) chunkSize() int               { return chunkBytes }
func (baseSource) pass([][]byte)                {}
func (baseSource) passAll()                     {}
func (baseSource) stale(*chunk, *erasures) bool { return false }
func (baseSource) suspend(*loop, *task) bool    { return false }
func (baseSource) end(*loop, *task)             {}
func (baseSource) cancelled() wire.Reply        { return nil }

// task starts a request whose answer takes time, or queues it in its lane. size is the
// number of bytes that its source keeps of the request.
func (l *loop) task(ln *lane, s source, size int) {
	if ln.conn.dead {
		return
	}
	if !l.allowed(ln, s) {
		return
	}
	t := &task{lane: ln, source: s, size: size, chunk: chunk{envelope: ln.envelope}}
	if ln.idle() {
		l.start(t)
		return
	}
	if t.source.cancelled() != nil {
		ln.open = append(ln.open, t)
	}
	l.wait(ln, request{task: t})
}

// start begins a task. It schedules the task, or makes it wait while its connection
// runs too many.
func (l *loop) start(t *task) {
	ln := t.lane
	if len(ln.open) > 0 && ln.open[0] == t {
		ln.opened()
	}
	switch {
	case t.cancelled:
		l.respond(ln, t.source.cancelled())
		return
	case l.stopping:
		l.respond(ln, stopping())
		return
	}
	c := ln.conn
	ln.task = t
	l.stats.Queries.Add(1)
	l.stats.QueriesRunning.Add(1)
	t.source.begin(l, t)
	if c.later.len > 0 || !c.hasRoom(t) {
		c.later.push(t)
		ln.count(&request{task: t}, +1)
		l.boundWaiting(c)
		return
	}
	l.schedule(c, t)
}

// hasRoom reports whether one more task of the connection may run.
func (c *conn) hasRoom(t *task) bool {
	return c.running < maxRunning && c.kept+t.size <= maxRunningBytes
}

// schedule runs a task: it is to be read next.
func (l *loop) schedule(c *conn, t *task) {
	c.running++
	c.kept += t.size
	t.counted = true
	c.toRead.push(t)
	l.readLater(c)
}

// readLater puts a connection on the list of those whose tasks may need reading.
func (l *loop) readLater(c *conn) {
	if !c.readable && c.toRead.len > 0 {
		c.readable = true
		l.reads = append(l.reads, c)
	}
}

// readNext hands tasks to the readers, one connection after the other.
func (l *loop) readNext() {
	for len(l.reads) > 0 {
		c := l.reads[0]
		probing := c.full && c.heapSlot < 0 && c.inHand == 0
		t := c.toRead.first
		skip := c.dead || c.muted || t == nil || c.inHand >= maxReadAhead || c.full && !probing
		charge := 0
		if !skip {
			charge = t.source.chunkSize() + l.maxEvent // the largest size that the chunk can reach
			if l.inHand.Load()+int64(charge) > maxChunkBytes {
				return
			}
		}
		l.reads[0] = nil
		if l.reads = l.reads[1:]; len(l.reads) == 0 {
			l.reads = nil
		}
		c.readable = false
		if skip {
			continue
		}
		t.leave()
		c.inHand++
		l.reading++
		l.charge(t, charge)
		t.chunk.small = probing
		t.chunk.prompt = false
		t.away = true
		l.jobs <- t
		l.readLater(c)
	}
}

// charge makes a task's chunk count as n bytes, instead of what it counted before.
// Whoever has the task may call it.
func (l *loop) charge(t *task, n int) {
	more := int64(n - t.chunk.charge)
	l.inHand.Add(more)
	t.lane.conn.charged.Add(more)
	t.chunk.charge = n
}

// read is called when a reader has filled a task's chunk.
func (l *loop) read(t *task) {
	t.away = false
	l.reading--
	l.charge(t, len(t.chunk.packed))
	c := t.lane.conn
	switch {
	case t.ended:
		l.releaseChunk(t)
	case len(t.chunk.packed) > 0:
		c.toSend.push(t)
		l.flushLater(c)
		return
	default:
		l.releaseChunk(t)
		t.source.passAll()
		l.next(t)
	}
	if c.full && c.heapSlot < 0 && c.inHand == 0 && c.toRead.len == 0 {
		l.unblock(c) // there is nothing to probe the connection with
	}
	l.readLater(c)
}

// next makes a task read on, unless it waits for something else.
func (l *loop) next(t *task) {
	if !t.source.suspend(l, t) {
		t.lane.conn.toRead.push(t)
	}
}

func (l *loop) releaseChunk(t *task) {
	t.lane.conn.inHand--
	l.charge(t, 0)
	t.sent = 0
	recycleChunk(t.chunk.packed)
	t.chunk.packed = nil
}

// giveBack drops what is unsent of a chunk. The task will read it again.
func (l *loop) giveBack(t *task) {
	unsent := len(t.chunk.packed) - t.sent
	for rest := t.chunk.packed; len(rest) > unsent; {
		var frames [][]byte
		frames, rest = t.lane.envelope.Unpack(rest)
		t.source.pass(frames)
	}
	l.releaseChunk(t)
}

// stale reports whether a chunk must not be sent because some of its events were
// erased.
func (l *loop) stale(t *task) bool {
	now := l.erasures.now.Load()
	if t.chunk.epoch == now || len(t.chunk.packed) == 0 {
		return false
	}
	if t.source.stale(&t.chunk, &l.erasures) {
		return true
	}
	t.chunk.epoch = now
	return false
}

// sentChunk is called when libzmq has taken all of a task's chunk.
func (l *loop) sentChunk(t *task, at time.Time) {
	l.releaseChunk(t)
	t.source.passAll()
	t.lastSent = at
	if !t.chunk.last {
		l.next(t)
		return
	}
	if t.chunk.failed != nil {
		l.stats.refused(t.chunk.failed)
	}
	l.endTask(t.lane)
	l.advance(t.lane)
}

// endTask ends a lane's task, if it has one.
func (l *loop) endTask(ln *lane) {
	t := ln.task
	if t == nil {
		return
	}
	ln.task = nil
	t.ended = true
	l.stats.QueriesRunning.Add(-1)
	t.source.end(l, t)
	t.leave()
	if !t.away && t.chunk.packed != nil {
		l.releaseChunk(t)
	}
	c := ln.conn
	if !t.counted {
		if !c.dead && !c.muted {
			ln.count(&request{task: t}, -1)
		}
	} else {
		c.running--
		c.kept -= t.size
	}
	for c.later.len > 0 && c.hasRoom(c.later.first) && !c.dead && !c.muted {
		next := c.later.pop()
		next.lane.count(&request{task: next}, -1)
		l.schedule(c, next)
	}
}

// finish ends a lane's task and answers it with r instead of the rest of its own
// answer.
func (l *loop) finish(ln *lane, r wire.Reply) {
	l.endTask(ln)
	l.respond(ln, r)
	l.advance(ln)
}

// A reader is what sources read the store with.
type reader struct {
	store   store.Store
	hub     *hub
	explain func(error) *wire.Error
	stats   *Stats
}

// readers reads chunks until jobs is closed, and posts each one to the loop.
func readers(ctx context.Context, s store.Store, jobs <-chan *task, l *loop) {
	r := &reader{s, &l.hub, l.explain, l.stats}
	for t := range jobs {
		c := &t.chunk
		c.epoch = l.erasures.now.Load()
		c.last, c.failed = false, nil
		t.source.fill(ctx, r, c)
		c.packed = fit(c.packed)
		l.out.post(func() { l.read(t) })
	}
}
