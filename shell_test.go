package main

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// A shell is where client commands are run.
type shell struct {
	d     *daemon
	stdin string
}

// ask runs a client command to its end.
func (r shell) ask(t testing.TB, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := r.d.client(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(r.stdin), &out, &errs
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// want runs a client command that has to print this and exit with 0.
func (r shell) want(t testing.TB, want string, args ...string) {
	t.Helper()
	if have, errs, status := r.ask(t, args...); have != want || errs != "" || status != 0 {
		t.Errorf("gorewind %q: want %q, have %q, status %d\n%s", args, want, have, status, errs)
	}
}

// refuse runs a client command that has to fail, and to say so in one line.
func (r shell) refuse(t testing.TB, status int, want string, args ...string) {
	t.Helper()
	out, errs, have := r.ask(t, args...)
	if have != status || out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "gorewind: ") || !strings.Contains(errs, want) {
		t.Errorf("gorewind %q: want status %d and %q, have %d, stdout %q\n%s", args, status, want, have, out, errs)
	}
}
