package server

import (
	"container/heap"
	"errors"
	"fmt"
	"log/slog"
	"syscall"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/store"
	"gorewind/wire"
)

const (
	burst            = 1024     // messages received before answers get a turn
	maxQueued        = 20_000   // events that the committer has: when there are more, receiving waits
	maxQueuedOctets  = 16 << 20 // and their data
	maxRequestFrames = 16_384   // of one message, its envelope included, its routing id not; more are not kept
	maxRequestOctets = 9 << 20  // of one message
)

// A loop owns the server's sockets: its goroutine alone touches router, pub,
// wake and monitor, and everything below them. Other goroutines reach it by
// posting to out.
type loop struct {
	store    store.Store
	log      *slog.Logger
	stats    *Stats
	info     func() wire.InfoReply
	maxEvent int
	out      *outbox
	jobs     chan<- *query // chunks to be read; never full, see maxChunkOctets

	router   *zmq.Socket // requests in, answers out
	pub      *zmq.Socket // broadcasts
	wake     *zmq.Socket // PAIR: readable when out has something
	monitor  *zmq.Socket // PAIR: tells of router's connections
	pubEyes  *zmq.Socket // PAIR: tells of pub's
	recv     *receiver
	poller   *zmq.Poller
	routerAt int // in poller

	conns  map[string]*conn // by routing id
	byFD   map[int][]*conn
	live   map[int]bool // descriptors of router's connections, as the monitor tells
	subs   subscribers
	gate   gate
	ghosts map[string]*conn // that are gone, but of which messages may wait
	last   *conn            // that the last message was of

	batch        *batch // writes that will go to the store next
	spare        []*batch
	queued       int // events that the store has
	queuedOctets int

	flushes    []*conn // that may have something to send
	reads      []*conn // that may have a query whose chunk can be read
	retries    retries
	unread     int    // octets of answers in all conns' out
	inHand     int    // octets of chunks in memory, also of those that are being read
	reading    int    // chunks
	broadcasts uint64 // position up to which PUB has everything

	stopping bool
	settled  bool      // stopping, and the store has answered everything
	deadline time.Time // settled: when to stop waiting for peers and broadcasts
}

// run serves until it is told to stop and has finished what it took.
func (l *loop) run() error {
	var posts []func()
	drained := true
	for !l.finished() {
		ready, err := l.poller.Poll(l.timeout(drained))
		if err != nil {
			return fmt.Errorf("poll: %w", err)
		}
		readable := false
		for _, r := range ready {
			switch r.Socket {
			case l.wake:
				if err := l.silence(); err != nil {
					return err
				}
				posts = l.out.take(posts)
				for _, f := range posts {
					f()
				}
			case l.monitor:
				l.observe()
			case l.pubEyes:
				l.observePub()
			case l.router:
				readable = true
			}
		}
		if (readable || !drained) && l.accepting() {
			if drained, err = l.receive(); err != nil {
				return err
			}
		}
		l.submit()
		l.retry(time.Now())
		if err := l.flushAll(); err != nil {
			return err
		}
		l.readNext()
		l.submit() // what waited behind queries that have ended
	}
	return nil
}

// accepting reports whether the committer keeps up; if not, receiving waits,
// and with it, by way of TCP, the peers.
func (l *loop) accepting() bool {
	ok := !l.stopping && l.queued < maxQueued && l.queuedOctets < maxQueuedOctets
	events := zmq.State(0)
	if ok {
		events = zmq.POLLIN
	}
	before, _ := l.poller.Update(l.routerAt, events) // fails only for an index out of range
	if before != events && !ok {
		l.stats.Stalls.Add(1)
	}
	return ok
}

// timeout returns how long to poll.
func (l *loop) timeout(drained bool) time.Duration {
	if !drained && l.accepting() || len(l.flushes) > 0 {
		return 0
	}
	l.accepting() // sets what is polled for
	next := time.Duration(-1)
	if len(l.retries) > 0 {
		next = max(time.Until(l.retries[0].retryAt), 0)
	}
	if l.settled {
		if left := max(time.Until(l.deadline), 0); next < 0 || left < next {
			next = left
		}
	}
	if next > 0 {
		next = next.Truncate(time.Millisecond) + time.Millisecond // poll counts in these
	}
	return next
}

func (l *loop) silence() error {
	for {
		_, err := l.wake.RecvBytes(zmq.DONTWAIT)
		if zmq.AsErrno(err) == zmq.Errno(syscall.EAGAIN) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wake-up: %w", err)
		}
	}
}

// observe takes note of which connections came and went.
func (l *loop) observe() {
	l.watch(l.monitor, func(event zmq.Event, fd int) {
		switch event {
		case zmq.EVENT_ACCEPTED:
			l.live[fd] = true
		case zmq.EVENT_DISCONNECTED:
			delete(l.live, fd)
			for _, c := range l.byFD[fd] {
				l.drop(c)
			}
			delete(l.byFD, fd)
		}
	})
}

// observePub does so for PUB.
func (l *loop) observePub() {
	l.watch(l.pubEyes, func(event zmq.Event, fd int) {
		switch event {
		case zmq.EVENT_ACCEPTED:
			l.subs.stalled[fd] = 0
		case zmq.EVENT_DISCONNECTED:
			delete(l.subs.stalled, fd)
		}
	})
}

// watch reads a monitor to its end.
func (l *loop) watch(monitor *zmq.Socket, note func(event zmq.Event, fd int)) {
	for {
		event, _, fd, err := monitor.RecvEvent(zmq.DONTWAIT)
		if err != nil {
			return
		}
		note(event, fd)
		connections := len(l.live) + len(l.subs.stalled)
		l.stats.Connections.Store(int64(connections))
		l.stats.Subscribers.Store(int64(len(l.subs.stalled)))
		was := l.gate.closed
		switch event {
		case zmq.EVENT_LISTENING:
			l.gate.listeners = append(l.gate.listeners, fd)
		case zmq.EVENT_ACCEPTED:
			err = l.gate.accepted(fd)
		case zmq.EVENT_DISCONNECTED:
			err = l.gate.ended(connections)
		}
		if err != nil {
			l.log.Error("cannot hold connections off", "error", err)
		}
		if l.gate.closed != was {
			l.log.Warn("file descriptors run short: new connections wait", "connections", connections, "waiting", l.gate.closed)
		}
	}
}

// receive takes requests off the ROUTER. The monitor is read between taking and
// handling: whatever connection a message came over, it is known by then
// whether that is gone.
func (l *loop) receive() (drained bool, err error) {
	drained, err = l.recv.receive(burst, l.observe, func(m message) {
		l.stats.Received.Add(1)
		l.handle(m)
	})
	if drained {
		l.exorcise()
	}
	return drained, err
}

// exorcise forgets the connections that are gone: now there can be no more
// messages of them.
func (l *loop) exorcise() {
	if len(l.ghosts) == 0 {
		return
	}
	for _, c := range l.ghosts {
		c.pin.release()
	}
	clear(l.ghosts)
	l.last = nil
	l.recv.forget()
}

// connOf returns the connection that a message came over.
func (l *loop) connOf(m message) *conn {
	if m.from.same && l.last != nil {
		return l.last
	}
	for _, known := range []map[string]*conn{l.conns, l.ghosts} {
		if c := known[string(m.id)]; c != nil && c.token == m.from.token {
			if m.from.pin != c.pin {
				m.from.pin.release()
			}
			return c
		}
	}
	if before := l.conns[string(m.id)]; before != nil {
		l.drop(before) // the peer chose its routing id, and is back under it
	}
	c := newConn(m.id, m.from)
	if !l.live[c.fd] {
		c.dead = true
		l.haunt(c)
		return c
	}
	l.conns[string(c.id)] = c
	l.byFD[c.fd] = append(l.byFD[c.fd], c)
	return c
}

func (l *loop) haunt(c *conn) {
	c.peer.release()
	if before := l.ghosts[string(c.id)]; before != nil {
		before.pin.release()
	}
	l.ghosts[string(c.id)] = c
}

// drop ends what a connection asked for: it is gone. What the store has of it
// goes on; the answer has no addressee.
func (l *loop) drop(c *conn) {
	if c.dead {
		return
	}
	c.dead = true
	l.release(c)
	delete(l.conns, string(c.id))
	if fds := l.byFD[c.fd]; len(fds) == 1 && fds[0] == c {
		delete(l.byFD, c.fd)
	}
	if l.last == c {
		l.last = nil
	}
	l.haunt(c)
}

// giveUp makes the server deaf to a peer that asks without reading answers.
func (l *loop) giveUp(c *conn, why string) {
	if c.deaf || c.dead {
		return
	}
	c.deaf = true
	l.stats.GivenUp.Add(1)
	l.log.Warn("gave a connection up until it reconnects", "peer", fmt.Sprintf("%x", c.id), "why", why)
	l.release(c)
}

// release ends c's queries and frees what waits for it.
func (l *loop) release(c *conn) {
	for _, ln := range c.lanes {
		l.endQuery(ln)
		ln.queue = nil
	}
	l.endQuery(&c.plain)
	c.plain.queue = nil
	c.lanes = nil
	c.later, c.toRead, c.toSend = nil, nil, nil
	c.waiting, c.waitingOctets = 0, 0
	l.unread -= c.unread()
	c.out, c.outAt = nil, 0
	c.held = nil
	l.unblock(c)
}

// handle deals with one message.
func (l *loop) handle(m message) {
	c := l.connOf(m)
	l.last = c
	if c.deaf {
		l.stats.Dropped.Add(1)
		return
	}
	env, request, err := wire.Split(m.frames)
	if errors.Is(err, wire.ErrEnvelope) {
		l.stats.Dropped.Add(1)
		return
	}
	ln := c.lane(env)
	switch {
	case m.cut:
		l.refuse(ln, wire.Errorf(wire.TooLarge, "send less at once",
			"the message has more than %d frames or %d octets", maxRequestFrames, maxRequestOctets))
	case err != nil:
		l.refuse(ln, wire.Errorf(wire.Malformed, "begin with a command, or end an envelope with an empty frame", "%v", err))
	case len(request) > 0 && string(request[0]) == wire.PUBLISH:
		l.publish(ln, request[1:])
	default:
		l.command(ln, request)
	}
	ln.forget()
}

// command deals with everything but PUBLISH.
func (l *loop) command(ln *lane, frames [][]byte) {
	r, refused := wire.ParseRequest(frames)
	if refused != nil {
		l.refuse(ln, refused)
		return
	}
	switch r := r.(type) {
	case wire.Query:
		l.query(ln, r)
	case wire.Info:
		l.inform(ln)
	case wire.Ping:
		l.reply(ln, wire.Pong(r))
	}
}

// A request waits in its lane until those before it are answered.
type request struct {
	publish *wire.Publish
	query   *query
	info    bool
	packed  []byte // an answer that needs nothing but its turn
}

func (ln *lane) octets(r *request) int {
	n := 512 + len(ln.key) + len(r.packed)
	if r.publish != nil {
		n += len(r.publish.Stream) + len(r.publish.Data)
	}
	return n
}

// wait puts a request behind others of its lane.
func (l *loop) wait(ln *lane, r request) {
	c := ln.conn
	if c.dead {
		return // nobody would hear the answer
	}
	ln.queue = append(ln.queue, r)
	c.waiting++
	c.waitingOctets += ln.octets(&r)
	l.boundWaiting(c)
}

// boundWaiting gives a connection up that has too much waiting.
func (l *loop) boundWaiting(c *conn) {
	if c.waiting > maxWaiting || c.waitingOctets > maxWaitingOctets {
		l.giveUp(c, "too many of its requests wait for others of its own to finish")
	}
}

// advance lets waiting requests of a lane take effect, as far as it may.
func (l *loop) advance(ln *lane) {
	for len(ln.queue) > 0 && ln.query == nil {
		r := ln.queue[0]
		if ln.writes > 0 && r.publish == nil {
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
		ln.conn.waiting--
		ln.conn.waitingOctets -= ln.octets(&r)
		switch {
		case r.publish != nil:
			l.stage(ln, *r.publish)
		case r.query != nil:
			l.startQuery(r.query)
		case r.info:
			l.answer(ln, ln.envelope.pack(nil, l.info().Frames()))
		default:
			l.answer(ln, r.packed)
		}
	}
	ln.forget()
}

// reply answers a request in its turn.
func (l *loop) reply(ln *lane, r wire.Reply) {
	packed := ln.envelope.pack(nil, r.Frames())
	if ln.idle() {
		l.answer(ln, packed)
		return
	}
	l.wait(ln, request{packed: packed})
}

// refuse answers a request with an ERROR.
func (l *loop) refuse(ln *lane, e *wire.Error) {
	l.stats.Refused.Add(1)
	l.reply(ln, e)
}

// inform answers INFO.
func (l *loop) inform(ln *lane) {
	if ln.idle() {
		l.reply(ln, l.info())
		return
	}
	l.wait(ln, request{info: true})
}

// answer hands a packed answer to the peer of a lane.
func (l *loop) answer(ln *lane, packed []byte) {
	c := ln.conn
	if c.dead || c.deaf {
		return
	}
	c.out = append(c.out, packed...)
	l.answered(c, len(packed))
}

// answered takes note that answers were appended to c.out.
func (l *loop) answered(c *conn, octets int) {
	l.unread += octets
	if c.full && (c.unread() > maxUnreadOctets || l.unread > maxUnreadTotal) {
		l.giveUp(c, "it does not read its answers")
		return
	}
	l.flushLater(c)
}

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

// flush sends a connection's answers, then a turn of its queries' chunks.
func (l *loop) flush(c *conn) error {
	if c.dead || c.deaf || c.full && time.Now().Before(c.retryAt) {
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
	for range len(c.toSend) {
		q := c.toSend[0]
		n, ok, err := l.send(c, q.chunk[q.sent:])
		if err != nil || c.dead {
			return err
		}
		q.sent += n
		progress = progress || n > 0
		if !ok {
			l.block(c, progress)
			return nil
		}
		l.unblock(c)
		c.toSend = c.toSend[1:]
		if l.sentChunk(q); c.deaf { // what waited behind it was too much
			return nil
		}
	}
	l.unblock(c)
	if c.unread() > 0 || len(c.toSend) > 0 {
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
	var monitor *zmq.Socket
	if c.chosen {
		monitor = l.monitor
	}
	for {
		sent, state, err := send(l.router, c.id, c.peer, monitor, packed[n:])
		n += sent
		switch {
		case err != nil:
			return n, false, err
		case state == peerGone:
			l.drop(c)
			return n, false, nil
		case state != sendNews:
			return n, state == sentAll, nil
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
	firstRetry = time.Millisecond
	lastRetry  = 50 * time.Millisecond
	lazyRetry  = 500 * time.Millisecond // once its queries gave back their chunks
	holdChunks = time.Second            // that long a full connection's queries keep them
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
		for _, q := range c.toSend {
			q.giveBack()
			l.inHand -= q.charge
			q.charge = 0
			c.inHand--
		}
		c.toRead = append(c.toSend, c.toRead...)
		c.toSend = nil
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
		case c.unread() > 0 || len(c.toSend) > 0:
			l.flushLater(c)
		case c.inHand > 0 || len(c.toRead) > 0:
			l.readLater(c) // one event, to see whether it is taken
		default:
			l.unblock(c)
		}
	}
}

// stop has the loop take no more requests and end what does not end by itself.
func (l *loop) stop() {
	l.stopping = true
	for _, c := range l.conns {
		l.stopQuery(&c.plain)
		for _, ln := range c.lanes {
			l.stopQuery(ln)
		}
	}
}

// grace is how long peers have to read their answers when the server stops.
const grace = 2 * time.Second

// finished reports whether the loop may end: everything that was taken is
// answered and broadcast, or nobody takes it.
func (l *loop) finished() bool {
	if !l.stopping || l.queued > 0 || l.reading > 0 || len(l.flushes) > 0 {
		return false
	}
	if !l.settled {
		l.settled, l.deadline = true, time.Now().Add(grace)
	}
	done := l.unread == 0 && l.broadcasts >= l.store.Info().LastPosition
	return done || !time.Now().Before(l.deadline)
}
