package server

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"gorewind/server/internal/auth"
	"gorewind/server/internal/pack"
	"gorewind/store"
	"gorewind/wire"
)

// A query is the source of QUERY. Its parts have different owners.
type query struct {
	question          // constant once a task has it
	reading           // of whoever has the task, like the chunk: the loop, a reader or the hub
	parking           // the hub's, under its mutex
	parked   bool     // the loop's: the hub has the task
	task     *task    // constant once the task has begun
	progress progress // atomic
}

// A question is what a QUERY asks for, except the range, which is in reading.
type question struct {
	consumer []byte // begin after its cursor; nil for none
	store    string // ID.GENERATION of the store that the request is for, or empty
	since    time.Time
	meta     bool
	follow   bool
}

// A reading is how far a query has come. It is handed over with the chunk. The stream
// and the selection of its range are constant, and anybody may read them.
type reading struct {
	r     store.Range // after fix, one of its bounds is the place
	fixed bool
	stamp pack.Stamp

	at, next place // before the chunk and after it

	seen  uint64 // last event that the hub had dispatched before the read
	skips uint64 // hub.skips before the read
}

// A parking is what the hub knows of a follower.
type parking struct {
	watch *watch
	slot  int  // in watch.parked, or -1
	woken bool // by the current dispatch
	full  bool // its chunk takes no more events of the current dispatch
}

// A place is how far a query has come.
type place struct {
	n    uint64 // forward: all up to this id or position was sent; backward: all beyond it
	left uint64 // events until the limit
	live bool   // LIVE was sent
	more bool   // there may be more to read in the store
}

// Memory that a pattern of a selection takes at most, about: patternBytes, and
// compiledBytes for each byte of the pattern.
const (
	patternBytes  = 512
	compiledBytes = 32
)

// query handles a QUERY.
func (l *loop) query(ln *lane, w wire.Query) {
	q := &query{
		question: question{store: w.Store, since: w.Since, meta: w.Meta, follow: w.Follow},
		reading: reading{r: store.Range{
			After: optional(w.After), UpTo: optional(w.UpTo),
			Since: w.Since, Until: w.Until, Nearest: w.Nearest, Backward: w.Desc,
		}},
		parking: parking{slot: -1},
	}
	if w.Consumer != nil {
		q.consumer = append([]byte{}, w.Consumer...)
	}
	if q.at.left = w.Limit; w.Limit == 0 {
		q.at.left = math.MaxUint64
	}
	size := len(w.Consumer) + len(w.Store)
	if w.Match == wire.MatchName {
		q.r.Stream = append([]byte(nil), w.Stream...)
		size += len(w.Stream)
	} else {
		var refused *wire.Error
		if q.r.Select, refused = selection(w); refused != nil {
			l.refuse(ln, refused)
			return
		}
		for _, p := range append(w.Also, w.Stream) {
			size += patternBytes + compiledBytes*len(p)
		}
	}
	l.task(ln, q, size)
}

// selection returns the streams that a query with match selects.
func selection(w wire.Query) (s *store.Selection, refused *wire.Error) {
	separator := byte(wire.DefaultSeparator)
	if w.HasSeparator {
		separator = w.Separator
	}
	refuse := func(frame string, glob []byte, err error) *wire.Error {
		return wire.Errorf(wire.BadOption, "send a glob as the protocol describes it", "the frame %s is not a valid glob: %v", frame, err).
			With(wire.Hex(frame, glob))
	}
	s = store.Prefix(w.Stream)
	if w.Match == wire.MatchGlob {
		var err error
		if s, err = store.Glob(separator, w.Stream); err != nil {
			return nil, refuse("stream", w.Stream, err)
		}
	}
	for _, glob := range w.Also {
		if err := s.Also(separator, glob); err != nil {
			return nil, refuse("also", glob, err)
		}
	}
	return s, nil
}

// check implements source.
func (q *query) check(principal *auth.Principal) *wire.Error {
	switch {
	case q.r.Select == nil:
		return principal.May(wire.QUERY, auth.Read, q.r.Stream)
	case q.consumer != nil: // the cursor is one of all streams
		return principal.MayAll(wire.QUERY, auth.Read)
	}
	return principal.MaySelect(wire.QUERY, auth.Read, q.r.Select)
}

// begin implements source.
func (q *query) begin(l *loop, t *task) {
	q.task = t
	if q.follow {
		l.hub.join(q)
	}
}

// bytes implements source.
func (q *query) chunkSize() int {
	if q.r.Select != nil {
		return selectionBytes
	}
	return chunkBytes
}

// fill implements source.
func (q *query) fill(ctx context.Context, r *reader, c *chunk) {
	if q.follow {
		r.hub.beforeRead(q)
	}
	err := q.fix(ctx, r)
	q.next = q.at
	c.packed = newChunk(q.chunkSize())
	whole := false
	if err == nil {
		whole, err = q.read(ctx, r, c)
	}
	q.next.more = !whole
	switch {
	case err != nil:
		c.packed = c.pack(c.packed, q.refusal(ctx, r, err))
		c.last = true
	case q.next.left == 0 || whole && !q.follow:
		c.packed = c.pack(c.packed, wire.End{})
		c.last = true
	case whole && !q.next.live:
		c.packed = c.pack(c.packed, wire.Live{})
		q.next.live = true
	}
}

// fix checks the bounds of the range and makes them definite, on the first call. A
// follower's range stays open at its end.
func (q *query) fix(ctx context.Context, r *reader) error {
	if q.fixed {
		return nil
	}
	if refused := otherStore(q.store, r.store.Info()); refused != nil {
		return refused
	}
	if q.consumer != nil {
		cursor, err := r.store.Cursor(ctx, q.consumer, q.r.Stream)
		if err != nil {
			return err
		}
		q.r.After, q.r.Nearest = store.Some(cursor), true
	}
	fixed, err := r.store.Resolve(ctx, q.r)
	if err != nil {
		return err
	}
	q.r.After, q.r.UpTo = fixed.After, fixed.UpTo
	q.r.Since, q.r.Until, q.r.Nearest = time.Time{}, time.Time{}, true
	if q.at.n = q.r.After.N; q.r.Backward {
		q.at.n = q.r.UpTo.N
	}
	q.fixed = true
	q.progress.at.Store(q.at.n)
	return nil
}

// otherStore returns an ERROR if a request names another store than this one.
func otherStore(name string, i store.Info) error {
	if name == "" || name == storeName(i) {
		return nil
	}
	return wire.Errorf(wire.OtherStore, "start over, without a position or an id from before",
		"this is not the store that was named, or it was restored, or repaired with loss, since").
		With(wire.Param{Name: "store", Value: storeName(i)})
}

func storeName(i store.Info) string { return fmt.Sprintf("%s.%d", i.ID, i.Generation) }

// read packs events from the place on and reports whether it reached the end.
func (q *query) read(ctx context.Context, r *reader, c *chunk) (whole bool, err error) {
	if whole, err = q.bound(ctx, r); whole || err != nil {
		return whole, err
	}
	want := q.r
	want.Progress = true // a sparse selection returns from time to time, so that others get the reader
	if want.Bytes = q.chunkSize(); c.small {
		want.Bytes = 1
	}
	if q.at.left <= math.MaxInt {
		want.Limit = int(q.at.left)
	}
	n, size := 0, 0
	for e, err := range r.store.Read(ctx, want) {
		if err != nil {
			return false, err
		}
		if e.Stream == nil {
			q.next.n = e.Position
			r.stats.sent(n, size)
			return false, nil
		}
		q.pack(c, &e)
		n++
		size += len(e.Data)
		if len(c.packed) >= q.chunkSize() || c.small {
			r.stats.sent(n, size)
			return q.atEnd(), nil
		}
	}
	r.stats.sent(n, size)
	if size >= want.Bytes || n == want.Limit && want.Limit > 0 {
		return q.atEnd(), nil
	}
	if q.follow {
		q.next.n = max(q.next.n, q.seen, q.r.UpTo.N)
	}
	return true, nil
}

// bound makes the range begin at the place, and reports whether nothing is left in it.
func (q *query) bound(ctx context.Context, r *reader) (nothing bool, err error) {
	if q.r.Backward {
		q.r.UpTo.N = q.at.n
	} else {
		q.r.After.N = q.at.n
	}
	if q.follow {
		q.r.UpTo = store.Optional{}
		now, err := r.store.Resolve(ctx, q.r)
		if err != nil {
			return false, err
		}
		q.r.UpTo = now.UpTo
		q.progress.end.Store(now.UpTo.N)
		if nothing = q.r.UpTo.N <= q.r.After.N; nothing {
			q.next.n = max(q.next.n, q.seen)
		}
		return nothing, nil
	}
	return q.r.UpTo.N <= q.r.After.N, nil
}

// atEnd reports whether the place after the chunk is the end of the range.
func (q *query) atEnd() bool {
	if q.r.Backward {
		return q.next.n <= q.r.After.N
	}
	return q.next.n >= q.r.UpTo.N
}

// pack appends an event and moves the place after the chunk past it. It does not
// allocate.
func (q *query) pack(c *chunk, e *store.Event) {
	id := e.ID
	if q.r.Select != nil {
		id = e.Position
	}
	q.next.over(id, q.r.Backward)
	switch {
	case q.follow && e.Time.Before(q.since):
		return // since was in the future when the query began, and this is before it
	case q.meta:
		c.packed = c.envelope.Meta(c.packed, id, e, &q.stamp)
	default:
		c.packed = c.envelope.Event(c.packed, id, e.Data)
	}
	q.next.left--
}

// over moves the place past an event.
func (p *place) over(id uint64, backward bool) {
	if p.n = id; backward {
		p.n--
	}
}

// pass implements source.
func (q *query) pass(frames [][]byte) {
	switch string(frames[0]) {
	case wire.EVENT:
		id, _ := wire.ParseID(frames[1])
		q.at.over(id, q.r.Backward)
		q.at.left--
		q.progress.at.Store(q.at.n)
	case wire.LIVE:
		q.at.live = true
	}
}

// passAll implements source.
func (q *query) passAll() {
	q.at = q.next
	q.progress.at.Store(q.at.n)
}

// stale implements source.
func (q *query) stale(c *chunk, e *erasures) bool {
	if q.r.Select == nil {
		stream := e.hash(q.r.Stream)
		held := span{min(q.at.n, q.next.n), max(q.at.n, q.next.n)}
		return e.since(c.epoch, func(x erasure) bool { return x.stream == stream && held.overlaps(x.span) })
	}
	held := make(map[uint64]span)
	for rest := c.packed; len(rest) > 0; {
		var frames [][]byte
		if frames, rest = c.envelope.Unpack(rest); string(frames[0]) != wire.EVENT {
			continue
		}
		stream := e.hash(frames[3])
		id, _ := wire.ParseID(frames[4])
		if s, ok := held[stream]; ok {
			held[stream] = s.with(id)
		} else {
			held[stream] = span{id, id}
		}
	}
	return e.since(c.epoch, func(x erasure) bool {
		s, ok := held[x.stream]
		return ok && s.overlaps(x.span)
	})
}

// refusal explains why events cannot be read.
func (q *query) refusal(ctx context.Context, r *reader, err error) *wire.Error {
	if refused := (*wire.Error)(nil); errors.As(err, &refused) {
		return refused
	}
	e := r.explain(err)
	if e.Code != wire.UnknownID {
		if q.r.Select == nil {
			e.With(wire.Hex("stream", q.r.Stream))
		}
		return e
	}
	only := store.Range{Stream: q.r.Stream, Select: q.r.Select, After: q.r.After}
	unknown := q.r.UpTo.N
	if _, err := r.store.Resolve(ctx, only); errors.Is(err, store.ErrUnknownID) {
		unknown = q.r.After.N
	}
	return e.With(idParams(q.r.Stream, unknown)...)
}

// cancelled implements source.
func (q *query) cancelled() wire.Reply { return wire.End{} }
