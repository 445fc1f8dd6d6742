package load

import (
	"slices"
	"time"
)

// A Result is the result of one run of a workload, or the median of several.
type Result struct {
	Workload    string  `json:"workload"`
	Clients     int     `json:"clients"`
	Subscribers int     `json:"subscribers,omitempty"`
	InFlight    int     `json:"in_flight"`         // requests of each client
	Streams     int     `json:"streams,omitempty"` // streams of a client that publishes to many
	Batch       int     `json:"batch,omitempty"`   // events of an APPEND
	Size        int     `json:"size"`              // bytes of an event
	Events      int     `json:"events"`            // acknowledged, replayed, or delivered in all
	Lost        int     `json:"lost"`              // broadcasts that did not arrive
	Seconds     float64 `json:"seconds"`           // from the first request to the last event
	Rate        float64 `json:"events_per_s"`
	MB          float64 `json:"mb_per_s"` // 10⁶ bytes of events

	// From sending a PUBLISH or APPEND, or when it was due, to its answer; in microseconds.
	// A replay has none.
	P50  float64 `json:"p50_us,omitempty"`
	P99  float64 `json:"p99_us,omitempty"`
	P999 float64 `json:"p999_us,omitempty"`
	Max  float64 `json:"max_us,omitempty"`

	Pause float64 `json:"pause_us,omitempty"` // the longest time between two answers to a client

	// Of `mixed`: the same workload without the replays, and their speed.
	AloneP50     float64 `json:"alone_p50_us,omitempty"`
	AloneP99     float64 `json:"alone_p99_us,omitempty"`
	ReplayedRate float64 `json:"replayed_per_s,omitempty"`

	Floor string  `json:"floor,omitempty"` // what Ratio is to
	Ratio float64 `json:"ratio,omitempty"`

	began time.Duration // by the clock of conn.began
}

// result begins the Result of a workload whose events took a time.
func (w Workload) result(events int, took time.Duration) Result {
	r := Result{Workload: w.Name, Clients: w.Clients, Subscribers: w.Subscribers, InFlight: w.InFlight, Streams: w.Streams, Batch: w.Batch, Size: w.Size, Events: events}
	r.Seconds = took.Seconds()
	if took > 0 {
		r.Rate = float64(events) / r.Seconds
		r.MB = r.Rate * float64(w.Size) / 1e6
	}
	return r
}

// latencies adds the latencies in h.
func (r Result) latencies(h *Histogram) Result {
	r.P50, r.P99, r.P999 = micro(h.Quantile(.5)), micro(h.Quantile(.99)), micro(h.Quantile(.999))
	r.Max = micro(h.Max())
	return r
}

func micro(d time.Duration) float64 { return float64(d) / 1e3 }

// Median returns the median of each field over results of the same workload.
func Median(results []Result) Result {
	m := results[0]
	for _, f := range []func(*Result) *float64{
		func(r *Result) *float64 { return &r.Seconds },
		func(r *Result) *float64 { return &r.Rate },
		func(r *Result) *float64 { return &r.MB },
		func(r *Result) *float64 { return &r.P50 },
		func(r *Result) *float64 { return &r.P99 },
		func(r *Result) *float64 { return &r.P999 },
		func(r *Result) *float64 { return &r.Max },
		func(r *Result) *float64 { return &r.Pause },
		func(r *Result) *float64 { return &r.AloneP50 },
		func(r *Result) *float64 { return &r.AloneP99 },
		func(r *Result) *float64 { return &r.ReplayedRate },
		func(r *Result) *float64 { return &r.Ratio },
	} {
		*f(&m) = medianOf(results, f)
	}
	m.Events = medianOf(results, func(r *Result) *int { return &r.Events })
	m.Lost = medianOf(results, func(r *Result) *int { return &r.Lost })
	return m
}

// medianOf returns the median of one field. For an even number of results it is the lower of the
// two in the middle, a value that was measured.
func medianOf[T any, N int | float64](all []T, field func(*T) *N) N {
	values := make([]N, len(all))
	for i := range all {
		values[i] = *field(&all[i])
	}
	slices.Sort(values)
	return values[(len(values)-1)/2]
}
