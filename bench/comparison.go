package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

const (
	// A measurement that takes longer than this hangs.
	measureTimeout = 5 * time.Minute

	firstEvents = 1_000 // enough to guess at a rate
	replayTrial = 7     // a trial of a replay has one in so many events
)

// A comparison measures every peer with every workload.
type comparison struct {
	options
	peers []peer
	dir   string
	log   io.Writer // progress

	cells   []*cell
	servers int // started so far, for the names of their directories
}

// A cell is what one peer does with one workload.
type cell struct {
	workload workload
	peer     peer
	way      *way      // the fastest; nil: the peer cannot do it
	n        int       // events in one measurement
	rates    []float64 // events a second, one for each run
}

// run finds the best way for each cell and then measures all of them again and
// again, peer by peer within a workload: what else the machine does then hits
// all peers alike.
func (c *comparison) run(ctx context.Context) error {
	for _, w := range workloads {
		for _, p := range c.peers {
			cell, err := c.try(ctx, w, p)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", p.name(), w.title, err)
			}
			c.cells = append(c.cells, cell)
		}
	}
	for run := range c.runs {
		for _, cell := range c.cells {
			if cell.way == nil {
				continue
			}
			rate, err := c.measure(ctx, cell.peer, cell.workload, *cell.way, cell.n)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", cell.peer.name(), cell.workload.title, err)
			}
			cell.rates = append(cell.rates, rate)
			c.say("run %d of %d, %s, %s: %.0f/s (%d events)", run+1, c.runs, cell.workload.title, cell.peer.name(), rate, cell.n)
		}
	}
	return nil
}

func (c *comparison) say(format string, args ...any) { fmt.Fprintf(c.log, format+"\n", args...) }

// try chooses the fastest way of a peer to do a workload, and how many events
// that can do in the time for one measurement.
func (c *comparison) try(ctx context.Context, w workload, p peer) (*cell, error) {
	best := &cell{workload: w, peer: p}
	fastest := 0.0
	ways := p.ways(w)
	if c.quick && len(ways) > 1 {
		ways = ways[:1]
	}
	for _, way := range ways {
		rate, err := c.estimate(ctx, w, p, way, len(ways) > 1)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", way.name, err)
		}
		c.say("trial, %s, %s, %s: %.0f/s", w.title, p.name(), way.name, rate)
		if rate > fastest {
			fastest, best.way = rate, &way
		}
	}
	best.n = max(firstEvents, int(fastest*c.time.Seconds()))
	if w.replay {
		best.n = c.replay
	}
	return best, nil
}

// estimate measures a way briefly. Where there is a choice it takes as long as
// it needs for the figures to be worth comparing.
func (c *comparison) estimate(ctx context.Context, w workload, p peer, way way, choice bool) (float64, error) {
	if w.replay {
		if !choice {
			return 1, nil // neither its way nor its number of events is open
		}
		return c.measure(ctx, p, w, way, max(firstEvents, c.replay/replayTrial))
	}
	rate, err := c.measure(ctx, p, w, way, firstEvents)
	for n := firstEvents; err == nil; {
		enough := int(rate * c.time.Seconds() / 3)
		if n >= enough/2 {
			break
		}
		// The first events are slower than the rest, so it takes several steps.
		n = min(enough, 20*n)
		rate, err = c.measure(ctx, p, w, way, n)
	}
	return rate, err
}

// measure does n events on a server of their own, which starts empty: neither
// the memory nor the background work of one measurement is in another's time.
func (c *comparison) measure(ctx context.Context, p peer, w workload, way way, n int) (float64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, measureTimeout, fmt.Errorf("it did not end in %v", measureTimeout))
	defer cancel()
	c.servers++
	dir := filepath.Join(c.dir, fmt.Sprintf("%s-%d", p.key(), c.servers))
	if err := os.Mkdir(dir, 0o777); err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir) // if it fails, that of the whole directory tells
	s, err := p.start(ctx, dir, w)
	if err != nil {
		return 0, err
	}
	defer s.stop()
	rate, err := way.measure(ctx, s, n)
	if cause := context.Cause(ctx); cause != nil {
		return 0, cause // what broke because of it is no news
	}
	if err != nil {
		return 0, fmt.Errorf("%w; the server said: %s", err, s.lastWords())
	}
	return rate, nil
}
