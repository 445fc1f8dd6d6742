package client

import (
	"context"
	"iter"
	"sync"
	"unsafe"

	"gorewind/wire"
)

// Long answers are asked for in pages, so that a caller who is slow neither has
// the whole answer in memory nor holds up other requests: the socket is always
// read. The next page is asked for when half of the last has been taken. Of one
// answer that makes one and a half pages, or if the parts grow the octets of one and
// what the server has already sent when it is told to stop.
const (
	pageEvents = 4096    // events, or streams
	pageFirst  = 256     // of the first page, when nobody knows how large they are
	pageOctets = 4 << 20 // of their data
)

// A source knows what the pages of an answer are.
type source interface {
	// page returns the request for what comes after a part of the answer, limited;
	// after nil, for the first. It returns nil where nothing comes after.
	page(ctx context.Context, after wire.Reply, limit uint64) (wire.Request, error)
	// has reports whether a reply can be a part of the answer.
	has(wire.Reply) bool
	// follows reports whether the answer goes on for ever.
	follows() bool
}

// A reader gets an answer page by page. One goroutine uses it.
type reader struct {
	client *Client
	ctx    context.Context
	source source
	news   chan struct{} // has room for one: something changed below
	call   *call         // the page that was asked for last

	mu      sync.Mutex // protects the fields below, which the loop writes too
	replies []wire.Reply
	octets  int
	came    int        // parts, of all pages,
	size    int        // and their octets
	after   wire.Reply // the last part that came
	left    uint64     // parts that the caller wants yet
	asked   bool       // a page is under way
	room    uint64     // how many parts it may yet have
	cut     bool       // it was told to stop
	ended   bool       // there are no more pages,
	err     error      // because of this, or because that was all
}

// parts yields the parts of an answer, at most limit of them unless that is 0.
func (c *Client) parts(ctx context.Context, s source, limit uint64) iter.Seq2[wire.Reply, error] {
	return func(yield func(wire.Reply, error) bool) {
		if limit == 0 {
			limit = 1<<64 - 1
		}
		r := &reader{client: c, ctx: ctx, source: s, news: make(chan struct{}, 1), left: limit}
		defer r.stop()
		for {
			part, err := r.next()
			if err != nil {
				yield(nil, err)
				return
			}
			if part == nil || !yield(part, nil) {
				return
			}
		}
	}
}

// next returns the next part, nil after the last.
func (r *reader) next() (wire.Reply, error) {
	for {
		if err := r.ctx.Err(); err != nil {
			return nil, err
		}
		if r.hungry() {
			r.ask()
		}
		part, ended, err := r.pop()
		if part != nil || ended {
			return part, err
		}
		select {
		case <-r.news:
		case <-r.ctx.Done():
		}
	}
}

// stop ends the page that is under way.
func (r *reader) stop() {
	r.mu.Lock()
	asked := r.asked
	r.mu.Unlock()
	if asked {
		r.client.drop(r.call)
	}
}

// hungry reports whether it is time for the next page.
func (r *reader) hungry() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.asked && !r.ended && len(r.replies) <= pageEvents/2 && r.octets <= pageOctets/2
}

// ask asks for the next page. None is under way, so the loop writes nothing.
func (r *reader) ask() {
	limit := min(r.left, r.pageSize())
	request, err := r.source.page(r.ctx, r.after, limit)
	r.mu.Lock()
	if err != nil || request == nil {
		r.ended, r.err = true, err
		r.mu.Unlock()
		return
	}
	r.asked, r.room, r.cut = true, limit, false
	r.mu.Unlock()
	r.call = newCall(request, r.take)
	r.client.start(r.call)
}

// pageSize returns how many parts the next page should have: as many as have its
// octets, if they are as large as those before.
func (r *reader) pageSize() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.came == 0 {
		return pageFirst
	}
	return uint64(max(1, min(pageEvents, pageOctets/max(1, r.size/r.came))))
}

// pop takes out the first part that waits, if there is one.
func (r *reader) pop() (part wire.Reply, ended bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.replies) == 0 {
		return nil, r.ended, r.err
	}
	part = r.replies[0]
	r.replies[0] = nil
	r.replies = r.replies[1:]
	r.octets -= size(part)
	return part, false, nil
}

// take is told of a page by the loop.
func (r *reader) take(reply wire.Reply, err error) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() {
		select {
		case r.news <- struct{}{}:
		default: // it has news already
		}
	}()
	if refused, ok := reply.(*wire.Error); ok {
		err = refused
	}
	_, isEnd := reply.(wire.End)
	_, isLive := reply.(wire.Live)
	_, isStore := reply.(wire.StoreReply)
	due := r.room == 0 || r.cut // END is
	switch {
	case transient(err):
		r.asked = false // the next page goes on from here
		return last
	case err != nil:
		return r.end(err, last)
	case isEnd && r.left > 0 && due:
		r.asked = false
		return last
	case isEnd && r.left > 0 && r.source.follows():
		return r.end(unexpected("END of what was to go on"), last)
	case isEnd:
		return r.end(nil, last)
	case isLive && r.source.follows():
		r.live()
		return more
	case isStore && r.source.has(reply): // it stands before a page, and is none of its parts
		r.replies = append(r.replies, reply)
		return more
	case r.room == 0 || !r.source.has(reply):
		return r.end(unexpected(reply), refuse)
	}
	r.replies = append(r.replies, reply)
	r.after = reply
	r.room--
	r.left--
	r.octets += size(reply)
	r.size += size(reply)
	r.came++
	if r.octets > pageOctets && !r.cut {
		r.cut = true
		return enough
	}
	return more
}

// live keeps a LIVE. One is enough where nothing came since the last: a caller who
// stands still may be told many.
func (r *reader) live() {
	if n := len(r.replies); n > 0 {
		if _, ok := r.replies[n-1].(wire.Live); ok {
			return
		}
	}
	r.replies = append(r.replies, wire.Live{})
}

func (r *reader) end(err error, v verdict) verdict {
	r.asked, r.ended, r.err = false, true, err
	return v
}

// size returns how many octets of data a part has, about.
func size(part wire.Reply) int {
	switch part := part.(type) {
	case wire.Event:
		return len(part.Data)
	case wire.Entry:
		return len(part.Changes) * (int(unsafe.Sizeof(wire.Change{})) + changeOctets)
	}
	return 0
}

const changeOctets = 64 // that it points to
