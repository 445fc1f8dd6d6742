package daemontest

import (
	"bytes"
	"errors"
	"os/exec"
	"strings"
	"testing"
)

// A Shell runs client commands.
type Shell struct {
	D     *Daemon
	Stdin string
}

// Run runs a client command to its end.
func (r Shell) Run(t testing.TB, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := r.D.Command(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(r.Stdin), &out, &errs
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// Want runs a client command that must print this and exit with 0.
func (r Shell) Want(t testing.TB, want string, args ...string) {
	t.Helper()
	if have, errs, status := r.Run(t, args...); have != want || errs != "" || status != 0 {
		t.Errorf("gorewind %q: want %q, have %q, status %d\n%s", args, want, have, status, errs)
	}
}

// Refuse runs a client command that must fail with one line of text.
func (r Shell) Refuse(t testing.TB, status int, want string, args ...string) {
	t.Helper()
	out, errs, have := r.Run(t, args...)
	if have != status || out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "gorewind: ") || !strings.Contains(errs, want) {
		t.Errorf("gorewind %q: want status %d and %q, have %d, stdout %q\n%s", args, status, want, have, out, errs)
	}
}
