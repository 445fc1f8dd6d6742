package load

import (
	"context"
	"fmt"
)

// Pass runs each workload once and measures its floor right before it, so that the state of the
// machine is about the same for both.
func Pass(ctx context.Context, t Target, workloads []Workload) (Floors, []Result, error) {
	var floors Floors
	var results []Result
	var one float64 // result of the fan-out to one subscriber
	for _, w := range workloads {
		if err := floors.measure(ctx, t, w); err != nil {
			return floors, results, fmt.Errorf("floor of %s: %w", w.Name, err)
		}
		r, err := w.Run(ctx, t)
		if err != nil {
			return floors, results, fmt.Errorf("%s: %w", w.Name, err)
		}
		switch w.Name {
		case "pipelined":
			t.pipelined = r.Rate
		case "fanout-1":
			one = r.Rate
		}
		floors.compare(&r, w, t.pipelined, one)
		results = append(results, r)
	}
	return floors, results, nil
}

// MedianFloors returns the median of each floor.
func MedianFloors(all []Floors) Floors {
	m := all[0]
	for _, f := range []func(*Floors) *float64{
		func(f *Floors) *float64 { return &f.Fdatasync },
		func(f *Floors) *float64 { return &f.RoundTrip },
		func(f *Floors) *float64 { return &f.Echo },
		func(f *Floors) *float64 { return &f.EchoLarge },
		func(f *Floors) *float64 { return &f.Stream },
	} {
		*f(&m) = medianOf(all, f)
	}
	return m
}
