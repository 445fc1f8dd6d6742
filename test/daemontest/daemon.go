package daemontest

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"gorewind/wire"
)

// A Daemon is a running gorewind serve.
type Daemon struct {
	Cmd         *exec.Cmd
	Router, Pub string
	log         *bytes.Buffer // output so far
	Ended       chan struct{} // closed at the end of the output
	mu          sync.Mutex    // protects log until Ended is closed
}

// Serving matches the log line with the daemon's endpoints, in either format.
var Serving = regexp.MustCompile(`msg"?[=:]"?serving"?[ ,]"?router"?[=:]"?([^" ]+)"?[ ,]"?pub"?[=:]"?([^" ]+)`)

// Start runs gorewind serve on free ports and waits until it is ready.
func Start(t testing.TB, args ...string) *Daemon {
	t.Helper()
	return startBinary(t, Binary(), args)
}

// StartPlain is Start without the race detector, for tests that measure memory or time.
func StartPlain(t testing.TB, args ...string) *Daemon {
	t.Helper()
	return startBinary(t, PlainBinary(), args)
}

func startBinary(t testing.TB, binary string, args []string) *Daemon {
	t.Helper()
	args = append([]string{"serve", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*"}, args...)
	return StartCommand(t, exec.Command(binary, args...))
}

// StartCommand runs a command that becomes gorewind serve.
func StartCommand(t testing.TB, cmd *exec.Cmd) *Daemon {
	t.Helper()
	return StartIn(t, cmd, t.TempDir())
}

// StartIn is StartCommand in a working directory.
func StartIn(t testing.TB, cmd *exec.Cmd, dir string) *Daemon {
	t.Helper()
	d := &Daemon{Cmd: cmd, log: new(bytes.Buffer), Ended: make(chan struct{})}
	d.Cmd.Dir = dir
	stderr, err := d.Cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.Kill()
		if strings.Contains(d.log.String(), "WARNING: DATA RACE") {
			t.Errorf("the daemon has a data race:\n%s", d.log)
		}
		if t.Failed() {
			d.complaints(t)
		}
	})
	lines := bufio.NewReader(stderr)
	for {
		line, err := lines.ReadString('\n')
		d.log.WriteString(line)
		if err != nil {
			close(d.Ended)
			t.Fatalf("%q ended before it served:\n%s", cmd.Args, d.log)
		}
		if m := Serving.FindStringSubmatch(line); m != nil {
			d.Router, d.Pub = m[1], m[2]
			break
		}
	}
	go func() { // ends with the process
		defer close(d.Ended)
		for {
			line, err := lines.ReadString('\n')
			d.mu.Lock()
			d.log.WriteString(line)
			d.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	return d
}

// Log returns the output so far.
func (d *Daemon) Log() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// HoldLog stops reading the daemon's output until readOn is called.
func (d *Daemon) HoldLog() (readOn func()) {
	d.mu.Lock()
	return sync.OnceFunc(d.mu.Unlock)
}

// complaints prints the warnings and errors of a daemon that has ended.
func (d *Daemon) complaints(t testing.TB) {
	for line := range strings.Lines(d.log.String()) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			t.Logf("daemon %d: %s", d.Cmd.Process.Pid, line)
		}
	}
}

// Kill kills the process.
func (d *Daemon) Kill() {
	d.Cmd.Process.Kill()
	d.Wait()
}

// Freeze stops the process until it gets SIGCONT. A signal reaches one thread after the
// other; Freeze returns when none of them runs any more.
func (d *Daemon) Freeze(t testing.TB) {
	t.Helper()
	d.Cmd.Process.Signal(syscall.SIGSTOP)
	threads := fmt.Sprintf("/proc/%d/task/*/status", d.Cmd.Process.Pid)
	Await(t, func() bool {
		paths, _ := filepath.Glob(threads)
		return len(paths) > 0 && !slices.ContainsFunc(paths, func(path string) bool {
			status, _ := os.ReadFile(path)
			return !bytes.Contains(status, []byte("\nState:\tT"))
		})
	}, func() string { return "the daemon does not stop" })
}

// Stop terminates the process and returns its log.
func (d *Daemon) Stop(t testing.TB, signal os.Signal) string {
	t.Helper()
	d.Cmd.Process.Signal(signal)
	if err := d.Wait(); err != nil {
		t.Errorf("%v: %v\n%s", signal, err, d.log)
	}
	return d.log.String()
}

// Wait waits for the end of the process.
func (d *Daemon) Wait() error {
	<-d.Ended
	return d.Cmd.Wait()
}

// Command returns a client command that talks to the daemon.
func (d *Daemon) Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, Binary(), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "GOREWIND_CONNECT="+d.Router, "GOREWIND_SUBSCRIBE="+d.Pub)
	return cmd
}

// Stored returns the data of a stream's events. It checks their ids.
func (d *Daemon) Stored(t testing.TB, stream string) []string {
	t.Helper()
	p := Dial(t, d.Router)
	defer p.Close()
	return p.Events(stream, 0)
}

// AwaitLast waits until a stream's last event has this id.
func (d *Daemon) AwaitLast(t testing.TB, stream string, id uint64) {
	t.Helper()
	p := Dial(t, d.Router)
	defer p.Close()
	var last wire.Reply
	Await(t, func() bool {
		p.Request(wire.Streams{Prefix: []byte(stream), Limit: 1})
		for {
			r, err := p.Reply()
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := r.(wire.StreamReply); !ok {
				break
			}
			last = r
		}
		s, ok := last.(wire.StreamReply)
		return ok && string(s.Name) == stream && s.Last == id
	}, func() string { return fmt.Sprintf("want %d events in %q, have %v", id, stream, last) })
}
