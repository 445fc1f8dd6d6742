package main

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

// A terminal is where a client command runs before a person.
type terminal struct {
	t      testing.TB
	cmd    *exec.Cmd
	master *os.File
	ended  chan struct{} // closed when nobody has it open any more

	mu     sync.Mutex // protects screen
	screen bytes.Buffer
}

// openTerminal returns both ends of a terminal that has so many columns; 0 is one that
// does not tell.
func openTerminal(t testing.TB, columns int) (master, slave *os.File) {
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

// newTerminal starts a client command at a terminal of its own.
func newTerminal(t testing.TB, cmd *exec.Cmd) *terminal {
	t.Helper()
	return newTerminalOf(t, 0, cmd)
}

// newTerminalOf does so at one that has so many columns. A standard input that the
// command has, it keeps.
func newTerminalOf(t testing.TB, columns int, cmd *exec.Cmd) *terminal {
	t.Helper()
	master, slave := openTerminal(t, columns)
	defer slave.Close()
	if cmd.Stdin == nil {
		cmd.Stdin = slave
	}
	cmd.Stdout, cmd.Stderr = slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &terminal{t: t, cmd: cmd, master: master, ended: make(chan struct{})}
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

// written returns what was written to it.
func (p *terminal) written() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.String()
}

// seen returns the text of that.
func (p *terminal) seen() string { return strings.ReplaceAll(p.written(), "\r", "") }

// await waits until a text is on the screen.
func (p *terminal) await(text string) {
	p.t.Helper()
	await(p.t, func() bool { return strings.Contains(p.seen(), text) }, func() string {
		return fmt.Sprintf("want %q, have %q", text, p.seen())
	})
}

func (p *terminal) write(typed string) {
	p.t.Helper()
	if _, err := io.WriteString(p.master, typed); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the end of the command.
func (p *terminal) end() (seen string, status int) {
	<-p.ended
	p.cmd.Wait()
	return p.seen(), p.cmd.ProcessState.ExitCode()
}

// onTerminal runs a client command before a person who types something, and
// returns what is seen there.
func onTerminal(t testing.TB, cmd *exec.Cmd, typed string) (seen string, status int) {
	t.Helper()
	p := newTerminal(t, cmd)
	p.write(typed)
	return p.end()
}
