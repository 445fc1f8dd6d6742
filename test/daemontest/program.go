package daemontest

import (
	"context"
	"os"
	"os/exec"
	"testing"
	"time"
)

// Python returns an interpreter with pyzmq. Without one it skips the test, or fails it where
// tests must not be skipped.
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

// Command returns a command that is killed if it takes too long, such as a client that waits for
// an answer that never arrives.
func Command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return exec.CommandContext(ctx, name, args...)
}
