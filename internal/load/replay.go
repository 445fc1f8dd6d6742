package load

import (
	"context"
	"time"
)

// replaying publishes a stream, which it does not measure, and then replays it.
func replaying(ctx context.Context, t Target, w Workload) (Result, error) {
	stream := newStream()
	if _, err := publishTo(ctx, t.quietly(), w, stream, 0); err != nil {
		return Result{}, err
	}
	s, conns, err := connect(ctx, t, w.Size, 1)
	if err != nil {
		return Result{}, err
	}
	defer s.close()
	took, err := s.replay(ctx, conns[0], job{stream: stream, size: w.Size, count: w.Count}, t.progress(w.Name, w.Count))
	if err != nil {
		return Result{}, err
	}
	return w.result(w.Count, took), nil
}

// replay replays a stream whose events are known.
func (s *session) replay(ctx context.Context, c conn, j job, progress func(int)) (time.Duration, error) {
	if err := s.assign(c, j); err != nil {
		return 0, err
	}
	err := s.drive(ctx, []conn{c}, replay, nil, progress, nil)
	return c.finished() - c.began(), err
}
