package client

import (
	"context"
	"iter"
	"sync"
	"unsafe"

	"gorewind/wire"
)

// Long answers are requested in pages. So a slow caller neither holds a whole answer in memory
// nor delays other requests, since the socket is always read. The next page is requested when
// half of the last one has been taken. An answer thus buffers one and a half pages. If its parts
// grow, it buffers the bytes of one page and what the server sends before it stops.
const (
	pageEvents = 4096    // events, or streams
	pageFirst  = 256     // of the first page, when their size is unknown
	pageBytes  = 4 << 20 // bytes of their data
)

// A source makes the requests for the pages of an answer.
type source interface {
	// page returns the request for the parts after a part, at most limit of them; after nil
	// is the first page. It returns nil if nothing follows.
	page(ctx context.Context, after wire.Reply, limit uint64) (wire.Request, error)
	// has reports whether a reply can be a part of the answer.
	has(wire.Reply) bool
	// follows reports whether the answer never ends.
	follows() bool
}

// A reader reads an answer page by page. One goroutine uses it.
type reader struct {
	client *Client
	ctx    context.Context
	source source
	news   chan struct{} // capacity 1: the fields below have changed
	call   *call         // the last page requested

	mu      sync.Mutex // protects the fields below, which the loop writes too
	replies []wire.Reply
	bytes   int        // of replies
	came    int        // parts of all pages
	size    int        // bytes of those parts
	after   wire.Reply // the last part received
	left    uint64     // parts that the caller still wants
	asked   bool       // a page is in flight
	room    uint64     // parts that it may still have
	cut     bool       // it was cancelled
	ended   bool       // there are no more pages
	err     error      // why; nil: the answer is complete
}

// parts yields the parts of an answer, at most limit of them; 0 is no limit.
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

// stop cancels the page in flight.
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
	return !r.asked && !r.ended && len(r.replies) <= pageEvents/2 && r.bytes <= pageBytes/2
}

// ask requests the next page. None is in flight, so the loop writes no field.
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

// pageSize returns the number of parts of the next page. It estimates their size from the parts
// so far.
func (r *reader) pageSize() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.came == 0 {
		return pageFirst
	}
	return uint64(max(1, min(pageEvents, pageBytes/max(1, r.size/r.came))))
}

// pop removes and returns the first buffered part, nil if there is none.
func (r *reader) pop() (part wire.Reply, ended bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.replies) == 0 {
		return nil, r.ended, r.err
	}
	part = r.replies[0]
	r.replies[0] = nil
	r.replies = r.replies[1:]
	r.bytes -= size(part)
	return part, false, nil
}

// take receives a part of a page. The loop calls it.
func (r *reader) take(reply wire.Reply, err error) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() {
		select {
		case r.news <- struct{}{}:
		default: // a signal is pending already
		}
	}()
	if refused, ok := reply.(*wire.Error); ok {
		err = refused
	}
	_, isEnd := reply.(wire.End)
	_, isLive := reply.(wire.Live)
	_, isStore := reply.(wire.StoreReply)
	due := r.room == 0 || r.cut // END is due
	switch {
	case transient(err):
		r.asked = false // the next page continues from here
		return last
	case err != nil:
		return r.end(err, last)
	case isEnd && r.left > 0 && due:
		r.asked = false
		return last
	case isEnd && r.left > 0 && r.source.follows():
		return r.end(unexpected("END of an answer that never ends"), last)
	case isEnd:
		return r.end(nil, last)
	case isLive && r.source.follows():
		r.live()
		return more
	case isStore && r.source.has(reply): // it precedes a page and is not one of its parts
		r.replies = append(r.replies, reply)
		return more
	case r.room == 0 || !r.source.has(reply):
		return r.end(unexpected(reply), refuse)
	}
	r.replies = append(r.replies, reply)
	r.after = reply
	r.room--
	r.left--
	r.bytes += size(reply)
	r.size += size(reply)
	r.came++
	if r.bytes > pageBytes && !r.cut {
		r.cut = true
		return enough
	}
	return more
}

// live buffers a LIVE, unless the last buffered reply is one: many may arrive while the caller
// pauses.
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

// size returns the approximate bytes of data of a part.
func size(part wire.Reply) int {
	switch part := part.(type) {
	case wire.Event:
		return len(part.Data)
	case wire.Entry:
		return len(part.Changes) * (int(unsafe.Sizeof(wire.Change{})) + changeBytes)
	}
	return 0
}

const changeBytes = 64 // that a Change points to, approximately
