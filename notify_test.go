package main

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"gorewind/internal/exit"
	"gorewind/wire"
)

// A manager is who hears what a daemon tells of itself, in systemd's stead.
type manager struct {
	t testing.TB
	*net.UnixConn
}

// supervise returns a manager at an address: a path, or @ and a name that is in no
// directory, which systemd uses too.
func supervise(t testing.TB, address string) *manager {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(time.Minute)) // however much is told
	return &manager{t, c}
}

// start has a daemon started that tells m how it does, and a watchdog if it has a limit.
func (m *manager) start(watchdog time.Duration, args ...string) *daemon {
	m.t.Helper()
	return startCommand(m.t, m.command(watchdog, args...))
}

func (m *manager) command(watchdog time.Duration, args ...string) *exec.Cmd {
	cmd := exec.Command(binary(), append([]string{"serve", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*"}, args...)...)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.LocalAddr().String())
	if watchdog > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("WATCHDOG_USEC=%d", watchdog.Microseconds()))
	}
	return cmd
}

// hear returns the lines of the next message.
func (m *manager) hear() []string {
	m.t.Helper()
	return m.hears("")[0]
}

// hears returns the messages up to and with the first that has a line; an empty one
// is any.
func (m *manager) hears(line string) (messages [][]string) {
	m.t.Helper()
	for message := make([]byte, 4096); ; {
		n, err := m.Read(message)
		if err != nil {
			m.t.Fatalf("want %q, have %q: %v", line, messages, err)
		}
		lines := strings.Split(string(message[:n]), "\n")
		messages = append(messages, lines)
		if line == "" || slices.Contains(lines, line) {
			return messages
		}
	}
}

// rest returns what was told by those who have ended.
func (m *manager) rest() string {
	m.t.Helper()
	const end = "END=1"
	c, err := net.Dial("unixgram", m.LocalAddr().String())
	if err != nil {
		m.t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write([]byte(end)); err != nil {
		m.t.Fatal(err)
	}
	return fmt.Sprint(m.hears(end))
}

func TestNotify(t *testing.T) {
	for name, address := range map[string]string{
		"a path":             filepath.Join(t.TempDir(), "notify"),
		"an abstract socket": fmt.Sprintf("@gorewind-test-%d", os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			m := supervise(t, address)
			d := m.start(0)
			if have, want := m.hear(), []string{"EXTEND_TIMEOUT_USEC=30000000", "STATUS=Opening the store"}; !slices.Equal(have, want) {
				t.Errorf("want %q, have %q", want, have)
			}
			if have, want := m.hear(), []string{"READY=1", "STATUS=Serving " + d.router + ", broadcasting on " + d.pub}; !slices.Equal(have, want) {
				t.Errorf("want %q, have %q", want, have)
			}
			d.stop(t, syscall.SIGTERM)
			if have, want := m.hear(), []string{"STOPPING=1", "STATUS=Stopping"}; !slices.Equal(have, want) {
				t.Errorf("want %q, have %q", want, have)
			}
		})
	}
}

// TestNotifyNobody: who is not there is complained of, and nothing else comes of it.
func TestNotifyNobody(t *testing.T) {
	m := supervise(t, filepath.Join(t.TempDir(), "notify"))
	cmd := m.command(0)
	m.Close()
	if log := startCommand(t, cmd).stop(t, syscall.SIGTERM); !strings.Contains(log, "cannot tell the service manager") {
		t.Errorf("no complaint:\n%s", log)
	}
}

// TestNotifyDamage: what cannot serve never says that it is ready, and its status
// tells that to start it again is of no use.
func TestNotifyDamage(t *testing.T) {
	dir := t.TempDir()
	d := start(t, "--data-dir", dir)
	dial(t, d.router).ask(wire.Publish{Stream: []byte("s"), Data: []byte("d")})
	d.stop(t, syscall.SIGTERM)
	tables, _ := filepath.Glob(filepath.Join(dir, "db", "*.l*")) // or journals
	for _, name := range tables {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	m := supervise(t, filepath.Join(t.TempDir(), "notify"))
	cmd := m.command(0, "--data-dir", dir)
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != exit.Damaged {
		t.Errorf("want status %d, have %v\n%s", exit.Damaged, err, out)
	}
	if told := m.rest(); !strings.Contains(told, "STATUS=Repairing the database: ") || strings.Contains(told, "READY") ||
		!strings.HasSuffix(told, "[STATUS=The store cannot be opened; the log says why] [END=1]]") {
		t.Errorf("want that it repairs, then that it cannot, and not that it is ready; have %s", told)
	}
}

// TestNotifySlowStart: a start that takes long asks for more time. Its database is
// opened by way of a pipe, through which nothing comes. Who stops it meanwhile
// is told.
func TestNotifySlowStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start(t, "--data-dir", dir).stop(t, syscall.SIGTERM)
	current := filepath.Join(dir, "db", "CURRENT")
	if err := errors.Join(os.Remove(current), syscall.Mkfifo(current, 0o644)); err != nil {
		t.Fatal(err)
	}
	m := supervise(t, filepath.Join(t.TempDir(), "notify"))
	cmd := m.command(0, "--data-dir", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	m.hears("STATUS=Opening the store")
	if have, want := m.hear(), []string{"EXTEND_TIMEOUT_USEC=30000000"}; !slices.Equal(have, want) {
		t.Errorf("want %q, have %q", want, have)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	m.hears("STATUS=Stopping when the store is open")
}

// TestWatchdog: the watchdog is told as long as the broker's loop goes on, and
// only so long. The loop is held up by its log, which nobody reads.
func TestWatchdog(t *testing.T) {
	m := supervise(t, filepath.Join(t.TempDir(), "notify"))
	d := m.start(400*time.Millisecond, "--in-memory")
	for range 3 {
		m.hears("WATCHDOG=1")
	}
	d.mu.Lock() // whoever reads the log waits
	readOn := sync.OnceFunc(d.mu.Unlock)
	defer readOn()
	narrow(t, d)
	for i := range byte(16) {
		provoke(t, d, i)
	}
	for hangs := 0; hangs < 2; { // in a row: the loop may have been slow once
		if hangs++; m.hear()[0] != "STATUS=The broker does not answer" {
			hangs = 0
		}
	}
	readOn()
	again := m.hears("WATCHDOG=1")
	if !strings.HasPrefix(again[len(again)-1][1], "STATUS=Serving") {
		t.Errorf("want that it serves again, have %q", again)
	}
	d.stop(t, syscall.SIGTERM)
	m.hears("STOPPING=1")
}

// narrow makes the pipe of a daemon's log as small as can be.
func narrow(t *testing.T, d *daemon) {
	t.Helper()
	pipe, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/2", d.cmd.Process.Pid), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if _, err := unix.FcntlInt(pipe.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
}

// provoke has a daemon log that it gives a connection up, in many octets: of a
// peer with a long name, who asks for much that has to wait.
func provoke(t *testing.T, d *daemon, name byte) {
	t.Helper()
	s, err := zmq.NewSocket(zmq.DEALER)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	id := bytes.Repeat([]byte{'a' + name}, 255)
	if err := errors.Join(s.SetLinger(0), s.SetSndhwm(0), s.SetIdentity(string(id)), s.Connect(d.router)); err != nil {
		t.Fatal(err)
	}
	query := wire.Query{Stream: []byte("s"), Follow: true}
	requests := [][][]byte{query.Frames()}
	for range 17 {
		requests = append(requests, wire.Ping{Payload: [][]byte{make([]byte, 1<<20)}}.Frames())
	}
	for _, r := range requests {
		if _, err := s.SendMessage([]byte("one after the other"), []byte{}, r); err != nil {
			t.Fatal(err)
		}
	}
}
