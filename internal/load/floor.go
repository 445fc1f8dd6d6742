package load

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"
)

// Floors are what this machine can do without an event store: libzmq in C at both ends over TCP
// on loopback, and the file system. Zero means not measured.
type Floors struct {
	Fdatasync float64 `json:"fdatasync_us,omitempty"`     // appending 128 bytes to a file and syncing it, on average
	RoundTrip float64 `json:"round_trip_us,omitempty"`    // a PUBLISH answered by a ROUTER that stores nothing, one in flight, on average
	Echo      float64 `json:"echo_per_s,omitempty"`       // the same, 10,000 in flight
	EchoLarge float64 `json:"echo_large_per_s,omitempty"` // the same with the events and requests in flight of `large`
	Stream    float64 `json:"stream_per_s,omitempty"`     // EVENTs from a ROUTER that sends as fast as the peer receives
}

// A floor is what a workload's result is compared with.
type floor int

const (
	toNothing floor = iota
	toEcho
	toSyncedRoundTrip
	toStream
	toPipelined
	toOneSubscriber
	toAlone
)

// measure measures the floors that a workload needs and that are still zero.
func (f *Floors) measure(ctx context.Context, t Target, w Workload) (err error) {
	into := &f.Echo
	if w.Name == "large" {
		into = &f.EchoLarge
	}
	switch {
	case w.floor == toEcho && *into == 0:
		*into, err = echo(ctx, t, "echo", w)
	case w.floor == toSyncedRoundTrip && f.RoundTrip == 0:
		var rate float64
		if rate, err = echo(ctx, t, "round trip", w); err != nil {
			return err
		}
		f.RoundTrip = 1e6 / rate
		f.Fdatasync, err = fdatasync(t.Dir, w.Count)
	case w.floor == toStream && f.Stream == 0:
		f.Stream, err = stream(ctx, t, w)
	}
	return err
}

// compare adds to a result its ratio to its floor. pipelined and one are the results of these
// workloads, 0 if not measured; one is the fan-out to one subscriber.
func (f *Floors) compare(r *Result, w Workload, pipelined, one float64) {
	switch w.floor {
	case toEcho:
		r.Floor, r.Ratio = "echo", r.Rate/f.Echo
		if w.Name == "large" {
			r.Floor, r.Ratio = "echo-large", r.Rate/f.EchoLarge
		}
	case toSyncedRoundTrip:
		r.Floor, r.Ratio = "round-trip+fdatasync", r.Rate*(f.RoundTrip+f.Fdatasync)/1e6
	case toStream:
		r.Floor, r.Ratio = "stream", r.Rate/f.Stream
	case toPipelined:
		if pipelined > 0 {
			r.Floor, r.Ratio = "pipelined", r.Rate/pipelined
		}
	case toOneSubscriber:
		if one > 0 {
			r.Floor, r.Ratio = "fanout-1", r.Rate/one
		}
	case toAlone:
		r.Floor, r.Ratio = "alone, p99", r.P99/r.AloneP99
	}
}

// echo measures a workload of one client against a ROUTER that answers at once.
func echo(ctx context.Context, t Target, name string, w Workload) (rate float64, err error) {
	c, err := newCeiling(w.Size, 0)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	t.Router, t.Curve = c.endpoint, nil
	w.Name = name
	if w.Clients > 1 {
		w.InFlight = defaultInFlight
	}
	r, err := publishTo(ctx, t, w, newStream(), 0)
	return r.Rate, err
}

// stream measures a replay from a ROUTER that sends as fast as it can.
func stream(ctx context.Context, t Target, w Workload) (rate float64, err error) {
	c, err := newCeiling(w.Size, w.Count)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	t.Router, t.Curve = c.endpoint, nil
	s, conns, err := connect(ctx, t, w.Size, 1)
	if err != nil {
		return 0, err
	}
	defer s.close()
	took, err := s.replay(ctx, conns[0], job{stream: newStream(), size: w.Size, count: w.Count}, t.progress("stream", w.Count))
	return float64(w.Count) / took.Seconds(), err
}

// fdatasync returns the microseconds of a synced append of 128 bytes.
func fdatasync(dir string, n int) (us float64, err error) {
	f, err := os.CreateTemp(dir, "gorewind-bench-")
	if err != nil {
		return 0, fmt.Errorf("cannot measure fdatasync: %w; choose another directory", err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	took, err := syncs(f, max(1, min(n, 1000)))
	return float64(took) / float64(time.Microsecond), err
}
