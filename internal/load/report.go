package load

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"time"

	"gorewind/internal/term"
)

// A Report is the result of a benchmark. gorewind bench --json prints it as JSON.
type Report struct {
	Version string    `json:"version"`
	Time    time.Time `json:"time"` // when it began
	CPUs    int       `json:"cpus"`
	Runs    int       `json:"runs"` // number of runs; results are medians
	Floors  Floors    `json:"floors"`
	Results []Result  `json:"results"`
}

// Table prints a report as text.
func (r Report) Table(w io.Writer) error {
	runs := "one run"
	if r.Runs > 1 {
		runs = fmt.Sprintf("medians of %d runs", r.Runs)
	}
	fmt.Fprintf(w, "gorewind %s, %s, %s\n\n", r.Version, term.Counted(r.CPUs, "CPU"), runs)
	if err := r.floorTable(w); err != nil {
		return err
	}
	if err := r.resultTable(w); err != nil {
		return err
	}
	return r.remarks(w)
}

// floorTable prints the floors.
func (r Report) floorTable(w io.Writer) error {
	t := term.NewTable(w, term.Left, term.Left, term.Left, term.Left)
	for _, f := range []struct {
		name, what, unit string
		value            float64
	}{
		{"fdatasync", "128 bytes appended and synced", "µs", r.Floors.Fdatasync},
		{"round-trip", "ZeroMQ, one in flight", "µs", r.Floors.RoundTrip},
		{"echo", "ROUTER that answers at once, pipelined", "/s", r.Floors.Echo},
		{"echo-large", "the same with events of large", "/s", r.Floors.EchoLarge},
		{"stream", "ROUTER that sends events at once", "/s", r.Floors.Stream},
	} {
		if f.value == 0 {
			continue
		}
		if err := t.Row("floor", f.name, f.what, term.Grouped(f.value)+" "+f.unit); err != nil {
			return err
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w)
	return err
}

// resultTable prints the results.
func (r Report) resultTable(w io.Writer) error {
	head := []string{"workload", "clients", "in flight", "size", "events/s", "MB/s", "p50", "p99", "p99.9", "max", "pause", "ratio", "to"}
	sides := slices.Repeat([]term.Align{term.Right}, len(head))
	sides[0] = term.Left
	p, t := term.Palette{Coloured: term.TakesColour(w)}, term.NewTable(w, sides...)
	for i := range head {
		head[i] = p.Text(term.Dim, head[i])
	}
	if err := t.Row(head...); err != nil {
		return err
	}
	for _, x := range r.Results {
		if err := t.Row(x.Workload, strconv.Itoa(x.Clients), term.Grouped(float64(x.InFlight)), strconv.Itoa(x.Size), term.Grouped(x.Rate), fmt.Sprintf("%.1f", x.MB),
			latency(x.P50), latency(x.P99), latency(x.P999), latency(x.Max), latency(x.Pause), ratio(x.Ratio), orDash(x.Floor)); err != nil {
			return err
		}
	}
	return t.Flush()
}

// remarks prints what has no column.
func (r Report) remarks(w io.Writer) (err error) {
	remark := func(format string, args ...any) {
		if err == nil {
			_, err = fmt.Fprintf(w, "\n"+format+"\n", args...)
		}
	}
	remark("p50 to max are latencies; pause is the longest time between two answers to a client; ratio is to what \"to\" names: events/s, or where that is a p99, latencies.")
	for _, x := range r.Results {
		if x.Lost > 0 {
			remark("%s: %s broadcasts of %s did not come: PUB drops what a subscriber does not take.",
				x.Workload, term.Grouped(float64(x.Lost)), term.Grouped(float64(x.Lost+x.Events)))
		}
		if x.AloneP99 > 0 {
			remark("%s: alone p50 %s, p99 %s; beside it %s events/s were replayed.",
				x.Workload, latency(x.AloneP50), latency(x.AloneP99), term.Grouped(x.ReplayedRate))
		}
	}
	return err
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
