package main

import (
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"gorewind/load"
)

// A benchReport is what --json prints.
type benchReport struct {
	Version string        `json:"version"`
	Time    time.Time     `json:"time"` // when it began
	CPUs    int           `json:"cpus"`
	Runs    int           `json:"runs"` // figures are medians of so many
	Floors  load.Floors   `json:"floors"`
	Results []load.Result `json:"results"`
}

// table prints a report for people.
func (r benchReport) table(w io.Writer) error {
	runs := "one run"
	if r.Runs > 1 {
		runs = fmt.Sprintf("medians of %d runs", r.Runs)
	}
	fmt.Fprintf(w, "gorewind %s, %s, %s\n\n", r.Version, counted(r.CPUs, "CPU"), runs)
	r.floorTable(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "workload       \tclients\tin flight\tsize\tevents/s\tMB/s\tp50\tp99\tp99.9\tmax\tpause\tratio\tto\t")
	for _, x := range r.Results {
		fmt.Fprintf(t, "%-15s\t%d\t%s\t%d\t%s\t%.1f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", x.Workload, x.Clients, grouped(float64(x.InFlight)), x.Size,
			grouped(x.Rate), x.MB, latency(x.P50), latency(x.P99), latency(x.P999), latency(x.Max), latency(x.Pause), ratio(x.Ratio), orDash(x.Floor))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return r.remarks(w)
}

// floorTable prints the floors that were measured.
func (r benchReport) floorTable(w io.Writer) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range []struct {
		name, unit string
		value      float64
	}{
		{"fdatasync\t128 octets appended and synced", "µs", r.Floors.Fdatasync},
		{"round-trip\tZeroMQ, one in flight", "µs", r.Floors.RoundTrip},
		{"echo\tROUTER that answers at once, pipelined", "/s", r.Floors.Echo},
		{"echo-large\tthe same with events of large", "/s", r.Floors.EchoLarge},
		{"stream\tROUTER that sends events at once", "/s", r.Floors.Stream},
	} {
		if f.value > 0 {
			fmt.Fprintf(t, "floor\t%s\t%s %s\n", f.name, grouped(f.value), f.unit)
		}
	}
	t.Flush()
	fmt.Fprintln(w)
}

// remarks prints what is in no column.
func (r benchReport) remarks(w io.Writer) (err error) {
	remark := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(w, "\n"+format+"\n", args...)
		}
	}
	remark("p50 to max are latencies; pause is the longest time between two answers to a client; ratio is to what \"to\" names: events/s, or where that is a p99, latencies.")
	for _, x := range r.Results {
		if x.Lost > 0 {
			remark("%s: %s broadcasts of %s did not come: PUB drops what a subscriber does not take.",
				x.Workload, grouped(float64(x.Lost)), grouped(float64(x.Lost+x.Events)))
		}
		if x.AloneP99 > 0 {
			remark("%s: alone p50 %s, p99 %s; beside it %s events/s were replayed.",
				x.Workload, latency(x.AloneP50), latency(x.AloneP99), grouped(x.ReplayedRate))
		}
	}
	return err
}

// grouped formats a number without its fraction, thousands apart.
func grouped(n float64) string {
	s := strconv.FormatFloat(n, 'f', 0, 64)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// latency formats microseconds.
func latency(us float64) string {
	switch {
	case us == 0:
		return "-"
	case us < 1000:
		return fmt.Sprintf("%.0f µs", us)
	case us < 1e6:
		return fmt.Sprintf("%.2f ms", us/1e3)
	}
	return fmt.Sprintf("%.2f s", us/1e6)
}

func ratio(r float64) string {
	if r == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", r)
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
