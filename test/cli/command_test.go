package cli

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"gorewind/internal/exit"
	"gorewind/test/daemontest"
)

// TestCommandHelp: every client command has examples, and they are of itself.
func TestCommandHelp(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"publish", "query", "follow", "subscribe", "streams", "replace", "delete", "commit", "cursor", "wait", "info", "export", "import", "backup", "restore"} {
		out, errs, status := daemontest.Run(t.TempDir(), name, "--help")
		_, examples, ok := strings.Cut(out, "\nExamples:\n")
		if status != 0 || errs != "" || !ok || !strings.Contains(examples, "    gorewind "+name) {
			t.Errorf("%s: status %d\n%s%s", name, status, out, errs)
		}
		if strings.ContainsAny(out, "“”") { // which is what two quotes of one kind become
			t.Errorf("%s: want quotes that can be typed, have\n%s", name, out)
		}
	}
}

// TestCommandWaitsForDaemon: a person is told before --timeout is over.
func TestCommandWaitsForDaemon(t *testing.T) {
	t.Parallel()
	nowhere := &daemontest.Daemon{Router: "tcp://127.0.0.1:1"}
	p := daemontest.NewTerminal(t, nowhere.Command(t, "ping", "--timeout", "1m"))
	p.Await("no answer from tcp://127.0.0.1:1 yet; trying for 1m0s\n")
	p.Type("\x03")
	if seen, status := p.End(); status != exit.Interrupted || strings.Count(seen, "yet") != 1 {
		t.Errorf("status %d\n%s", status, seen)
	}
}

// TestCommandTimeout: a daemon that stops answering does not hold up a command for
// ever. The outcome of a write is then unknown.
func TestCommandTimeout(t *testing.T) {
	d := daemontest.Start(t, "--in-memory")
	in, lines, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	cmd := d.Command(t, "publish", "s", "--lines", "--timeout", "300ms")
	cmd.Stdin = in
	l := daemontest.StartClient(t, cmd)
	fmt.Fprintln(lines, "one")
	p := daemontest.Dial(t, d.Router)
	daemontest.Await(t, func() bool { return len(p.Events("s", 0)) == 1 }, func() string { return "want an event" })
	d.Freeze(t)
	defer d.Cmd.Process.Signal(syscall.SIGCONT)
	fmt.Fprintln(lines, "two")
	_, status := l.End()
	if status != 5 || !strings.Contains(l.Errors(), "outcome unknown") || !strings.Contains(l.Errors(), "lines 2 to 2") {
		t.Errorf("want status 5, have %d\n%s", status, l.Errors())
	}
}
