package cli

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gorewind/test/daemontest"
	"gorewind/wire"
)

func TestHelpAndVersion(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"--version"}, {"--help"}, {"serve", "--help"}, {}} {
		out, errs, status := daemontest.Run(t.TempDir(), args...)
		if status != 0 || errs != "" || out == "" {
			t.Errorf("%q: status %d, stdout %q, stderr %q", args, status, out, errs)
		}
	}
}

func TestSecondDaemonIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	daemontest.Start(t, "--data-dir", dir)
	_, errs, status := daemontest.Run(t.TempDir(), "serve", "--data-dir", dir, "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*")
	if status != 1 || !strings.Contains(errs, "in use") || strings.Count(errs, "\n") != 1 {
		t.Errorf("status %d\n%s", status, errs)
	}
}

// TestIPCIsNotStolen: libzmq takes a unix socket away from whoever serves it.
func TestIPCIsNotStolen(t *testing.T) {
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
	t.Parallel()
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
