package server

import (
	"context"
	"errors"
	"time"

	"gorewind/server/internal/pack"
	"gorewind/store"
)

// relayAhead is how many packed batches of broadcasts may wait for the loop.
const relayAhead = 4

// relayBytes is the size of a batch at most, about.
const relayBytes = 1 << 20

// relay posts every event after a position to the loop, in commit order, to be
// broadcast, and makes the hub wake followers. It ends when ctx is done. It follows the
// store and not the requests, so events are broadcast whoever wrote them.
func relay(ctx context.Context, s store.Store, from uint64, l *loop) {
	buffers := make(chan []byte, relayAhead)
	for range relayAhead {
		buffers <- nil
	}
	epoch := l.erasures.now.Load()
	for ctx.Err() == nil {
		var err error
		for events, failed := range s.Tail(ctx, from) {
			if err = failed; err != nil {
				break
			}
			l.hub.dispatch(events, epoch, l)
			if !relayBatch(ctx, events, buffers, l) {
				return
			}
			from = events[len(events)-1].Position
			epoch = l.erasures.now.Load() // before the next batch is read
		}
		if err == nil || errors.Is(err, store.ErrClosed) || ctx.Err() != nil {
			return
		}
		if errors.Is(err, store.ErrDamaged) {
			// Subscribers notice a gap in the ids of later events, and a query says
			// what is missing.
			l.log.Error("cannot broadcast damaged events; skipping them", "after", from, "error", err)
			from = s.Info().LastPosition
			l.hub.skip(from, l)
			continue
		}
		l.log.Error("cannot read events to broadcast; trying again", "after", from, "error", err)
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
		}
	}
}

// relayBatch posts events to the loop, as fast as the loop broadcasts them and returns
// the buffers. It reports false when ctx is done.
func relayBatch(ctx context.Context, events []store.Event, buffers chan []byte, l *loop) bool {
	for len(events) > 0 {
		var packed []byte
		select {
		case packed = <-buffers:
		case <-ctx.Done():
			return false
		}
		n, size := 0, 0
		if l.stats.Subscribers.Load() == 0 {
			n = len(events) // nobody hears them: whoever subscribes now gets later events only
		}
		for n < len(events) && len(packed) < relayBytes {
			e := &events[n]
			packed = pack.Broadcast(packed, e.Stream, e.ID, e.Data)
			size += len(e.Data)
			n++
		}
		position := events[n-1].Position
		events = events[n:]
		l.out.post(func() {
			l.sendBroadcasts(packed, n, size, position)
			if cap(packed) > 2*relayBytes {
				packed = nil // do not keep the memory of large events
			}
			buffers <- packed[:0]
		})
	}
	return true
}

// sendBroadcasts sends packed broadcasts, up to the event at a position.
func (l *loop) sendBroadcasts(packed []byte, events, size int, position uint64) {
	l.broadcasts = position
	if err := l.transport.Broadcast(l.subs.Pinned, packed); err != nil {
		l.log.Error("cannot broadcast", "error", err)
		return
	}
	l.stats.Broadcast.Add(uint64(events))
	l.stats.BroadcastBytes.Add(uint64(size))
	l.stats.CutOff.Add(uint64(l.subs.CloseStalled(l.log)))
}
