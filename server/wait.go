package server

import (
	"container/heap"
	"context"
	"time"

	"gorewind/server/internal/auth"
	"gorewind/wire"
)

// wait is the source of WAIT. It registers before it reads the cursor, so that it
// misses no COMMIT. While it waits, no reader has its task, and it has no chunk.
type wait struct {
	baseSource
	task     *task
	key      string // of the cursor
	want     wire.Wait
	deadline time.Time
	heapSlot int    // in waits.deadlines, or -1
	looked   bool   // it has read the cursor
	reached  uint64 // the cursor that a COMMIT has set meanwhile, if that is far enough
}

// waits are all WAITs that have begun. They are the loop's.
type waits struct {
	byCursor  map[string]map[*wait]struct{}
	deadlines deadlines
}

// cursorKey returns a map key for a cursor.
func cursorKey(consumer, stream []byte) string {
	b := append(make([]byte, 0, 1+len(consumer)+len(stream)), byte(len(consumer)))
	return string(append(append(b, consumer...), stream...))
}

// waitFor handles a WAIT.
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
func (w *wait) fill(ctx context.Context, r *reader, c *chunk) {
	id, err := r.store.Cursor(ctx, w.want.Consumer, w.want.Stream)
	switch {
	case err != nil:
		c.packed, c.last = c.pack(nil, r.explain(err)), true
	case id >= w.want.ID:
		c.packed, c.last = c.pack(nil, wire.Reached{Cursor: id}), true
	}
}

// suspend implements source.
func (w *wait) suspend(l *loop, t *task) bool {
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
	return wire.Errorf(wire.Cancelled, "send it again if you still need the answer", "the request was cancelled")
}

func timedOut() *wire.Error {
	return wire.Errorf(wire.Timeout, "ask again, or find out what delays the consumer", "the consumer did not commit the id in time")
}

// moved answers the WAITs for a cursor that a COMMIT has moved to an id.
func (l *loop) moved(consumer, stream []byte, id uint64) {
	if len(l.waits.byCursor) == 0 {
		return
	}
	for w := range l.waits.byCursor[cursorKey(consumer, stream)] {
		if id < w.want.ID {
			continue
		}
		if w.task.away || len(w.task.chunk.packed) > 0 {
			w.reached = id // in case the cursor that it has read is older
			continue
		}
		l.finish(w.task.lane, wire.Reached{Cursor: id})
	}
}

// expire ends WAITs whose time is over. A WAIT that has begun reads the cursor first.
func (l *loop) expire(now time.Time) {
	d := &l.waits.deadlines
	for len(*d) > 0 && !(*d)[0].deadline.After(now) {
		w := heap.Pop(d).(*wait)
		if t := w.task; !t.counted || w.looked && !t.away && len(t.chunk.packed) == 0 {
			l.finish(w.task.lane, timedOut())
		}
	}
}

// deadlines is a heap of WAITs by when they end.
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
