package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

const (
	allPeers = "gorewind,redis,jetstream"

	// quick is enough to see that everything works together, not to measure.
	quickTime   = 50 * time.Millisecond
	quickReplay = 2_000
)

// options is what the command line can say.
type options struct {
	runs     int
	time     time.Duration // how long one measurement takes, about
	replay   int           // events in the stream that is replayed
	quick    bool
	peers    []string
	gorewind string // directory of its source
	dir      string // where the servers' directories are made
	out      string // where the results are written; empty: nowhere

	// command repeats the comparison. It leaves out what names this machine.
	command string
}

// parse reads the command line.
func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	var peers string
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.runs, "runs", 3, "how often all is measured; the medians are shown")
	f.DurationVar(&o.time, "time", 3*time.Second, "how long one measurement takes, about")
	f.IntVar(&o.replay, "replay", 700_000, "events in the stream that is replayed")
	f.BoolVar(&o.quick, "quick", false, "one short run that shows that all works, and measures nothing; writes files only with -out")
	f.StringVar(&peers, "peers", allPeers, "who takes part")
	f.StringVar(&o.gorewind, "gorewind", "..", "the directory with Gorewind's source")
	f.StringVar(&o.dir, "dir", "/var/tmp", "the directory, on the disk to be measured, in which the servers' own are made")
	f.StringVar(&o.out, "out", ".", "the directory to which results.rst and results.svg are written")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	given := map[string]bool{}
	o.command = "go run ."
	f.Visit(func(g *flag.Flag) {
		given[g.Name] = true
		if g.Name != "dir" && g.Name != "out" && g.Name != "gorewind" {
			o.command += " -" + g.Name
			if g.Value.String() != "true" {
				o.command += " " + g.Value.String()
			}
		}
	})
	o.peers = strings.Split(peers, ",")
	if o.quick {
		o.shorten(given)
	}
	return o, o.check(f.Args())
}

// shorten sets what -quick implies, except for what was said explicitly.
func (o *options) shorten(given map[string]bool) {
	if !given["runs"] {
		o.runs = 1
	}
	if !given["time"] {
		o.time = quickTime
	}
	if !given["replay"] {
		o.replay = quickReplay
	}
	if !given["out"] {
		o.out = "" // figures that mean nothing must not replace those that do
	}
}

func (o *options) check(rest []string) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q is not a flag; see -help", rest[0])
	case o.runs < 1:
		return errors.New("-runs must be at least 1")
	case o.time <= 0:
		return errors.New("-time must be more than 0")
	case o.replay < 1:
		return errors.New("-replay must be at least 1")
	}
	for i, p := range o.peers {
		if !slices.Contains(strings.Split(allPeers, ","), p) || slices.Contains(o.peers[:i], p) {
			return fmt.Errorf("-peers: %q is not one of %s, or twice there", p, allPeers)
		}
	}
	return nil
}
