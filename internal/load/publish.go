package load

import (
	"context"
	"fmt"
	"time"
)

// publishing lets clients publish, each to a stream of its own.
func publishing(ctx context.Context, t Target, w Workload) (Result, error) {
	s, conns, err := connect(ctx, t, w.Size, min(w.Clients, w.Count))
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	stream := newStream()
	for i, c := range conns {
		share := w.Count / len(conns)
		if i < w.Count%len(conns) {
			share++
		}
		j := job{stream: fmt.Sprint(stream, "/", i), size: w.Size, count: share, inFlight: w.InFlight}
		if err := s.assign(c, j); err != nil {
			return Result{}, err
		}
	}
	return s.publishAll(ctx, conns, t, w)
}

// publishAll lets connections publish what assign gave them.
func (s *session) publishAll(ctx context.Context, conns []conn, t Target, w Workload) (Result, error) {
	var h Histogram
	if err := s.drive(ctx, conns, publish, &h, t.progress(w.Name, w.Count), nil); err != nil {
		return Result{}, err
	}
	r := w.result(w.Count, span(conns)).latencies(&h)
	r.began = conns[0].began()
	for _, c := range conns {
		r.began = min(r.began, c.began())
		r.Pause = max(r.Pause, micro(c.pause()))
	}
	return r, nil
}

// publishingAlone lets one client publish to one stream, to random ones of many, or in batches.
func publishingAlone(ctx context.Context, t Target, w Workload) (Result, error) {
	return publishTo(ctx, t, w, newStream(), 0)
}

// span returns the time from the first request of conns to their last answer.
func span(conns []conn) time.Duration {
	from, to := conns[0].began(), conns[0].finished()
	for _, c := range conns {
		from, to = min(from, c.began()), max(to, c.finished())
	}
	return to - from
}

// publishTo lets one client publish all events of a workload to a stream, one every interval or,
// if that is 0, as answers arrive.
func publishTo(ctx context.Context, t Target, w Workload, stream string, interval time.Duration) (Result, error) {
	s, conns, err := connect(ctx, t, w.Size, 1)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	j := job{stream: stream, size: w.Size, count: w.Count, inFlight: w.InFlight, interval: interval, streams: w.Streams, batch: w.Batch}
	if err := s.assign(conns[0], j); err != nil {
		return Result{}, err
	}
	return s.publishAll(ctx, conns, t, w)
}
