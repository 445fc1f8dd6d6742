package client

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"
)

// An outbox is a queue of functions that other goroutines post for the loop to run, in order. A
// pipe wakes the loop's poll.
type outbox struct {
	mu         sync.Mutex // protects the fields below
	posts      []func()
	rung       bool // the loop has not yet read from the pipe
	closed     bool
	bell, wake int // ends of the pipe, to write and to read; wake is the loop's
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

// post makes the loop call f. After close it reports false, and f is not called.
func (o *outbox) post(f func()) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return false
	}
	o.posts = append(o.posts, f)
	if !o.rung {
		n, _ := unix.Write(o.bell, []byte{0}) // the pipe is empty, so this does not block
		o.rung = n == 1
	}
	return true
}

// take returns the posted functions.
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

// close stops posting, and returns the functions posted before.
func (o *outbox) close() []func() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	return o.take()
}

// release closes the pipe, after close.
func (o *outbox) release() error {
	return errors.Join(unix.Close(o.bell), unix.Close(o.wake))
}
