package leveldb

import (
	"fmt"

	"gorewind/store"
)

// A call is one write call on its way through the committer: several Appends, or
// one request of another kind.
type call struct {
	reqs     []store.Append
	results  []store.Result
	replyAll func([]store.Result)

	// stage, if set, puts the one request into a commit.
	stage    func(*DB, *commit) error
	bytes    int
	invalid  error  // why the request is refused before it is staged
	erases   []byte // a stream; the commit must hold nothing else of it
	err      error
	replyOne func(error)
}

// Append implements store.Store.
func (d *DB) Append(reqs []store.Append, done func([]store.Result)) {
	groups := 0
	for i := range reqs {
		groups += len(reqs[i].Groups)
	}
	c := &call{reqs: reqs, replyAll: done, results: make([]store.Result, len(reqs))}
	ids := make([]uint64, groups)
	for i := range reqs {
		n := len(reqs[i].Groups)
		c.results[i].IDs, ids = ids[:n:n], ids[n:]
	}
	d.enqueue(c)
}

// enqueue commits a call at once or hands it to the committer.
func (d *DB) enqueue(c *call) {
	if d.commitNow(c) || d.queue.put(c) {
		return
	}
	for i := range c.size() {
		c.fail(i, store.ErrClosed)
	}
	go c.done() // ends when done returns, which must not block
}

// size returns how many requests the call has.
func (c *call) size() int {
	if c.stage != nil {
		return 1
	}
	return len(c.reqs)
}

func (c *call) done() {
	if c.stage != nil {
		c.replyOne(c.err)
		return
	}
	c.replyAll(c.results)
}

// fail answers request i with an error.
func (c *call) fail(i int, err error) {
	if c.stage != nil {
		c.err = err
		return
	}
	c.results[i] = store.Result{Err: err}
}

// measure returns what request i adds to a commit, or why it is refused.
func (c *call) measure(i int) (events, size int, err error) {
	if c.stage != nil {
		return 0, c.bytes, c.invalid
	}
	req := &c.reqs[i]
	switch n := len(req.Groups); {
	case n == 0:
		return 0, 0, fmt.Errorf("%w: the request has no group", store.ErrInvalid)
	case n > store.MaxGroups:
		return 0, 0, fmt.Errorf("%w: a request has at most %d groups, not %d", store.ErrTooLarge, store.MaxGroups, n)
	}
	if n := len(req.Key); n > store.MaxKey {
		return 0, 0, fmt.Errorf("%w: a key has at most %d bytes, not %d", store.ErrTooLarge, store.MaxKey, n)
	}
	size = len(req.Key)
	data := 0
	for g := range req.Groups {
		group := &req.Groups[g]
		if err := checkStream(group.Stream); err != nil {
			return 0, 0, err
		}
		size += len(group.Stream)
		if len(group.Events) == 0 {
			return 0, 0, fmt.Errorf("%w: a group has no event", store.ErrInvalid)
		}
		events += len(group.Events)
		for _, e := range group.Events {
			if err := checkEvent(e); err != nil {
				return 0, 0, err
			}
			data += len(e)
		}
	}
	if events > store.MaxCommitEvents {
		return 0, 0, fmt.Errorf("%w: a request has at most %d events, not %d", store.ErrTooLarge, store.MaxCommitEvents, events)
	}
	if data > store.MaxCommitBytes {
		return 0, 0, fmt.Errorf("%w: the events of a request have at most %d bytes, not %d", store.ErrTooLarge, store.MaxCommitBytes, data)
	}
	return events, size + data, nil
}

func checkStream(name []byte) error {
	switch n := len(name); {
	case n == 0:
		return fmt.Errorf("%w: the stream has no name", store.ErrInvalid)
	case n > store.MaxStream:
		return fmt.Errorf("%w: a stream's name has at most %d bytes, not %d", store.ErrTooLarge, store.MaxStream, n)
	}
	return nil
}

func checkEvent(data []byte) error {
	if len(data) > store.MaxEvent {
		return fmt.Errorf("%w: an event has at most %d bytes, not %d", store.ErrTooLarge, store.MaxEvent, len(data))
	}
	return nil
}
