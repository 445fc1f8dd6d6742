package server

import (
	"sync"

	zmq "github.com/pebbe/zmq4"
)

// An outbox is how other goroutines reach the loop: a list of what it is to do,
// in order, with a doorbell that its poll can hear.
//
// The bell is the one socket that several goroutines use, under the mutex, and
// only to send; nobody polls it. A ring of its own goroutine would add a switch
// of threads to the way of every answer.
type outbox struct {
	mu    sync.Mutex // protects the fields below
	posts []func()
	rung  bool        // the loop has yet to hear the bell
	bell  *zmq.Socket // PAIR; nil once closed
}

// post has the loop call f. It does nothing after close.
func (o *outbox) post(f func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bell == nil {
		return
	}
	o.posts = append(o.posts, f)
	if !o.rung {
		o.rung = true
		// Can only fail if the context is gone, and then so is the loop.
		_, _ = o.bell.SendBytes(nil, zmq.DONTWAIT)
	}
}

// take returns what was posted, after the loop heard the bell. It reuses spare.
func (o *outbox) take(spare []func()) []func() {
	o.mu.Lock()
	defer o.mu.Unlock()
	posts := o.posts
	clear(spare)
	o.posts, o.rung = spare[:0], false
	return posts
}

func (o *outbox) close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.bell == nil {
		return nil
	}
	bell := o.bell
	o.bell, o.posts = nil, nil
	return bell.Close()
}
