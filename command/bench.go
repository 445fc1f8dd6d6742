package command

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"gorewind/backup"
	"gorewind/internal/exit"
	"gorewind/internal/load"
	"gorewind/internal/term"
	"gorewind/internal/version"
	"gorewind/store"
)

type benchCmd struct {
	Connect string `placeholder:"ENDPOINT" help:"Endpoint of the daemon to measure (its --router). Default: bench starts a daemon of its own."`
	keys
	Subscribe string   `placeholder:"ENDPOINT" help:"Endpoint where that daemon broadcasts (its --pub); fanout needs it. Default: none."`
	Dir       string   `placeholder:"DIR" help:"Directory in which bench's own daemon keeps its data and fdatasync is measured; choose the disk that matters. Default: the system's directory for temporary files."`
	Events    int      `default:"500000" placeholder:"N" help:"Number of events for fast workloads; slow ones use a part of it. Default: ${default}."`
	Size      int      `default:"100" placeholder:"N" help:"Size of an event in bytes, except in large. Default: ${default}."`
	Clients   int      `default:"16" env:"-" placeholder:"N" help:"Number of clients in workloads with many. Default: ${default}."`
	InFlight  int      `default:"10000" placeholder:"N" help:"Number of requests in flight when one client pipelines. Default: ${default}."`
	Streams   int      `default:"100000" placeholder:"N" help:"Number of streams when one client publishes to many. Default: ${default}."`
	Runs      int      `default:"3" placeholder:"N" help:"Number of runs; the results are medians. Default: ${default}."`
	Only      []string `placeholder:"NAME" help:"Run only these workloads: pipelined, single, clients, clients-single, streams, batches, large, replay, fanout, mixed. Default: all."`
	Profile   string   `placeholder:"DIR" help:"Write CPU and allocation profiles of bench's own daemon to this directory. Default: none."`
	JSON      bool     `name:"json" help:"Print one JSON document instead of a table. Default: false."`
}

// Help implements kong's.
func (*benchCmd) Help() string {
	return `
Starts a daemon of its own and removes it with its data at the end. With --connect, the events stay in that daemon's store, in streams whose names begin with bench/. A full run takes some minutes.

Examples:

    gorewind bench
    gorewind bench --only pipelined,single --events 100000 --dir /var/lib
    gorewind bench --connect tcp://127.0.0.1:9002 --only clients --json
`
}

// Validate implements kong's. It reports usage errors.
func (c *benchCmd) Validate() error {
	_, err := c.workloads()
	return err
}

// Run measures all workloads, unless a signal stops it.
func (c *benchCmd) Run(kctx *kong.Context, stderr io.Writer) (err error) {
	workloads, err := c.workloads()
	if err != nil {
		return err
	}
	if err := c.reachable(); err != nil {
		return err
	}
	signals, stop := untilSignal()
	defer stop()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	defer context.AfterFunc(signals, func() {
		cancel(fmt.Errorf("%w before the end; there are no results", stoppedBy(signals)))
	})()
	target := load.Target{Router: c.Connect, Pub: c.Subscribe, Dir: c.Dir}
	curve, err := c.curve()
	if err != nil {
		return err
	}
	if curve != nil {
		target.Curve = (*load.Curve)(curve)
	}
	line := term.NewProgress(stderr)
	if c.Connect == "" {
		h, failed := load.Host(load.HostOptions{Dir: c.Dir, Size: c.Size, Profile: c.Profile}, line.Above(stderr), cancel)
		if failed != nil {
			return failed
		}
		defer func() { err = errors.Join(err, h.Stop()) }()
		target.Router, target.Pub = h.Router, h.Pub
	}
	report, err := c.measure(ctx, target, workloads, line)
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(kctx.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(report)
	}
	return report.Table(kctx.Stdout)
}

// reachable refuses invalid endpoints before anything is measured.
func (c *benchCmd) reachable() error {
	for _, e := range []struct{ flag, endpoint string }{{"--connect", c.Connect}, {"--subscribe", c.Subscribe}} {
		if e.endpoint == "" {
			continue
		}
		if err := load.CheckEndpoint(e.endpoint); err != nil {
			return exit.AsUsage(fmt.Errorf("%s: %w", e.flag, err))
		}
	}
	return nil
}

// workloads returns the requested workloads.
func (c *benchCmd) workloads() ([]load.Workload, error) {
	for _, f := range []struct {
		name          string
		n, least, top int
	}{
		{"events", c.Events, 1, 1 << 40},
		{"size", c.Size, 0, store.MaxEvent},
		{"clients", c.Clients, 1, 1000},
		{"in-flight", c.InFlight, 1, 60_000}, // the daemon drops a client with more
		{"streams", c.Streams, 2, 100_000_000},
		{"runs", c.Runs, 1, 1000},
	} {
		if f.n < f.least || f.n > f.top {
			return nil, fmt.Errorf("--%s is %d; give %d to %d", f.name, f.n, f.least, f.top)
		}
	}
	if c.Connect == "" && c.Subscribe != "" {
		return nil, errors.New("--subscribe needs --connect; give both endpoints of a daemon, or neither")
	}
	if c.Connect == "" && c.ClientKey != "" {
		return nil, errors.New("--client-key needs --connect; bench's own daemon does not use CURVE")
	}
	if c.Connect != "" && c.Profile != "" {
		return nil, errors.New("--profile is for bench's own daemon; leave out --connect, or start the other daemon with --profile")
	}
	size := c.Size
	if size == 0 {
		size = -1
	}
	all := load.Workloads(load.Options{Events: c.Events, Size: size, Clients: c.Clients, InFlight: c.InFlight, Streams: c.Streams})
	chosen, err := chooseWorkloads(all, c.Only)
	if err != nil {
		return nil, err
	}
	if c.Connect != "" && c.Subscribe == "" && slices.ContainsFunc(chosen, func(w load.Workload) bool { return w.Subscribers > 0 }) {
		return nil, errors.New("fanout needs --subscribe; give the endpoint where the daemon broadcasts, or choose other workloads with --only")
	}
	return chosen, nil
}

// chooseWorkloads returns the workloads with these names, or all if names is empty. A name also
// selects workloads that add a number to it.
func chooseWorkloads(all []load.Workload, names []string) (chosen []load.Workload, err error) {
	if len(names) == 0 {
		return all, nil
	}
	matches := func(w load.Workload, name string) bool {
		return w.Name == name || strings.TrimRight(w.Name, "-0123456789") == name
	}
	for _, name := range names {
		if !slices.ContainsFunc(all, func(w load.Workload) bool { return matches(w, name) }) {
			return nil, fmt.Errorf("--only: unknown workload %q; see gorewind bench --help", name)
		}
	}
	for _, w := range all {
		if slices.ContainsFunc(names, func(name string) bool { return matches(w, name) }) {
			chosen = append(chosen, w)
		}
	}
	return chosen, nil
}

// measure runs all workloads once, then all of them again, so that a change in the speed of the
// machine affects them alike.
func (c *benchCmd) measure(ctx context.Context, t load.Target, workloads []load.Workload, line *term.Progress) (load.Report, error) {
	defer line.Clear()
	report := load.Report{Version: version.Number, Time: time.Now().UTC().Truncate(time.Second), CPUs: runtime.NumCPU(), Runs: c.Runs}
	var floors []load.Floors
	results := make([][]load.Result, len(workloads))
	for run := range c.Runs {
		t.Progress = func(name string, done, of int) {
			line.Show(fmt.Sprintf("run %d of %d: %s", run+1, c.Runs, name), int64(done), int64(of), backup.Events)
		}
		f, rs, err := load.Pass(ctx, t, workloads)
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return report, err
		}
		floors = append(floors, f)
		for i, r := range rs {
			results[i] = append(results[i], r)
		}
	}
	report.Floors = load.MedianFloors(floors)
	for _, rs := range results {
		report.Results = append(report.Results, load.Median(rs))
	}
	return report, nil
}
