package daemontest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"
)

// A Manager is a service manager in place of systemd. It receives a daemon's notifications.
type Manager struct {
	t testing.TB
	*net.UnixConn
}

// Supervise returns a manager at an address: a path, or @ and an abstract name, which systemd
// uses too.
func Supervise(t testing.TB, address string) *Manager {
	t.Helper()
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Net: "unixgram", Name: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetReadDeadline(time.Now().Add(time.Minute)) // however many notifications follow
	return &Manager{t, c}
}

// Start starts a daemon that notifies m, and its watchdog if limit is not 0.
func (m *Manager) Start(watchdog time.Duration, args ...string) *Daemon {
	m.t.Helper()
	return StartCommand(m.t, m.Command(watchdog, args...))
}

// Command returns the command of such a daemon, not yet started.
func (m *Manager) Command(watchdog time.Duration, args ...string) *exec.Cmd {
	cmd := exec.Command(Binary(), append([]string{"serve", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*"}, args...)...)
	cmd.Env = append(os.Environ(), "NOTIFY_SOCKET="+m.LocalAddr().String())
	if watchdog > 0 {
		cmd.Env = append(cmd.Env, fmt.Sprintf("WATCHDOG_USEC=%d", watchdog.Microseconds()))
	}
	return cmd
}

// Hear returns the lines of the next notification.
func (m *Manager) Hear() []string {
	m.t.Helper()
	return m.Hears("")[0]
}

// Hears returns the notifications up to and including the first with a line; "" is any.
func (m *Manager) Hears(line string) (messages [][]string) {
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

// Rest returns the pending notifications of daemons that have ended.
func (m *Manager) Rest() string {
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
	return fmt.Sprint(m.Hears(end))
}
