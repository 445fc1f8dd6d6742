package cli

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"gorewind/test/daemontest"
	"gorewind/wire"
)

func TestHelpAndVersion(t *testing.T) {
	for _, args := range [][]string{{"--version"}, {"--help"}, {"serve", "--help"}, {}} {
		out, errs, status := daemontest.Run(t.TempDir(), args...)
		if status != 0 || errs != "" || out == "" {
			t.Errorf("%q: status %d, stdout %q, stderr %q", args, status, out, errs)
		}
	}
}

// TestP8Refusals: one line that says what and what to do, a status, and nothing
// made or changed.
func TestP8Refusals(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	busy := "tcp://" + taken.Addr().String()
	for name, c := range map[string]struct {
		args   []string
		make   func(dir string) error
		status int
		want   string
	}{
		"unknown flag":        {args: []string{"serve", "--frobnicate"}, status: 2, want: "--frobnicate"},
		"unknown command":     {args: []string{"frobnicate"}, status: 2, want: "frobnicate"},
		"bad level":           {args: []string{"serve", "--log-level", "loud"}, status: 2, want: "--log-level"},
		"bad number":          {args: []string{"serve", "--max-event-bytes", "many"}, status: 2, want: "--max-event-bytes"},
		"number out of range": {args: []string{"serve", "--max-event-bytes", "5000000"}, status: 2, want: "--max-event-bytes"},
		"no octets":           {args: []string{"serve", "--max-event-bytes", "0"}, status: 2, want: "--max-event-bytes"},
		"no directory":        {args: []string{"serve", "--data-dir", ""}, status: 2, want: "--data-dir is empty"},
		"file in the way": {args: []string{"serve", "--router", "ipc://thesis"}, make: func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "thesis"), []byte("x"), 0o644)
		}, status: 1, want: "not a socket"},
		"router port in use":  {args: []string{"serve", "--router", busy}, status: 1, want: "--router " + busy + ": cannot bind: address already in use; choose an endpoint that is free\n"},
		"pub port in use":     {args: []string{"serve", "--router", "tcp://127.0.0.1:*", "--pub", busy}, status: 1, want: "--pub " + busy + ": cannot bind: address already in use; choose an endpoint that is free\n"},
		"http port in use":    {args: []string{"serve", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*", "--http", taken.Addr().String()}, status: 1, want: "--http " + taken.Addr().String()},
		"no http address":     {args: []string{"serve", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*", "--http", "nonsense"}, status: 2, want: "--http nonsense"},
		"http port alone":     {args: []string{"serve", "--http", "9104"}, status: 2, want: "--http 9104 is no address with a port; give one such as 127.0.0.1:9004"},
		"no http port":        {args: []string{"serve", "--http", "127.0.0.1:many"}, status: 2, want: "--http 127.0.0.1:many is no address"},
		"no endpoint":         {args: []string{"serve", "--router", "nonsense"}, status: 2, want: "--router nonsense: that is no endpoint"},
		"router port alone":   {args: []string{"serve", "--router", "9102"}, status: 2, want: "--router 9102: that is no endpoint"},
		"no transport":        {args: []string{"serve", "--router", "tcp://127.0.0.1:*", "--pub", "http://127.0.0.1:9103"}, status: 2, want: "--pub http://127.0.0.1:9103: that is no endpoint"},
		"no endpoint to ask":  {args: []string{"ping", "--connect", "localhost:9002"}, status: 2, want: "--connect: no endpoint: \"localhost:9002\""},
		"directory, no flag":  {args: []string{"verify", "thesis"}, status: 2, want: "unexpected argument thesis; give a data directory with --data-dir"},
		"nor to repair":       {args: []string{"repair", "thesis", "--accept-loss"}, status: 2, want: "unexpected argument thesis; give a data directory with --data-dir"},
		"two arguments":       {args: []string{"restore", "thesis", "data"}, status: 2, want: "unexpected argument data; give a data directory with --data-dir"},
		"endpoint, no flag":   {args: []string{"ping", "tcp://127.0.0.1:9002"}, status: 2, want: "unexpected argument tcp://127.0.0.1:9002; give an endpoint with --connect"},
		"nor to serve":        {args: []string{"serve", "tcp://127.0.0.1:9002"}, status: 2, want: "give an endpoint with --router"},
		"nor what is neither": {args: []string{"query", "s", "t"}, status: 2, want: "unexpected argument t; see gorewind query --help"},
		"nor to hear":         {args: []string{"subscribe", "--subscribe", "localhost:9003"}, status: 2, want: "--subscribe: no endpoint: \"localhost:9003\""},
		"directory is a file": {args: []string{"serve"}, make: func(dir string) error { return os.WriteFile(filepath.Join(dir, "data"), nil, 0o644) }, status: 1, want: "not a directory"},
		"directory of others": {args: []string{"serve", "--data-dir", "."}, make: func(dir string) error { return os.WriteFile(filepath.Join(dir, "thesis"), nil, 0o644) }, status: 1, want: "not empty"},
		"directory cannot be": {args: []string{"serve", "--data-dir", "/proc/none/data", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*"}, status: 1, want: "/proc/none"},
		"format not known": {args: []string{"serve"}, make: func(dir string) error {
			if err := os.MkdirAll(filepath.Join(dir, "data", "db"), 0o755); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, "data", "db", "FORMAT"), []byte("gorewind store\nformat 99\n"), 0o644)
		}, status: 1, want: "format"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if c.make != nil {
				if err := c.make(dir); err != nil {
					t.Fatal(err)
				}
			}
			before := daemontest.Files(t, dir)
			out, errs, status := daemontest.Run(dir, c.args...)
			if status != c.status || out != "" {
				t.Errorf("want status %d, have %d, stdout %q", c.status, status, out)
			}
			if strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.want) || !strings.HasPrefix(errs, "gorewind: ") {
				t.Errorf("want one line with %q, have\n%s", c.want, errs)
			}
			if after := daemontest.Files(t, dir); !slices.Equal(after, before) {
				t.Errorf("want the files %q, have %q", before, after)
			}
		})
	}
}

func TestSecondDaemonIsRefused(t *testing.T) {
	dir := t.TempDir()
	daemontest.Start(t, "--data-dir", dir)
	_, errs, status := daemontest.Run(t.TempDir(), "serve", "--data-dir", dir, "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*")
	if status != 1 || !strings.Contains(errs, "in use") || strings.Count(errs, "\n") != 1 {
		t.Errorf("status %d\n%s", status, errs)
	}
}

// TestIPCIsNotStolen: libzmq takes a unix socket away from whoever serves it.
func TestIPCIsNotStolen(t *testing.T) {
	endpoint := "ipc://" + filepath.Join(t.TempDir(), "router")
	first := daemontest.Start(t, "--in-memory", "--router", endpoint)
	_, errs, status := daemontest.Run(t.TempDir(), "serve", "--in-memory", "--router", endpoint, "--pub", "tcp://127.0.0.1:*")
	if status != 1 || !strings.Contains(errs, "another process") {
		t.Errorf("status %d\n%s", status, errs)
	}
	p := daemontest.Dial(t, endpoint)
	if r := p.Ask(wire.Ping{}); fmt.Sprint(r) != fmt.Sprint(wire.Pong{}) {
		t.Errorf("%v", r)
	}
	first.Stop(t, syscall.SIGTERM)
}

func TestInMemoryLeavesNoFile(t *testing.T) {
	d := daemontest.Start(t, "--in-memory")
	p := daemontest.Dial(t, d.Router)
	p.Ask(wire.Publish{Stream: []byte("s"), Data: []byte("d")})
	log := d.Stop(t, syscall.SIGTERM)
	if names := daemontest.Files(t, d.Cmd.Dir); len(names) != 1 {
		t.Errorf("left %q", names)
	}
	if !strings.Contains(log, "level=WARN") {
		t.Errorf("no warning:\n%s", log)
	}
}

// TestStop: a signal answers what was taken; after a restart everything is
// there, and ids go on.
func TestStop(t *testing.T) {
	dir := t.TempDir()
	there := 0
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGINT} {
		d := daemontest.Start(t, "--data-dir", dir)
		p := daemontest.Dial(t, d.Router)
		for i := range 1000 {
			p.Request(wire.Publish{Stream: []byte("s"), Data: fmt.Append(nil, i)})
		}
		// One answer means that it has begun to take them; the rest was taken or
		// not, and must be there if it was answered.
		answered := 0
		for {
			r, err := p.Reply()
			if err != nil {
				break
			}
			if want := any(wire.Published{ID: uint64(there + answered + 1)}); r != want {
				t.Fatalf("want %v, have %v", want, r)
			}
			if answered++; answered == 1 {
				d.Stop(t, signal)
				p.SetRcvtimeo(500 * time.Millisecond)
			}
		}
		d = daemontest.Start(t, "--data-dir", dir)
		have := daemontest.Dial(t, d.Router).Events("s", 0)
		if len(have) < there+answered {
			t.Fatalf("%d were there, %d were answered, %d are there", there, answered, len(have))
		}
		there = len(have)
		d.Stop(t, signal)
	}
}

func TestEnvironment(t *testing.T) {
	t.Setenv("GOREWIND_IN_MEMORY", "true")
	t.Setenv("GOREWIND_LOG_FORMAT", "json")
	t.Setenv("GOREWIND_MAX_EVENT_BYTES", "10")
	d := daemontest.StartCommand(t, exec.Command(daemontest.Binary(), "serve", "--router", "tcp://127.0.0.1:*,tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*"))
	routers := strings.Split(d.Router, ",")
	if len(routers) != 2 {
		t.Fatalf("want two endpoints, have %q", routers)
	}
	for _, r := range routers {
		p := daemontest.Dial(t, r)
		reply := p.Ask(wire.Publish{Stream: []byte("s"), Data: make([]byte, 11)})
		if e, ok := reply.(*wire.Error); !ok || e.Code != wire.TooLarge {
			t.Errorf("%s: %v", r, reply)
		}
	}
}

// TestOutOfDescriptors: connections take every descriptor that they can get, and
// the store goes on to make and open files.
func TestOutOfDescriptors(t *testing.T) {
	for name, as := range map[string]string{"as we are": "", "without privileges": "setpriv --bounding-set=-all --inh-caps=-all"} {
		if as == "" || os.Getuid() == 0 {
			t.Run(name, func(t *testing.T) { outOfDescriptors(t, as) })
		}
	}
}

func outOfDescriptors(t *testing.T, as string) {
	script := `ulimit -n 1000 && exec ` + as + ` "$0" serve --router tcp://127.0.0.1:* --pub tcp://127.0.0.1:*`
	d := daemontest.StartCommand(t, exec.Command("sh", "-c", script, daemontest.Binary()))
	p := daemontest.Dial(t, d.Router)
	p.Ask(wire.Ping{})
	for range 1200 {
		c, err := net.DialTimeout("tcp", strings.TrimPrefix(d.Router, "tcp://"), 100*time.Millisecond)
		if err != nil {
			break // the gate has closed
		}
		defer c.Close()
	}
	const events = 64
	data := make([]byte, 1<<20)
	for i := range events { // past the write buffer several times: new journals, new tables
		if r := p.Ask(wire.Publish{Stream: []byte("s"), Data: data}); r != any(wire.Published{ID: uint64(i + 1)}) {
			t.Fatalf("event %d: %v\n%s", i, r, d.Stop(t, syscall.SIGTERM))
		}
	}
	if have := p.Events("s", 0); len(have) != events {
		t.Errorf("want %d events, have %d", events, len(have))
	}
	if log := d.Stop(t, syscall.SIGTERM); strings.Contains(log, "level=ERROR") {
		t.Errorf("%s", log)
	}
}
