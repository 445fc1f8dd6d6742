package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gorewind/internal/exit"
	"gorewind/internal/load"
	"gorewind/internal/version"
	"gorewind/test/daemontest"
)

// TestBench: the document has every workload and every floor, and nothing of the
// benchmark stays behind.
func TestBench(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	profiles := filepath.Join(t.TempDir(), "profiles")
	out, errs, status := daemontest.Run(dir, "bench", "--events", "2000", "--runs", "1", "--streams", "100", "--json", "--dir", dir, "--profile", profiles)
	if status != 0 || errs != "" {
		t.Fatalf("status %d\n%s", status, errs)
	}
	var r load.Report
	d := json.NewDecoder(strings.NewReader(out))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if r.Version != version.Number || r.CPUs < 1 || r.Runs != 1 || r.Time.IsZero() {
		t.Errorf("%+v", r)
	}
	f := r.Floors
	for name, v := range map[string]float64{"fdatasync": f.Fdatasync, "round trip": f.RoundTrip, "echo": f.Echo, "echo of large": f.EchoLarge, "stream": f.Stream} {
		if v <= 0 {
			t.Errorf("%s: %v", name, v)
		}
	}
	workloads := load.Workloads(load.Options{})
	if len(r.Results) != len(workloads) {
		t.Fatalf("want %d workloads, have %+v", len(workloads), r.Results)
	}
	for i, x := range r.Results {
		if x.Workload != workloads[i].Name || x.Clients < 1 || x.InFlight < 1 || x.Events < 1 || x.Seconds <= 0 || x.Rate <= 0 || x.MB <= 0 {
			t.Errorf("%+v", x)
		}
		if x.Workload != "replay" && (x.P50 <= 0 || x.P99 < x.P50 || x.P999 < x.P99 || x.Max < x.P999) {
			t.Errorf("latencies: %+v", x)
		}
		if (x.Floor == "") != (x.Ratio == 0) {
			t.Errorf("floor: %+v", x)
		}
	}
	if left := daemontest.Files(t, dir); len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
	for _, name := range []string{"cpu.pprof", "allocs.pprof"} {
		if p, err := os.ReadFile(filepath.Join(profiles, name)); err != nil || !bytes.HasPrefix(p, []byte("\x1f\x8b")) {
			t.Errorf("%s is no profile: %.20q, %v", name, p, err)
		}
	}
}

// TestBenchTwice: a daemon that is there already is measured again and again,
// and what is shown is a table.
func TestBenchTwice(t *testing.T) {
	d := daemontest.Start(t)
	for range 2 {
		out, errs, status := daemontest.Run(t.TempDir(), "bench", "--events", "500", "--runs", "2", "--connect", d.Router, "--subscribe", d.Pub, "--only", "fanout,replay")
		if status != 0 || errs != "" {
			t.Fatalf("status %d\n%s", status, errs)
		}
		for _, want := range []string{"medians of 2 runs", "\nfloor  stream ", "\nworkload ", "\nreplay ", "\nfanout-1 ", "\nfanout-10 ", " events/s ", " p99.9 "} {
			if !strings.Contains(out, want) {
				t.Errorf("no %q in\n%s", want, out)
			}
		}
		if strings.Contains(out, "pipelined ") {
			t.Errorf("not asked for:\n%s", out)
		}
	}
}

func TestBenchRefusals(t *testing.T) {
	t.Parallel()
	gone := daemontest.Start(t)
	gone.Kill()
	for want, c := range map[string]struct {
		status int
		args   []string
	}{
		"--runs is 0":                      {2, []string{"--runs", "0"}},
		"--in-flight is 70000":             {2, []string{"--in-flight", "70000"}},
		`unknown workload "everyone"`:      {2, []string{"--only", "single,everyone"}},
		"fanout needs":                     {2, []string{"--connect", gone.Router}},
		"--subscribe needs":                {2, []string{"--subscribe", gone.Pub}},
		"--profile is for":                 {2, []string{"--connect", gone.Router, "--profile", "x", "--only", "single"}},
		`--connect: cannot con`:            {2, []string{"--connect", "x", "--only", "clients"}},
		`--subscribe: cannot c`:            {2, []string{"--connect", gone.Router, "--subscribe", "x"}},
		"choose another":                   {1, []string{"--dir", "/nowhere"}},
		"ERROR from the daemon: TOO-LARGE": {1, []string{"--connect", tooSmall(t).Router, "--only", "large", "--events", "50"}},
	} {
		out, errs, status := daemontest.Run(t.TempDir(), append([]string{"bench"}, c.args...)...)
		if status != c.status || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, want) {
			t.Errorf("want %q, have status %d\n%s%s", want, status, out, errs)
		}
	}
}

// tooSmall starts a daemon that refuses the events of large.
func tooSmall(t *testing.T) *daemontest.Daemon {
	return daemontest.Start(t, "--max-event-bytes", "1000")
}

// TestBenchInterrupted: Ctrl-C stops the daemon and removes its directory.
func TestBenchInterrupted(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cmd := exec.Command(daemontest.Binary(), "bench", "--dir", dir, "--runs", "1000", "--only", "pipelined")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	deadline := time.Now().Add(time.Minute)
	for entries := 0; entries == 0; { // it has begun when its directory is there
		if time.Now().After(deadline) {
			cmd.Process.Kill()
			cmd.Wait()
			t.Fatalf("it does not begin:\n%s", errs.String())
		}
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		entries = len(list)
	}
	cmd.Process.Signal(syscall.SIGINT)
	err := cmd.Wait()
	if cmd.ProcessState.ExitCode() != exit.Interrupted || !strings.Contains(errs.String(), "stopped by a signal") {
		t.Errorf("%v\n%s", err, errs.String())
	}
	if left := daemontest.Files(t, dir); len(left) != 1 {
		t.Errorf("left behind: %q", left)
	}
}
