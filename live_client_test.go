package main

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

// A live is a client command that runs.
type live struct {
	t     testing.TB
	cmd   *exec.Cmd
	lines *bufio.Reader // of its standard output
	pipe  *os.File      // from which they are read

	mu   sync.Mutex // protects errs
	errs bytes.Buffer
}

// Write takes what it writes to its standard error output.
func (l *live) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errs.Write(b)
}

// said returns what it has written there so far.
func (l *live) said() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errs.String()
}

// startClient starts a client command.
func startClient(t testing.TB, cmd *exec.Cmd) *live {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l := &live{t: t, cmd: cmd, lines: bufio.NewReader(out), pipe: out}
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

// line returns the next line of its output.
func (l *live) line() string {
	l.t.Helper()
	line, err := l.lines.ReadString('\n')
	if err != nil {
		l.t.Fatalf("%q: %v, after %q\n%s", l.cmd.Args, err, line, l.said())
	}
	return strings.TrimSuffix(line, "\n")
}

// await waits until its standard error output has a text.
func (l *live) await(text string) {
	l.t.Helper()
	await(l.t, func() bool { return strings.Contains(l.said(), text) }, func() string {
		return fmt.Sprintf("want %q, have %q", text, l.said())
	})
}

// stop sends it a signal, and returns the rest of its output and its status.
func (l *live) stop(signal os.Signal) (rest string, status int) {
	l.t.Helper()
	l.cmd.Process.Signal(signal)
	return l.end()
}

// end waits for its end.
func (l *live) end() (rest string, status int) {
	l.t.Helper()
	octets, err := io.ReadAll(l.lines)
	if err != nil {
		l.t.Fatalf("%q: %v\n%s", l.cmd.Args, err, l.said())
	}
	l.cmd.Wait()
	return string(octets), l.cmd.ProcessState.ExitCode()
}
