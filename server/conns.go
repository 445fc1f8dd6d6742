package server

import (
	"fmt"
	"time"

	zmq "github.com/pebbe/zmq4"
)

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
		asked := monitor == l.monitor && len(l.byFD[fd]) > 0
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
			l.admissions.accepted(caller{monitor, fd}, time.Now())
		case zmq.EVENT_DISCONNECTED:
			err = l.gate.ended(connections)
			l.admissions.ended(caller{monitor, fd}, asked, time.Now())
		default:
			l.failed(event, fd)
		}
		if err != nil {
			l.log.Error("cannot hold connections off", "error", err)
		}
		switch {
		case l.gate.closed && !was:
			l.log.Warn("file descriptors run short: new connections wait", "connections", connections)
		case was && !l.gate.closed:
			l.log.Info("there are file descriptors again: new connections are taken", "connections", connections)
		}
	}
}

// exorcise forgets the connections that are gone, if there can be no more
// messages of them: libzmq tells of an end after the last message.
func (l *loop) exorcise() {
	if len(l.ghosts) == 0 {
		return
	}
	if state, err := l.router.GetEvents(); err != nil || state&zmq.POLLIN != 0 {
		return
	}
	l.forgetGhosts()
}

func (l *loop) forgetGhosts() {
	for _, c := range l.ghosts {
		c.pin.release()
	}
	clear(l.ghosts)
	l.last = nil
	l.transport.forget()
}

// connOf returns the connection that a message came over.
func (l *loop) connOf(m message) *conn {
	if m.from.same && l.last != nil {
		return l.last
	}
	for _, known := range []map[string]*conn{l.conns, l.ghosts} {
		if c := known[string(m.id)]; c != nil && c.token == m.from.token && c.user == string(m.from.user) {
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
	c.bucket = l.bucketOf(c.user)
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

// release ends c's tasks and frees what waits for it.
func (l *loop) release(c *conn) {
	for _, ln := range c.lanes {
		l.endTask(ln)
		ln.queue, ln.open = nil, nil
	}
	l.endTask(&c.plain)
	c.plain.queue, c.plain.open = nil, nil
	c.lanes = nil
	c.waiting, c.waitingOctets = 0, 0
	l.unread -= c.unread()
	c.out, c.outAt = nil, 0
	c.held = nil
	l.unblock(c)
}
