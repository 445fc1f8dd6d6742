package daemontest

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Python returns an interpreter that has pyzmq. Where tests must not be
// skipped, there has to be one.
func Python(t *testing.T) string {
	t.Helper()
	for _, python := range []string{"/usr/bin/python3", "python3"} {
		if exec.Command(python, "-c", "import zmq").Run() == nil {
			return python
		}
	}
	const missing = "no python3 has the module zmq; install pyzmq, which Debian calls python3-zmq"
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// Command returns a command that is killed when it takes too long: a client that
// waits for an answer that never comes would wait for ever.
func Command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, name, args...)
}
