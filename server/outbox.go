package server

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"
)

// An outbox is how other goroutines reach the loop: a list of functions for the loop to
// call, in order, and a pipe that wakes the loop's poller.
//
// The pipe takes two system calls for each wake-up. An inproc PAIR, which libzmq's
// zmq_poll would need, takes eight.
type outbox struct {
	mu         sync.Mutex // protects the fields below
	posts      []func()
	rung       bool // a wake-up is in the pipe
	bell, wake int  // the pipe's ends, for writing and for reading; wake is the loop's
	closed     bool
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

// post makes the loop call f. After close it does nothing.
func (o *outbox) post(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.posts = append(o.posts, f)
	if !o.rung {
		n, _ := unix.Write(o.bell, []byte{0}) // the pipe is empty, so this does not block
		o.rung = n == 1
	}
}

// take returns what was posted, after the pipe woke the loop. It reuses spare.
func (o *outbox) take(spare []func()) []func() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.rung {
		var ring [1]byte
		_, _ = unix.Read(o.wake, ring[:])
	}
	posts := o.posts
	clear(spare)
	o.posts, o.rung = spare[:0], false
	return posts
}

func (o *outbox) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	o.closed, o.posts = true, nil
	return errors.Join(unix.Close(o.bell), unix.Close(o.wake))
}
