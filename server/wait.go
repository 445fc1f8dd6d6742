package server

import (
	"container/heap"
	"time"

	"gorewind/server/internal/auth"
	"gorewind/wire"
)

// wait is the source of WAIT. It is registered before it looks where the cursor
// is, so that it misses no COMMIT. While it waits nobody has it, and no chunk.
type wait struct {
	simple
	task     *task
	key      string // of the cursor
	want     wire.Wait
	deadline time.Time
	heapSlot int    // in waits.deadlines, or -1
	looked   bool   // where the cursor is
	reached  uint64 // where a COMMIT has brought the cursor, far enough
}

// waits are those who wait. They are the loop's.
type waits struct {
	byCursor  map[string]map[*wait]struct{}
	deadlines deadlines
}

// cursorKey names a cursor.
func cursorKey(consumer, stream []byte) string {
	b := append(make([]byte, 0, 1+len(consumer)+len(stream)), byte(len(consumer)))
	return string(append(append(b, consumer...), stream...))
}

// waitFor deals with a WAIT.
func (l *loop) waitFor(ln *lane, r wire.Wait) {
	key := cursorKey(r.Consumer, r.Stream)
	r.Consumer, r.Stream = append([]byte(nil), r.Consumer...), append([]byte(nil), r.Stream...)
	l.task(ln, &wait{key: key, want: r, heapSlot: -1}, 2*len(key))
}

// check implements source.
func (w *wait) check(principal *auth.Principal) *wire.Error {
	return principal.MayIn(wire.WAIT, auth.Read, w.want.Stream)
}

// begin implements source.
func (w *wait) begin(l *loop, t *task) {
	w.task = t
	w.deadline = time.Now().Add(w.want.Timeout)
	waiting := l.waits.byCursor[w.key]
	if waiting == nil {
		waiting = make(map[*wait]struct{})
		l.waits.byCursor[w.key] = waiting
	}
	waiting[w] = struct{}{}
	heap.Push(&l.waits.deadlines, w)
}

// fill implements source.
func (w *wait) fill(r *reader, c *chunk) {
	id, err := r.store.Cursor(r, w.want.Consumer, w.want.Stream)
	switch {
	case err != nil:
		c.packed, c.last = c.pack(nil, r.explain(err)), true
	case id >= w.want.ID:
		c.packed, c.last = c.pack(nil, wire.Reached{Cursor: id}), true
	}
}

// rest implements source.
func (w *wait) rest(l *loop, t *task) bool {
	w.looked = true
	switch {
	case w.reached > 0:
		l.finish(t.lane, wire.Reached{Cursor: w.reached})
	case !time.Now().Before(w.deadline):
		l.finish(t.lane, timedOut())
	}
	return true
}

// end implements source.
func (w *wait) end(l *loop, t *task) {
	if w.heapSlot >= 0 {
		heap.Remove(&l.waits.deadlines, w.heapSlot)
	}
	waiting := l.waits.byCursor[w.key]
	if delete(waiting, w); len(waiting) == 0 {
		delete(l.waits.byCursor, w.key)
	}
}

// cancelled implements source.
func (w *wait) cancelled() wire.Reply {
	return wire.Errorf(wire.Cancelled, "ask again if it still matters", "the request was cancelled")
}

func timedOut() *wire.Error {
	return wire.Errorf(wire.Timeout, "ask again, or see what keeps the consumer", "the consumer has not committed the id in time")
}

// moved answers those who wait for a cursor: it is at an id now.
func (l *loop) moved(consumer, stream []byte, id uint64) {
	if len(l.waits.byCursor) == 0 {
		return
	}
	for w := range l.waits.byCursor[cursorKey(consumer, stream)] {
		if id < w.want.ID {
			continue
		}
		if w.task.away || len(w.task.chunk.packed) > 0 {
			w.reached = id // if what it has seen is not as new
			continue
		}
		l.finish(w.task.lane, wire.Reached{Cursor: id})
	}
}

// expire ends the WAITs whose time is over. One that may look does so first.
func (l *loop) expire(now time.Time) {
	d := &l.waits.deadlines
	for len(*d) > 0 && !(*d)[0].deadline.After(now) {
		w := heap.Pop(d).(*wait)
		if t := w.task; !t.counted || w.looked && !t.away && len(t.chunk.packed) == 0 {
			l.finish(w.task.lane, timedOut())
		}
	}
}

// deadlines orders WAITs by when they end.
type deadlines []*wait

var _ heap.Interface = (*deadlines)(nil)

func (d deadlines) Len() int { return len(d) }

func (d deadlines) Less(i, j int) bool { return d[i].deadline.Before(d[j].deadline) }

func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].heapSlot, d[j].heapSlot = i, j
}

func (d *deadlines) Push(x any) {
	w := x.(*wait)
	w.heapSlot = len(*d)
	*d = append(*d, w)
}

func (d *deadlines) Pop() any {
	old := *d
	w := old[len(old)-1]
	old[len(old)-1] = nil
	*d = old[:len(old)-1]
	w.heapSlot = -1
	return w
}
