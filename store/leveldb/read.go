package leveldb

import (
	"context"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/syndtr/goleveldb/leveldb"

	"gorewind/store"
	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// Read takes events from the database in chunks: until it has logscan.ChunkEvents,
// or this many bytes.
const readBytes = 256 << 10

// lookup returns the counter of a stream; the zero value if there is no such
// stream.
func (d *DB) lookup(ctx context.Context, name []byte) (c record.Counter, err error) {
	if c, ok := d.streams.cached(name); ok && !d.queue.isClosed() {
		return c, ctx.Err()
	}
	err = d.use(ctx, func(db *leveldb.DB) error {
		c, err = loadCounter(db, name)
		return err
	})
	return c, err
}

// Resolve implements store.Store.
func (d *DB) Resolve(ctx context.Context, r store.Range) (store.Range, error) {
	if r.Select != nil {
		return d.resolvePositions(ctx, r)
	}
	r, _, err := d.resolveIDs(ctx, r)
	return r, err
}

// resolveIDs resolves a range of one stream, and also returns the stream's counter.
func (d *DB) resolveIDs(ctx context.Context, r store.Range) (store.Range, record.Counter, error) {
	c, err := d.lookup(ctx, r.Stream)
	if err != nil {
		return r, c, err
	}
	if !r.Nearest {
		if err := checkBounds(c, r.After, r.UpTo); err != nil {
			return r, c, err
		}
	}
	after, upTo := max(r.After.N, c.Deleted), c.Last
	if r.UpTo.Given {
		upTo = min(upTo, r.UpTo.N)
	}
	if after < upTo && !(r.Since.IsZero() && r.Until.IsZero()) {
		if after, upTo, err = d.between(ctx, r, c.Number, after, upTo); err != nil {
			return r, c, err
		}
	}
	return fixed(r, after, upTo), c, nil
}

// fixed returns r with other bounds, which are compared and not looked up.
func fixed(r store.Range, after, upTo uint64) store.Range {
	r.After, r.UpTo, r.Nearest = store.Some(after), store.Some(upTo), true
	r.Since, r.Until = time.Time{}, time.Time{}
	return r
}

// checkBounds verifies that a stream has the events that bounds name.
func checkBounds(c record.Counter, after, upTo store.Optional) error {
	if after.N != 0 && after.N != c.Deleted && !c.Holds(after.N) {
		return fmt.Errorf("%w: after is %d", store.ErrUnknownID, after.N)
	}
	if upTo.N != 0 && upTo.N != after.N && !c.Holds(upTo.N) {
		return fmt.Errorf("%w: upto is %d", store.ErrUnknownID, upTo.N)
	}
	return checkOrder(after, upTo)
}

func checkOrder(after, upTo store.Optional) error {
	if upTo.N != 0 && after.N > upTo.N {
		return fmt.Errorf("%w: after is %d, upto %d", store.ErrBadRange, after.N, upTo.N)
	}
	return nil
}

// resolvePositions resolves a range of several streams.
func (d *DB) resolvePositions(ctx context.Context, r store.Range) (store.Range, error) {
	if err := d.use(ctx, func(*leveldb.DB) error { return nil }); err != nil {
		return r, err
	}
	last := d.tip().Position
	if !r.Nearest {
		for _, bound := range []store.Optional{r.After, r.UpTo} {
			if bound.N > last {
				return r, fmt.Errorf("%w: the last position is %d, not %d", store.ErrUnknownID, last, bound.N)
			}
		}
		if err := checkOrder(r.After, r.UpTo); err != nil {
			return r, err
		}
	}
	after, upTo := r.After.N, last
	if r.UpTo.Given {
		upTo = min(upTo, r.UpTo.N)
	}
	var err error
	if after < upTo && !(r.Since.IsZero() && r.Until.IsZero()) {
		after, upTo, err = d.committedBetween(ctx, r, after, upTo)
	}
	return fixed(r, after, upTo), err
}

// Read implements store.Store.
func (d *DB) Read(ctx context.Context, r store.Range) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		b := budget{events: r.Limit, bytes: r.Bytes, yield: yield}
		if b.events <= 0 {
			b.events = logscan.Unlimited
		}
		if b.bytes <= 0 {
			b.bytes = logscan.Unlimited
		}
		scratch := eventSlices.Get().(*[]store.Event)
		defer func() {
			clear((*scratch)[:cap(*scratch)])
			eventSlices.Put(scratch)
		}()
		read := d.readStream
		if r.Select != nil {
			read = d.readSelection
		}
		err := read(ctx, r, &b, scratch)
		if err != nil && !b.over() {
			yield(store.Event{}, err)
		}
	}
}

// A budget is how much of an answer may still be yielded.
type budget struct {
	events, bytes int
	stopped       bool // the caller wants no more
	yield         func(store.Event, error) bool
}

// spend yields an event if the budget allows, and reports whether to go on.
func (b *budget) spend(e *store.Event) bool {
	if b.over() {
		return false
	}
	b.events--
	b.bytes -= len(e.Data)
	b.stopped = !b.yield(*e, nil)
	return true
}

// spendAll yields events as far as the budget goes.
func (b *budget) spendAll(events []store.Event) {
	for i := range events {
		if !b.spend(&events[i]) {
			return
		}
	}
}

func (b *budget) over() bool { return b.stopped || b.events <= 0 || b.bytes <= 0 }

// eventSlices recycles the slices that collect a chunk's events.
var eventSlices = sync.Pool{New: func() any { return new([]store.Event) }}

// readStream yields the events of one stream.
func (d *DB) readStream(ctx context.Context, r store.Range, b *budget, scratch *[]store.Event) error {
	r, c, err := d.resolveIDs(ctx, r)
	if err != nil {
		return err
	}
	if r.After.N >= r.UpTo.N {
		return nil
	}
	low, high := r.After.N+1, r.UpTo.N
	for low <= high && !b.over() {
		want := record.Run{Number: c.Number, First: low, Count: min(high+1-low, uint64(b.events), logscan.ChunkEvents)}
		if r.Backward {
			want.First = high + 1 - want.Count
		}
		*scratch, err = d.readRun(ctx, (*scratch)[:0], r.Stream, want, min(b.bytes, readBytes), r.Backward)
		b.spendAll(*scratch)
		if r.Backward {
			high -= uint64(len(*scratch))
		} else {
			low += uint64(len(*scratch))
		}
		if err == nil {
			continue
		}
		// The missing events may have been deleted meanwhile.
		c, lookup := d.lookup(ctx, r.Stream)
		missing := low
		if r.Backward {
			missing = high
		}
		if lookup != nil || c.Deleted < missing {
			if r.Backward {
				return err
			}
			return logscan.Lost(err, low, low, high)
		}
		low = c.Deleted + 1
	}
	return nil
}

// readRun appends the first events of a run, or backward the last ones, last first,
// until they have so many bytes. Deleted events count as missing even while their
// pages exist.
func (d *DB) readRun(ctx context.Context, events []store.Event, name []byte, want record.Run, size int, backward bool) ([]store.Event, error) {
	err := d.use(ctx, func(db *leveldb.DB) (err error) {
		if hidden := d.eraser.hiddenUpTo(want.Number); hidden >= want.First {
			end := want.First + want.Count
			if !backward || hidden >= end-1 {
				return logscan.Gap(want.First)
			}
			want.First, want.Count = hidden+1, end-1-hidden
		}
		r := logscan.NewPageReader(db)
		defer r.Release()
		if backward {
			events, err = r.ReadBackward(events, name, want, size)
		} else {
			events, err = r.Read(events, name, want, size)
		}
		return err
	})
	return events, err
}
