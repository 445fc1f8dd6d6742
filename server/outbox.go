package server

import (
	"errors"
	"sync"

	"golang.org/x/sys/unix"
)

// An outbox is how other goroutines reach the loop: a list of what it is to do,
// in order, with a doorbell that its poll can hear.
//
// The bell is a pipe. An inproc PAIR, which libzmq's zmq_poll would need, takes
// eight system calls for each time that it is rung and heard; this takes two.
type outbox struct {
	mu         sync.Mutex // protects the fields below
	posts      []func()
	rung       bool // the loop has yet to hear the bell
	bell, wake int  // the pipe's ends, to write and to read; wake is the loop's
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

// post has the loop call f. It does nothing after close.
func (o *outbox) post(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return
	}
	o.posts = append(o.posts, f)
	if !o.rung {
		n, _ := unix.Write(o.bell, []byte{0}) // into an empty pipe: it does not wait
		o.rung = n == 1
	}
}

// take returns what was posted, after the loop heard the bell. It reuses spare.
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
