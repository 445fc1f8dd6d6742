package load

import (
	"context"
	"errors"
	"sync"
	"time"
)

// mixing lets one client publish at half its maximum rate, first alone, then while another client
// replays a stream of as many events over and over.
func mixing(ctx context.Context, t Target, w Workload) (Result, error) {
	stream := newStream()
	full, err := publishTo(ctx, t.quietly(), w, stream, 0)
	if err != nil {
		return Result{}, err
	}
	rate := t.pipelined
	if rate == 0 { // not measured in this pass
		rate = full.Rate
	}
	interval := time.Duration(2 * float64(time.Second) / rate)
	alone, err := publishTo(ctx, t, w, newStream(), interval)
	if err != nil {
		return Result{}, err
	}
	both, err := besideReplays(ctx, t, w, stream, interval)
	both.AloneP50, both.AloneP99 = alone.P50, alone.P99
	return both, err
}

// errPublished ends the replays.
var errPublished = errors.New("all is published")

// besideReplays publishes at a fixed rate while another client replays a stream.
func besideReplays(ctx context.Context, t Target, w Workload, stream string, interval time.Duration) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var replayed float64
	var wg sync.WaitGroup
	begun := make(chan struct{})
	wg.Go(func() { // ends with ctx, at the latest when all is published
		var err error
		if replayed, err = replayAgain(ctx, t, w, stream, begun); err != nil {
			cancel(err)
		}
	})
	var r Result
	err := errPublished
	select {
	case <-begun:
		if r, err = publishTo(ctx, t, w, newStream(), interval); err == nil {
			err = errPublished
		}
	case <-ctx.Done():
	}
	cancel(err)
	wg.Wait()
	if cause := context.Cause(ctx); !errors.Is(cause, errPublished) {
		return Result{}, cause
	}
	r.ReplayedRate = replayed
	return r, nil
}

// replayAgain replays a stream until ctx is done, and returns the events received per second. It
// closes begun after the first full replay. The error is nil if ctx ended it.
func replayAgain(ctx context.Context, t Target, w Workload, stream string, begun chan<- struct{}) (float64, error) {
	s, conns, err := connect(ctx, t, w.Size, 1)
	if err != nil {
		return 0, err
	}
	defer s.close()
	j := job{stream: stream, size: w.Size, count: w.Count}
	if _, err := s.replay(ctx, conns[0], j, nil); err != nil {
		return 0, err
	}
	close(begun)
	from, events := time.Now(), 0
	for err == nil && ctx.Err() == nil { // a short replay ends before it looks at ctx
		_, err = s.replay(ctx, conns[0], j, nil)
		events += conns[0].answered()
	}
	if ctx.Err() != nil {
		err = nil
	}
	return float64(events) / time.Since(from).Seconds(), err
}
