package daemontest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A Terminal is a terminal with a running client command.
type Terminal struct {
	t      testing.TB
	Cmd    *exec.Cmd
	master *os.File
	ended  chan struct{} // closed when no process has it open

	mu     sync.Mutex // protects screen
	screen bytes.Buffer
}

// OpenTerminal returns both ends of a terminal with so many columns; 0 is an unknown width.
func OpenTerminal(t testing.TB, columns int) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// NewTerminal starts a client command on a new terminal.
func NewTerminal(t testing.TB, cmd *exec.Cmd) *Terminal {
	t.Helper()
	return NewTerminalOf(t, 0, cmd)
}

// NewTerminalOf is NewTerminal with so many columns. It keeps the command's standard input, if
// set.
func NewTerminalOf(t testing.TB, columns int, cmd *exec.Cmd) *Terminal {
	t.Helper()
	master, slave := OpenTerminal(t, columns)
	defer slave.Close()
	if cmd.Stdin == nil {
		cmd.Stdin = slave
	}
	cmd.Stdout, cmd.Stderr = slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &Terminal{t: t, Cmd: cmd, master: master, ended: make(chan struct{})}
	go func() { // ends with the command
		defer close(p.ended)
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			p.mu.Lock()
			p.screen.Write(b[:n])
			p.mu.Unlock()
			if err != nil { // EIO at the end
				return
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-p.ended
		master.Close()
	})
	return p
}

// Written returns all output so far.
func (p *Terminal) Written() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.String()
}

// Seen returns the text of the output.
func (p *Terminal) Seen() string { return strings.ReplaceAll(p.Written(), "\r", "") }

// Await waits until the output contains a text.
func (p *Terminal) Await(text string) {
	p.t.Helper()
	Await(p.t, func() bool { return strings.Contains(p.Seen(), text) }, func() string {
		return fmt.Sprintf("want %q, have %q", text, p.Seen())
	})
}

// Type types a text.
func (p *Terminal) Type(typed string) {
	p.t.Helper()
	if _, err := io.WriteString(p.master, typed); err != nil {
		p.t.Fatal(err)
	}
}

// End waits for the end of the command.
func (p *Terminal) End() (seen string, status int) {
	<-p.ended
	p.Cmd.Wait()
	return p.Seen(), p.Cmd.ProcessState.ExitCode()
}

// OnTerminal runs a client command on a terminal, types a text, and returns the output.
func OnTerminal(t testing.TB, cmd *exec.Cmd, typed string) (seen string, status int) {
	t.Helper()
	p := NewTerminal(t, cmd)
	p.Type(typed)
	return p.End()
}
