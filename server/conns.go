package server

import (
	"fmt"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/server/internal/auth"
	"gorewind/server/internal/zsock"
)

// observe notes which connections of ROUTER have begun and ended.
func (l *loop) observe() {
	l.watch(l.monitor, auth.Requests, func(event zmq.Event, fd int) {
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

// observePub notes which connections of PUB have begun and ended.
func (l *loop) observePub() {
	l.watch(l.pubMonitor, auth.Broadcasts, func(event zmq.Event, fd int) {
		switch event {
		case zmq.EVENT_ACCEPTED:
			l.subs.Accepted(fd)
		case zmq.EVENT_DISCONNECTED:
			l.subs.Ended(fd)
		}
	})
}

// watch reads a monitor until it has no more events. It calls note for each one, and
// updates statistics, the gate and the admissions.
func (l *loop) watch(monitor *zsock.Monitor, domain auth.Domain, note func(event zmq.Event, fd int)) {
	for {
		event, fd, more := monitor.Next()
		if !more {
			return
		}
		used := domain == auth.Requests && len(l.byFD[fd]) > 0
		note(event, fd)
		connections := len(l.live) + l.subs.Len()
		l.stats.Connections.Store(int64(connections))
		l.stats.Subscribers.Store(int64(l.subs.Len()))
		was := l.gate.Closed()
		var err error
		switch event {
		case zmq.EVENT_LISTENING:
			l.gate.Listening(fd)
		case zmq.EVENT_ACCEPTED:
			err = l.gate.Accepted(fd)
			l.admissions.Accepted(auth.ConnID{Domain: domain, FD: fd}, time.Now())
		case zmq.EVENT_DISCONNECTED:
			err = l.gate.Ended(connections)
			l.admissions.Ended(auth.ConnID{Domain: domain, FD: fd}, used, time.Now())
		default:
			l.handshakeFailed(event, fd)
		}
		if err != nil {
			l.log.Error("cannot pause or resume accepting connections", "error", err)
		}
		switch {
		case l.gate.Closed() && !was:
			l.log.Warn("file descriptors are running out: new connections wait", "connections", connections)
		case was && !l.gate.Closed():
			l.log.Info("file descriptors are available again: accepting connections", "connections", connections)
		}
	}
}

// reapDeparted forgets departed connections once no more messages of them can come.
// libzmq reports the end of a connection after its last message, so an empty ROUTER is
// enough.
func (l *loop) reapDeparted() {
	if len(l.departed) == 0 {
		return
	}
	if state, err := l.router.GetEvents(); err != nil || state&zmq.POLLIN != 0 {
		return
	}
	l.forgetDeparted()
}

// forgetDeparted releases what keeps departed connections apart from new ones.
func (l *loop) forgetDeparted() {
	for _, c := range l.departed {
		c.pin.Release()
	}
	clear(l.departed)
	l.last = nil
	l.transport.Forget()
}

// connOf returns the connection that a message came over. It makes one for the first
// message of a connection.
func (l *loop) connOf(m zsock.Message) *conn {
	if m.From.Same && l.last != nil {
		return l.last
	}
	for _, known := range []map[string]*conn{l.conns, l.departed} {
		if c := known[string(m.ID)]; c != nil && c.token == m.From.Token && c.user == string(m.From.User) {
			if m.From.Pin != c.pin {
				m.From.Pin.Release()
			}
			return c
		}
	}
	if before := l.conns[string(m.ID)]; before != nil {
		l.drop(before) // the peer chose its routing id and has reconnected with it
	}
	c := newConn(m.ID, m.From)
	c.limiter = l.rates.Limiter(c.user)
	if !l.live[c.fd] {
		c.dead = true
		l.retire(c)
		return c
	}
	l.conns[string(c.id)] = c
	l.byFD[c.fd] = append(l.byFD[c.fd], c)
	return c
}

// retire moves an ended connection to departed, where its last messages still find it.
func (l *loop) retire(c *conn) {
	c.peer.Release()
	if before := l.departed[string(c.id)]; before != nil {
		before.pin.Release()
	}
	l.departed[string(c.id)] = c
}

// drop ends a connection that is gone, and all of its requests. Writes that the store
// already has take effect; their answers are dropped.
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
	l.retire(c)
}

// giveUp mutes a peer that sends requests without reading the answers: until it
// reconnects, its requests are dropped.
func (l *loop) giveUp(c *conn, why string) {
	if c.muted || c.dead {
		return
	}
	c.muted = true
	l.stats.GivenUp.Add(1)
	l.log.Warn("dropping peer: "+why+"; it must reconnect", "peer", fmt.Sprintf("%x", c.id))
	l.release(c)
}

// release ends the tasks of a connection and frees everything that waits for it.
func (l *loop) release(c *conn) {
	for _, ln := range c.lanes {
		l.endTask(ln)
		ln.queue, ln.open = nil, nil
	}
	l.endTask(&c.plain)
	c.plain.queue, c.plain.open = nil, nil
	c.lanes = nil
	c.waiting, c.waitingBytes = 0, 0
	l.unread -= c.unread()
	c.out, c.outAt = nil, 0
	c.held = nil
	l.unblock(c)
}
