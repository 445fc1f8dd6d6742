package metrics

import (
	"net"
	"slices"
	"sync"
)

// A limited listener has at most so many connections at once: each takes a
// descriptor, which clients and the store need. One more ends the oldest, so that
// whoever holds many keeps nobody out: an answer takes little time, and a probe that
// gets none has the daemon killed.
type limited struct {
	net.Listener
	most int

	mu    sync.Mutex // protects the field below
	conns []*counted // in the order in which they came
}

func limit(l net.Listener, most int) net.Listener { return &limited{Listener: l, most: most} }

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	n := &counted{c, l}
	if oldest := l.add(n); oldest != nil {
		_ = oldest.Close() // whoever has it at the moment is told
	}
	return n, nil
}

// add adds a connection, and returns the one that is to end for it, or nil.
func (l *limited) add(c *counted) (oldest *counted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.conns) >= l.most {
		oldest = l.conns[0]
	}
	l.conns = append(l.conns, c)
	return oldest
}

func (l *limited) remove(c *counted) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = slices.DeleteFunc(l.conns, func(other *counted) bool { return other == c })
}

// A counted connection is one of a listener's.
type counted struct {
	net.Conn
	of *limited
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.of.remove(c)
	return c.Conn.Close()
}
