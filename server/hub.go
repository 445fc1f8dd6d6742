package server

import (
	"math"
	"sync"
	"time"

	"gorewind/store"
	"gorewind/wire"
)

// A hub is where followers wait for events. The relay shows it each batch of
// events that is new, and it hands on those followers whom they concern, with the
// events packed from the batch in memory.
//
// A follower may not miss what comes between its last look into the store and its
// return to the hub. So the hub knows, of everything that is followed, the last
// event that was dealt with, and takes back only those who are past it. A
// follower joins before it reads first: what was dealt with earlier can be read.
type hub struct {
	mu         sync.Mutex // protects the fields below, all parkings, and of who is parked the chunk and the reading
	streams    map[string]*watch
	selections map[*watch]struct{}
	followers  map[*query]struct{}
	position   uint64 // up to which events were dealt with
	skips      uint64 // times that events were not: everybody has to look into the store
}

// A watch is a stream that is followed, or a selection.
type watch struct {
	selects   *store.Selection
	followers int
	last      uint64 // id of the stream's last event that was dealt with, or position of the selection's
	parked    []*query
	touched   bool // some of parked have been woken
}

// join makes q one of the followers.
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
	q.reach.at.Store(math.MaxUint64) // it has yet to look where it is to begin
	h.followers[q] = struct{}{}
}

// leave is the opposite of join. It reports whether q was parked.
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

// beforeRead is called before q looks into the store. What was dealt with up to here it
// will find there, unless it was deleted.
func (h *hub) beforeRead(q *query) {
	h.mu.Lock()
	defer h.mu.Unlock()
	q.seen, q.skips = q.watch.last, h.skips
}

// park has q wait for events, unless there are some that it has not had.
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

// take takes q out and reports whether it was parked. If it was to be, somebody
// has woken it.
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

// dispatch wakes those whom new events concern. Epoch is that of the erasures before
// the events came.
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

// matchTime is how long one batch may be matched with selections, with everybody
// waiting.
const matchTime = 5 * time.Millisecond

// match shows events to the followers of selections that select their streams,
// and matches each stream once. Where much is followed that is hard to match, and
// matchTime passes, the others look into the store themselves.
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

// wakeAll wakes all followers of selections as if events up to a position
// concerned them.
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

// skip wakes everybody: some events will not be dealt with, up to a position.
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

// A dispatch is one batch of events.
type dispatch struct {
	loop    *loop
	before  uint64 // position that the batch follows
	epoch   uint64
	watches []*watch // of those who were woken
	woken   []*task
}

// offer offers an event to the followers of a stream or a selection, n being its
// id or its position. Who takes no more leaves at once, so that a large batch
// is not shown to many for nothing, with everybody waiting.
func (d *dispatch) offer(w *watch, e *store.Event, n uint64) {
	w.last = max(w.last, n)
	for i := len(w.parked) - 1; i >= 0; i-- {
		q := w.parked[i]
		if n <= q.next.n {
			continue // it was read from the store
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

// markWoken counts q among those who are woken.
func (d *dispatch) markWoken(w *watch, q *query) *query {
	q.woken, q.full = true, false
	if q.r.Select != nil { // nothing of what has been dealt with concerned it
		q.at.n = max(q.at.n, d.before)
		q.next = q.at
		q.reach.at.Store(q.at.n)
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

// pack adds an event to q's chunk while there is room for it. Otherwise, q reads
// it from the store, in its turn.
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
		q.full = true // it is not for it, and what follows may not be
		return
	}
	d.loop.stats.sent(1, len(e.Data))
	if q.next.left == 0 {
		c.packed = c.pack(c.packed, wire.End{})
		c.last, q.full = true, true
	}
	d.loop.charge(t, len(c.packed))
}

// wake takes those who were woken out of the hub and posts them to the loop.
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
