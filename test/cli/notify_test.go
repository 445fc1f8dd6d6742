package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"gorewind/internal/exit"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

func TestNotify(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]string{
		"a path":             filepath.Join(t.TempDir(), "notify"),
		"an abstract socket": fmt.Sprintf("@gorewind-test-%d", os.Getpid()),
	} {
		t.Run(name, func(t *testing.T) {
			m := daemontest.Supervise(t, address)
			d := m.Start(0)
			if have, want := m.Hear(), []string{"EXTEND_TIMEOUT_USEC=30000000", "STATUS=Opening the store"}; !slices.Equal(have, want) {
				t.Errorf("want %q, have %q", want, have)
			}
			if have, want := m.Hear(), []string{"READY=1", "STATUS=Serving " + d.Router + ", broadcasting on " + d.Pub}; !slices.Equal(have, want) {
				t.Errorf("want %q, have %q", want, have)
			}
			d.Stop(t, syscall.SIGTERM)
			if have, want := m.Hear(), []string{"STOPPING=1", "STATUS=Stopping"}; !slices.Equal(have, want) {
				t.Errorf("want %q, have %q", want, have)
			}
		})
	}
}

// TestNotifyNobody: who is not there is complained of, and nothing else comes of it.
func TestNotifyNobody(t *testing.T) {
	t.Parallel()
	m := daemontest.Supervise(t, filepath.Join(t.TempDir(), "notify"))
	cmd := m.Command(0)
	m.Close()
	if log := daemontest.StartCommand(t, cmd).Stop(t, syscall.SIGTERM); !strings.Contains(log, "cannot notify the service manager") {
		t.Errorf("no complaint:\n%s", log)
	}
}

// TestNotifyDamage: what cannot serve never says that it is ready, and its status
// tells that to start it again is of no use.
func TestNotifyDamage(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	d := daemontest.Start(t, "--data-dir", dir)
	daemontest.Dial(t, d.Router).Ask(wire.Publish{Stream: []byte("s"), Data: []byte("d")})
	d.Stop(t, syscall.SIGTERM)
	tables, _ := filepath.Glob(filepath.Join(dir, "db", "*.l*")) // or journals
	for _, name := range tables {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	m := daemontest.Supervise(t, filepath.Join(t.TempDir(), "notify"))
	cmd := m.Command(0, "--data-dir", dir)
	out, err := cmd.CombinedOutput()
	if err == nil || cmd.ProcessState.ExitCode() != exit.Damaged {
		t.Errorf("want status %d, have %v\n%s", exit.Damaged, err, out)
	}
	if told := m.Rest(); !strings.Contains(told, "STATUS=Repairing the database: ") || strings.Contains(told, "READY") ||
		!strings.HasSuffix(told, "[STATUS=Cannot open the store; see the log] [END=1]]") {
		t.Errorf("want that it repairs, then that it cannot, and not that it is ready; have %s", told)
	}
}

// TestNotifySlowStart: a start that takes long asks for more time. Its database is
// opened by way of a pipe, through which nothing comes. Who stops it meanwhile
// is told.
func TestNotifySlowStart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	daemontest.Start(t, "--data-dir", dir).Stop(t, syscall.SIGTERM)
	current := filepath.Join(dir, "db", "CURRENT")
	if err := errors.Join(os.Remove(current), syscall.Mkfifo(current, 0o644)); err != nil {
		t.Fatal(err)
	}
	m := daemontest.Supervise(t, filepath.Join(t.TempDir(), "notify"))
	cmd := m.Command(0, "--data-dir", dir)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	m.Hears("STATUS=Opening the store")
	if have, want := m.Hear(), []string{"EXTEND_TIMEOUT_USEC=30000000"}; !slices.Equal(have, want) {
		t.Errorf("want %q, have %q", want, have)
	}
	cmd.Process.Signal(syscall.SIGTERM)
	m.Hears("STATUS=Stopping once the store is open")
}

// TestWatchdog: the watchdog is told as long as the broker's loop goes on, and
// only so long. The loop is held up by its log, which nobody reads.
func TestWatchdog(t *testing.T) {
	m := daemontest.Supervise(t, filepath.Join(t.TempDir(), "notify"))
	d := m.Start(400*time.Millisecond, "--in-memory")
	for range 3 {
		m.Hears("WATCHDOG=1")
	}
	readOn := d.HoldLog()
	defer readOn()
	narrow(t, d)
	for i := range byte(16) {
		provoke(t, d, i)
	}
	for hangs := 0; hangs < 2; { // in a row: the loop may have been slow once
		if hangs++; m.Hear()[0] != "STATUS=The broker does not answer" {
			hangs = 0
		}
	}
	readOn()
	again := m.Hears("WATCHDOG=1")
	if !strings.HasPrefix(again[len(again)-1][1], "STATUS=Serving") {
		t.Errorf("want that it serves again, have %q", again)
	}
	d.Stop(t, syscall.SIGTERM)
	m.Hears("STOPPING=1")
}

// narrow makes the pipe of a daemon's log as small as can be.
func narrow(t *testing.T, d *daemontest.Daemon) {
	t.Helper()
	pipe, err := os.OpenFile(fmt.Sprintf("/proc/%d/fd/2", d.Cmd.Process.Pid), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer pipe.Close()
	if _, err := unix.FcntlInt(pipe.Fd(), unix.F_SETPIPE_SZ, 4096); err != nil {
		t.Fatal(err)
	}
}

// provoke has a daemon log that it gives a connection up, in many bytes: of a
// peer with a long name, who asks for much that has to wait.
func provoke(t *testing.T, d *daemontest.Daemon, name byte) {
	t.Helper()
	s, err := zmq.NewSocket(zmq.DEALER)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	id := bytes.Repeat([]byte{'a' + name}, 255)
	if err := errors.Join(s.SetLinger(0), s.SetSndhwm(0), s.SetIdentity(string(id)), s.Connect(d.Router)); err != nil {
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
