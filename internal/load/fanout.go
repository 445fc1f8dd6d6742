package load

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
)

// quietTime is how long PUB may be silent after the last PUBLISH before missing broadcasts count
// as lost, at most the target's timeout.
const quietTime = time.Second

// fanningOut lets one client publish and subscribers receive everything.
func fanningOut(ctx context.Context, t Target, w Workload) (Result, error) {
	stream := newStream()
	f := &fanout{t: t, w: w, stream: stream + "/event", probes: stream + "/probe"}
	defer f.close()
	if err := f.connect(ctx); err != nil {
		return Result{}, err
	}
	return f.measure(ctx)
}

// A fanout has groups of subscribers, each group with a thread and an I/O thread.
type fanout struct {
	t              Target
	w              Workload
	stream, probes string
	groups         []*session
}

func (f *fanout) close() {
	for _, s := range f.groups {
		s.close()
	}
}

// connect creates the subscribers and waits until each receives from PUB. More groups than half
// of the processors would take time from the daemon.
func (f *fanout) connect(ctx context.Context) error {
	n := min(f.w.Subscribers, max(1, runtime.NumCPU()/2))
	for i := range n {
		s, err := newSession(f.t, f.w.Size)
		if err != nil {
			return err
		}
		f.groups = append(f.groups, s)
		for range (f.w.Subscribers + i) / n {
			c, err := s.open(f.t.Pub, f.stream[:len(f.stream)-len("event")])
			if err != nil {
				return err
			}
			if err := s.assign(c, job{stream: f.stream, size: f.w.Size, count: f.w.Count}); err != nil {
				return err
			}
		}
	}
	return f.probe(ctx)
}

// probe publishes to a stream of its own until every subscriber has received from it.
func (f *fanout) probe(ctx context.Context) error {
	probes, conns, err := connect(ctx, f.t, f.w.Size, 1)
	if err != nil {
		return err
	}
	defer probes.close()
	begun := time.Now()
	for i := 0; ; i++ {
		if err := probes.assign(conns[0], job{stream: fmt.Sprint(f.probes, i), size: f.w.Size, count: 1, inFlight: 1}); err != nil {
			return err
		}
		if err := probes.drive(ctx, conns, publish, nil, nil, nil); err != nil {
			return err
		}
		if heard, err := f.heard(ctx); heard || err != nil {
			return err
		}
		if time.Since(begun) > f.t.timeout() {
			return fmt.Errorf("no broadcast came from %q for %v; check that it is the PUB endpoint of the daemon at %q", f.t.Pub, f.t.timeout(), f.t.Router)
		}
	}
}

// heard waits briefly for subscribers that have not received a probe yet.
func (f *fanout) heard(ctx context.Context) (bool, error) {
	all := true
	for _, s := range f.groups {
		late := false
		err := s.drive(ctx, s.conns, probe, nil, nil, func(time.Duration) bool { late = true; return true })
		if err != nil {
			return false, err
		}
		all = all && !late
	}
	return all, nil
}

// measure publishes and collects the broadcasts.
func (f *fanout) measure(ctx context.Context) (Result, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var published atomic.Bool
	var wg sync.WaitGroup
	errs := make([]error, len(f.groups))
	for i, s := range f.groups {
		for _, c := range s.conns {
			c.again()
		}
		wg.Go(func() { // ends with the last event, after quietTime, or with ctx
			errs[i] = s.drive(ctx, s.conns, subscribe, nil, nil, func(quiet time.Duration) bool {
				return published.Load() && quiet >= min(quietTime, f.t.timeout())
			})
			if errs[i] != nil {
				cancel(errs[i])
			}
		})
	}
	acks, err := publishTo(ctx, f.t, f.w, f.stream, 0)
	if err != nil {
		cancel(err)
	}
	published.Store(true)
	wg.Wait()
	if err := errors.Join(append(errs, err)...); err != nil {
		return Result{}, context.Cause(ctx) // the first of them
	}
	return f.count(acks), nil
}

// count adds up deliveries and losses, from the first request to the last delivery. Latencies are
// those of the acknowledgements.
func (f *fanout) count(acks Result) Result {
	delivered, lost, last := 0, 0, acks.began
	for _, s := range f.groups {
		for _, c := range s.conns {
			delivered += c.answered()
			lost += f.w.Count - c.answered()
			last = max(last, c.finished())
		}
	}
	r := f.w.result(delivered, last-acks.began)
	r.Lost = lost
	r.P50, r.P99, r.P999, r.Max = acks.P50, acks.P99, acks.P999, acks.Max
	return r
}
