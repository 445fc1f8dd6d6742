package client

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"
)

// An outbox is how other goroutines reach the loop: a list of what it is to do,
// in order, with a doorbell that its poll can hear.
type outbox struct {
	mu         sync.Mutex // protects the fields below
	posts      []func()
	rung       bool // the loop has yet to hear the bell
	closed     bool
	bell, wake int // a pipe's ends, to write and to read; wake is the loop's
}

func newOutbox() (*outbox, error) {
	var ends [2]int
	if err := unix.Pipe(ends[:]); err != nil {
		return nil, err
	}
	for _, fd := range ends {
		unix.CloseOnExec(fd)
	}
	return &outbox{wake: ends[0], bell: ends[1]}, nil
}

// post has the loop call f. It reports false after close: f is not called then.
func (o *outbox) post(f func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.posts = append(o.posts, f)
	if !o.rung {
		n, _ := unix.Write(o.bell, []byte{0}) // into an empty pipe: it does not wait
		o.rung = n == 1
	}
	return true
}

// take returns what was posted.
func (o *outbox) take() []func() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.rung {
		var ring [1]byte
		_, _ = unix.Read(o.wake, ring[:])
	}
	posts := o.posts
	o.posts, o.rung = nil, false
	return posts
}

// close ends posting and returns what was posted before.
func (o *outbox) close() []func() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	return o.take()
}

// release gives the pipe back, after close.
func (o *outbox) release() error {
	return errors.Join(unix.Close(o.bell), unix.Close(o.wake))
}
