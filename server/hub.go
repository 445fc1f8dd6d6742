package server

import (
	"math"
	"sync"
	"time"

	"gorewind/store"
	"gorewind/wire"
)

// A hub is where followers wait for events. The relay dispatches each batch of new
// events to it. The hub packs the events for the followers that they concern, and hands
// those followers back to the loop.
//
// A follower must not miss an event between its last read of the store and its return
// to the hub. So the hub remembers, for everything that is followed, the last event
// that it dispatched, and parks a follower only if the follower is past that event. A
// follower joins before its first read: what was dispatched earlier, it can read.
type hub struct {
	mu         sync.Mutex // protects the fields below, all parkings, and the chunk and the reading of parked followers
	streams    map[string]*watch
	selections map[*watch]struct{}
	followers  map[*query]struct{}
	position   uint64 // position of the last event that was dispatched
	skips      uint64 // times that events were skipped: every follower has to read the store
}

// A watch is a stream or a selection that is followed.
type watch struct {
	selects   *store.Selection // nil for a stream
	followers int
	last      uint64 // last event that was dispatched: its id in the stream, or its position for a selection
	parked    []*query
	touched   bool // the current dispatch has woken some of parked
}

// join adds a follower.
func (h *hub) join(q *query) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var w *watch
	switch {
	case q.r.Select != nil:
		w = &watch{selects: q.r.Select}
		h.selections[w] = struct{}{}
	case h.streams[string(q.r.Stream)] != nil:
		w = h.streams[string(q.r.Stream)]
	default:
		w = new(watch)
		h.streams[string(q.r.Stream)] = w
	}
	w.followers++
	q.watch = w
	q.progress.at.Store(math.MaxUint64) // it has yet to find out where to begin
	h.followers[q] = struct{}{}
}

// leave removes a follower and reports whether it was parked.
func (h *hub) leave(q *query) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	parked := h.unpark(q)
	delete(h.followers, q)
	w := q.watch
	if w.followers--; w.followers == 0 {
		if w.selects != nil {
			delete(h.selections, w)
		} else {
			delete(h.streams, string(q.r.Stream))
		}
	}
	return parked
}

// beforeRead notes what was dispatched before q reads the store. All of that q will
// find in the store, unless it was deleted.
func (h *hub) beforeRead(q *query) {
	h.mu.Lock()
	defer h.mu.Unlock()
	q.seen, q.skips = q.watch.last, h.skips
}

// park makes q wait for events and reports true, or reports false if there are events
// that q has not had.
func (h *hub) park(q *query) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	if q.watch.last > q.at.n || q.skips != h.skips {
		return false
	}
	q.next = q.at
	q.slot = len(q.watch.parked)
	q.watch.parked = append(q.watch.parked, q)
	return true
}

// take takes q out of the hub and reports whether it was still parked. If not, a
// dispatch has woken it.
func (h *hub) take(q *query) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.unpark(q)
}

func (h *hub) unpark(q *query) bool {
	if q.slot < 0 {
		return false
	}
	w := q.watch
	end := len(w.parked) - 1
	w.parked[q.slot] = w.parked[end]
	w.parked[q.slot].slot = q.slot
	w.parked[end] = nil
	w.parked = w.parked[:end]
	q.slot = -1
	return true
}

// dispatch wakes the followers that new events concern. epoch is the number of erasures
// before the events were read.
func (h *hub) dispatch(events []store.Event, epoch uint64, l *loop) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.position
	h.position = events[len(events)-1].Position
	if len(h.streams)+len(h.selections) == 0 {
		return
	}
	d := dispatch{loop: l, before: before, epoch: epoch}
	for i := range events {
		e := &events[i]
		if w := h.streams[string(e.Stream)]; w != nil {
			d.offer(w, e, e.ID)
		}
	}
	if len(h.selections) > 0 {
		d.match(h.selections, events)
	}
	d.wake(h)
}

// matchTime is how long one batch may be matched with selections. Everybody waits for
// it.
const matchTime = 5 * time.Millisecond

// match offers events to the followers of the selections that match their streams. It
// matches each stream once. If many or complex selections take longer than matchTime,
// all of their followers read the store instead.
func (d *dispatch) match(selections map[*watch]struct{}, events []store.Event) {
	selecting := make(map[string][]*watch) // by stream
	began := time.Now()
	matched := 0
	for i := range events {
		e := &events[i]
		ws, known := selecting[string(e.Stream)]
		if !known {
			for w := range selections {
				if w.selects.Matches(e.Stream) {
					ws = append(ws, w)
				}
				if matched++; matched%64 == 0 && time.Since(began) > matchTime {
					d.wakeAll(selections, events[len(events)-1].Position)
					return
				}
			}
			selecting[string(e.Stream)] = ws
		}
		for _, w := range ws {
			d.offer(w, e, e.Position)
		}
	}
}

// wakeAll wakes all followers of selections to read the store up to a position.
func (d *dispatch) wakeAll(selections map[*watch]struct{}, position uint64) {
	for w := range selections {
		w.last = position
		for _, q := range w.parked {
			if !q.woken {
				d.markWoken(w, q)
			}
			q.full = true
		}
	}
}

// skip wakes every follower to read the store: events up to a position will not be
// dispatched.
func (h *hub) skip(position uint64, l *loop) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.position = position
	h.skips++
	d := dispatch{loop: l}
	all := func(w *watch) {
		for _, q := range w.parked {
			d.markWoken(w, q).full = true
		}
	}
	for _, w := range h.streams {
		all(w)
	}
	for w := range h.selections {
		all(w)
	}
	d.wake(h)
}

// A dispatch is the work of handing one batch of events to followers.
type dispatch struct {
	loop    *loop
	before  uint64 // position before the batch
	epoch   uint64
	watches []*watch // that have woken followers
	woken   []*task
}

// offer packs an event for the followers of a watch; n is its id or its position. A
// follower whose chunk is full leaves at once, so that the rest of a large batch is not
// offered to it while everybody waits.
func (d *dispatch) offer(w *watch, e *store.Event, n uint64) {
	w.last = max(w.last, n)
	for i := len(w.parked) - 1; i >= 0; i-- {
		q := w.parked[i]
		if n <= q.next.n {
			continue // it has read the event from the store
		}
		if !q.woken {
			d.markWoken(w, q)
		}
		if d.pack(q, e); q.full {
			q.woken = false
			d.loop.hub.unpark(q)
		}
	}
}

// markWoken adds q to the woken followers and gives it an empty chunk.
func (d *dispatch) markWoken(w *watch, q *query) *query {
	q.woken, q.full = true, false
	if q.r.Select != nil { // nothing dispatched before this batch concerned it
		q.at.n = max(q.at.n, d.before)
		q.next = q.at
		q.progress.at.Store(q.at.n)
	}
	t := q.task
	c := &t.chunk
	c.packed, c.last, c.prompt, c.epoch = nil, false, true, d.epoch
	d.woken = append(d.woken, t)
	if !w.touched {
		w.touched = true
		d.watches = append(d.watches, w)
	}
	return q
}

// pack adds an event to q's chunk if there is room. If not, q reads it from the store
// when its turn comes.
func (d *dispatch) pack(q *query, e *store.Event) {
	const most = maxChunkBytes / 2 // leaves room for readers
	t := q.task
	c := &t.chunk
	if d.loop.inHand.Load() > most || t.lane.conn.charged.Load() > maxReadAhead*chunkBytes || len(c.packed) >= chunkBytes {
		q.full = true
		return
	}
	before := len(c.packed)
	if q.pack(c, e); len(c.packed) == before {
		q.full = true // the event is not for it, and later ones may not be either
		return
	}
	d.loop.stats.sent(1, len(e.Data))
	if q.next.left == 0 {
		c.packed = c.pack(c.packed, wire.End{})
		c.last, q.full = true, true
	}
	d.loop.charge(t, len(c.packed))
}

// wake takes the woken followers out of the hub and posts them to the loop.
func (d *dispatch) wake(h *hub) {
	for _, w := range d.watches {
		w.touched = false
		for i := len(w.parked) - 1; i >= 0; i-- {
			if q := w.parked[i]; q.woken {
				q.woken = false
				h.unpark(q)
			}
		}
	}
	if woken := d.woken; len(woken) > 0 {
		l := d.loop
		l.out.post(func() {
			for _, t := range woken {
				l.woken(t)
			}
		})
	}
}
