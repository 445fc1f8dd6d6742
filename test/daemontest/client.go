package daemontest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Client is a running client command.
type Client struct {
	t     testing.TB
	Cmd   *exec.Cmd
	lines *bufio.Reader // of standard output
	pipe  *os.File      // from which lines reads

	mu   sync.Mutex // protects errs
	errs bytes.Buffer
}

// Write receives the command's standard error.
func (l *Client) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errs.Write(b)
}

// Errors returns the standard error so far.
func (l *Client) Errors() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errs.String()
}

// StartClient starts a client command.
func StartClient(t testing.TB, cmd *exec.Cmd) *Client {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l := &Client{t: t, Cmd: cmd, lines: bufio.NewReader(out), pipe: out}
	cmd.Stdout, cmd.Stderr = in, l
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		out.Close()
	})
	if err := out.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return l
}

// Line returns the next line of output.
func (l *Client) Line() string {
	l.t.Helper()
	line, err := l.lines.ReadString('\n')
	if err != nil {
		l.t.Fatalf("%q: %v, after %q\n%s", l.Cmd.Args, err, line, l.Errors())
	}
	return strings.TrimSuffix(line, "\n")
}

// Await waits until standard error contains a text.
func (l *Client) Await(text string) {
	l.t.Helper()
	Await(l.t, func() bool { return strings.Contains(l.Errors(), text) }, func() string {
		return fmt.Sprintf("want %q, have %q", text, l.Errors())
	})
}

// Stop sends the command a signal, and returns the rest of its output and its exit status.
func (l *Client) Stop(signal os.Signal) (rest string, status int) {
	l.t.Helper()
	l.Cmd.Process.Signal(signal)
	return l.End()
}

// End waits for the end of the command, and returns the rest of its output and its exit status.
func (l *Client) End() (rest string, status int) {
	l.t.Helper()
	unread, err := io.ReadAll(l.lines)
	if err != nil {
		l.t.Fatalf("%q: %v\n%s", l.Cmd.Args, err, l.Errors())
	}
	l.Cmd.Wait()
	return string(unread), l.Cmd.ProcessState.ExitCode()
}
