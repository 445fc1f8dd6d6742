package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

const (
	tableFile = "results.rst"
	chartFile = "results.svg"
)

// A report is what a comparison found.
type report struct {
	peers []peer // Gorewind first, if it took part
	rows  []row
	runs  int
	day   time.Time

	floors  floors
	command string // repeats it
	quick   bool
}

// A row is a workload with the medians of the peers, in their order.
type row struct {
	workload workload
	events   []int
	ways     []string
	medians  []float64 // 0: the peer cannot do it
	spread   float64   // the largest run of a peer divided by its smallest, the worst of all peers
}

// report sums up what was measured.
func (c *comparison) report() *report {
	r := &report{peers: c.peers, runs: c.runs, day: time.Now(), command: c.command, quick: c.quick}
	for _, w := range workloads {
		row := row{workload: w}
		for _, cell := range c.cells {
			if cell.workload != w {
				continue
			}
			row.add(cell)
		}
		r.rows = append(r.rows, row)
	}
	for _, p := range c.peers {
		if g, ok := p.(*gorewind); ok {
			r.floors = g.medianFloors()
		}
	}
	return r
}

// add adds a peer.
func (r *row) add(c *cell) {
	r.events = append(r.events, c.n)
	r.medians = append(r.medians, median(c.rates))
	if c.way == nil {
		r.ways = append(r.ways, "")
		return
	}
	r.ways = append(r.ways, c.way.name)
	r.spread = max(r.spread, slices.Max(c.rates)/slices.Min(c.rates))
}

// medianFloors returns the floors' medians.
func (g *gorewind) medianFloors() floors {
	var disk, trip []float64
	for _, f := range g.floors {
		if f.Fdatasync > 0 { // it is measured beside some workloads only
			disk, trip = append(disk, f.Fdatasync), append(trip, f.RoundTrip)
		}
	}
	return floors{Fdatasync: median(disk), RoundTrip: median(trip)}
}

// median returns the middle, or 0 of nothing.
func median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := slices.Sorted(slices.Values(v))
	return (s[(len(s)-1)/2] + s[len(s)/2]) / 2
}

// write writes the table and the chart into a directory.
func (r *report) write(dir string) error {
	if err := os.WriteFile(filepath.Join(dir, tableFile), []byte(r.table()), 0o666); err != nil {
		return fmt.Errorf("%w; name another directory with -out", err)
	}
	return os.WriteFile(filepath.Join(dir, chartFile), []byte(r.chart()), 0o666)
}

// machine says what this was measured on, as far as it matters.
func (r *report) machine() string {
	s := fmt.Sprintf("%s/%s, %d cores", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	if r.floors.Fdatasync > 0 {
		s += fmt.Sprintf(", fdatasync %.0f µs, ZeroMQ round trip %.0f µs", r.floors.Fdatasync, r.floors.RoundTrip)
	}
	return s
}

// base returns the index of Gorewind, or -1.
func (r *report) base() int {
	return slices.IndexFunc(r.peers, func(p peer) bool { return p.key() == "gorewind" })
}

// ahead says where a peer is faster than Gorewind.
func (r *report) ahead() string {
	b := r.base()
	if b < 0 {
		return ""
	}
	var all []string
	for _, row := range r.rows {
		for i, p := range r.peers {
			if ratio := row.medians[i] / row.medians[b]; ratio > 1 {
				all = append(all, fmt.Sprintf("%s in \"%s\" (%.2f times as fast as Gorewind)", p.name(), row.workload.title, ratio))
			}
		}
	}
	if len(all) == 0 {
		return "No peer is ahead of Gorewind. "
	}
	return "A peer is ahead: " + strings.Join(all, "; ") + ". "
}
