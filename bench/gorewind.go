package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
)

// gorewind is the program in the directory above. Its own command bench is the
// client.
type gorewind struct {
	program string
	number  string
	floors  []floors           // as measured beside every workload
	scales  map[string]float64 // --events divided by the events done, by workload
}

// floors are what gorewind bench says of this machine.
type floors struct {
	Fdatasync float64 `json:"fdatasync_us"`
	RoundTrip float64 `json:"round_trip_us"`
}

// benchOutput is what gorewind bench --json prints, as far as it matters here.
type benchOutput struct {
	Floors  floors        `json:"floors"`
	Results []benchResult `json:"results"`
}

type benchResult struct {
	Workload string  `json:"workload"`
	Clients  int     `json:"clients"`
	InFlight int     `json:"in_flight"`
	Size     int     `json:"size"`
	Batch    int     `json:"batch"`
	Events   int     `json:"events"`
	Rate     float64 `json:"events_per_s"`
}

// newGorewind builds it.
func newGorewind(ctx context.Context, source, dir string) (*gorewind, error) {
	program := filepath.Join(dir, "gorewind")
	if _, err := output(ctx, source, "go", "build", "-o", program, "."); err != nil {
		return nil, fmt.Errorf("%w; name its source with -gorewind, and see that libzmq and its headers are installed", err)
	}
	text, err := output(ctx, ".", program, "--version")
	if err != nil {
		return nil, err
	}
	return &gorewind{program: program, number: strings.TrimPrefix(text, "gorewind "), scales: map[string]float64{}}, nil
}

func (*gorewind) key() string       { return "gorewind" }
func (*gorewind) name() string      { return "Gorewind" }
func (g *gorewind) version() string { return "Gorewind " + g.number }
func (*gorewind) settings() string {
	return "as it comes: every event is on disk (fdatasync) before it is acknowledged; client ``gorewind bench``"
}

func (g *gorewind) start(ctx context.Context, dir string, _ workload) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	pub, err := freeAddr()
	if err != nil {
		return nil, err
	}
	s, err := startServer(ctx, dir, addr, g.program, "serve",
		"--router", "tcp://"+addr, "--pub", "tcp://"+pub, "--data-dir", filepath.Join(dir, "data"))
	if err == nil {
		s.pub = pub
	}
	return s, err
}

// ways differ by what gorewind bench is told; what it makes of it depends on the
// workload.
func (g *gorewind) ways(w workload) []way {
	switch {
	case w.inFlight > 0 || w.batch > 0 || w.replay:
		return []way{g.way(w, "gorewind bench")}
	case w.name == "large":
		return []way{
			g.way(w, "gorewind bench --in-flight 10000", "--in-flight", "10000"),
			g.way(w, "gorewind bench --in-flight 50000", "--in-flight", "50000"),
		}
	}
	return []way{g.way(w, "gorewind bench --in-flight 10000", "--in-flight", "10000")}
}

func (g *gorewind) way(w workload, name string, flags ...string) way {
	return way{name, func(ctx context.Context, s *server, n int) (float64, error) {
		return g.measure(ctx, s, w, flags, n)
	}}
}

// measure lets gorewind bench do one workload with about n events. Of the
// slower workloads it does only a part of --events. That part is not known
// here; so the first time it is asked for more until it does n.
func (g *gorewind) measure(ctx context.Context, s *server, w workload, flags []string, n int) (float64, error) {
	const tries = 6
	scale := max(1, g.scales[w.name])
	for range tries {
		r, err := g.bench(ctx, s, w, flags, int(scale*float64(n)))
		if err != nil {
			return 0, err
		}
		if r.Events >= n*9/10 {
			g.scales[w.name] = scale
			return r.Rate, nil
		}
		scale *= float64(n) / float64(max(1, r.Events))
	}
	return 0, fmt.Errorf("gorewind bench --only %s does not do %d events with any --events", w.name, n)
}

// bench runs gorewind bench once.
func (g *gorewind) bench(ctx context.Context, s *server, w workload, flags []string, events int) (benchResult, error) {
	args := []string{"bench", "--json", "--runs", "1", "--only", w.name,
		"--connect", "tcp://" + s.addr, "--subscribe", "tcp://" + s.pub,
		"--dir", filepath.Dir(s.logFile), // fdatasync is measured there
		"--events", strconv.Itoa(events), "--size", strconv.Itoa(w.size), "--clients", strconv.Itoa(w.clients)}
	text, err := output(ctx, ".", g.program, append(args, flags...)...)
	if err != nil {
		return benchResult{}, err
	}
	var out benchOutput
	if err := json.Unmarshal([]byte(text), &out); err != nil {
		return benchResult{}, fmt.Errorf("gorewind bench --json: %w", err)
	}
	if len(out.Results) != 1 {
		return benchResult{}, fmt.Errorf("gorewind bench --only %s: %d results", w.name, len(out.Results))
	}
	// Should the command understand the flags otherwise than meant here, then
	// the comparison would be wrong without anyone seeing it.
	r := out.Results[0]
	if r.Workload != w.name || r.Clients != w.clients || r.Size != w.size || r.Batch != w.batch || w.inFlight > 0 && r.InFlight != w.inFlight {
		return r, fmt.Errorf("gorewind bench was asked for %s with %d clients, %d in flight each, %d bytes, batches of %d, but did %+v",
			w.name, w.clients, w.inFlight, w.size, w.batch, r)
	}
	g.floors = append(g.floors, out.Floors)
	return r, nil
}
