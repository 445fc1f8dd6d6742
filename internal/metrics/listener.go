package metrics

import (
	"net"
	"slices"
	"sync"
)

// A limited listener keeps at most so many connections open, because each takes a file
// descriptor that clients and the store need. One more closes the oldest: answers are
// short, so a client that holds many connections keeps nobody out. That matters,
// because the daemon is killed if its probe gets no answer.
type limited struct {
	net.Listener
	most int // open connections

	mu    sync.Mutex // protects the field below
	conns []*counted // oldest first
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
		_ = oldest.Close() // whoever uses it gets the error
	}
	return n, nil
}

// add adds a connection. It returns the one that has to be closed for it, or nil.
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

// A counted connection leaves its listener when it is closed.
type counted struct {
	net.Conn
	of *limited
}

// Close implements net.Conn.
func (c *counted) Close() error {
	c.of.remove(c)
	return c.Conn.Close()
}
