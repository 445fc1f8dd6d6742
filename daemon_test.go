package main

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// A daemon is a running gorewind serve.
type daemon struct {
	cmd         *exec.Cmd
	router, pub string
	log         *bytes.Buffer // what it has written
	ended       chan struct{} // closed when its output has ended
	mu          sync.Mutex    // protects log, until then
}

// serving matches the line that tells where a daemon serves, in either format.
var serving = regexp.MustCompile(`msg"?[=:]"?serving"?[ ,]"?router"?[=:]"?([^" ]+)"?[ ,]"?pub"?[=:]"?([^" ]+)`)

// start runs gorewind serve on free ports and waits until it serves.
func start(t testing.TB, args ...string) *daemon {
	t.Helper()
	args = append([]string{"serve", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*"}, args...)
	return startCommand(t, exec.Command(binary(), args...))
}

// startCommand runs a command that becomes gorewind serve.
func startCommand(t testing.TB, cmd *exec.Cmd) *daemon {
	t.Helper()
	return startIn(t, cmd, t.TempDir())
}

// startIn does so in a directory.
func startIn(t testing.TB, cmd *exec.Cmd, dir string) *daemon {
	t.Helper()
	d := &daemon{cmd: cmd, log: new(bytes.Buffer), ended: make(chan struct{})}
	d.cmd.Dir = dir
	stderr, err := d.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.kill()
		if t.Failed() {
			d.complaints(t)
		}
	})
	lines := bufio.NewReader(stderr)
	for {
		line, err := lines.ReadString('\n')
		d.log.WriteString(line)
		if err != nil {
			close(d.ended)
			t.Fatalf("%q ended before it served:\n%s", cmd.Args, d.log)
		}
		if m := serving.FindStringSubmatch(line); m != nil {
			d.router, d.pub = m[1], m[2]
			break
		}
	}
	go func() { // ends when the process does
		defer close(d.ended)
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

// said returns what it has written so far.
func (d *daemon) said() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log.String()
}

// complaints prints what the log of a daemon that has ended says of trouble.
func (d *daemon) complaints(t testing.TB) {
	for line := range strings.Lines(d.log.String()) {
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			t.Logf("daemon %d: %s", d.cmd.Process.Pid, line)
		}
	}
}

// kill ends the process at once.
func (d *daemon) kill() {
	d.cmd.Process.Kill()
	d.wait()
}

// stop asks the process to end and returns its log.
func (d *daemon) stop(t testing.TB, signal os.Signal) string {
	t.Helper()
	d.cmd.Process.Signal(signal)
	if err := d.wait(); err != nil {
		t.Errorf("%v: %v\n%s", signal, err, d.log)
	}
	return d.log.String()
}

func (d *daemon) wait() error {
	<-d.ended
	return d.cmd.Wait()
}

// client returns a client command that talks to a daemon.
func (d *daemon) client(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, binary(), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "GOREWIND_CONNECT="+d.router, "GOREWIND_SUBSCRIBE="+d.pub)
	return cmd
}
