package cli

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gorewind/internal/exit"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// TestRepair: what a daemon repairs by itself, and what it refuses and a user then
// repairs.
func TestRepair(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	d := daemontest.Start(t, "--data-dir", dir)
	p := daemontest.Dial(t, d.Router)
	for range 3 {
		p.Ask(wire.Publish{Stream: []byte("a"), Data: []byte("data")})
	}
	d.Stop(t, syscall.SIGTERM)
	repair := func(want int, tells string, args ...string) {
		t.Helper()
		stdout, stderr, status := daemontest.Run(t.TempDir(), append([]string{"repair", "--data-dir", dir}, args...)...)
		if status != want || !strings.Contains(stdout+stderr, tells) {
			t.Errorf("want status %d and %q, have %d\n%s%s", want, tells, status, stdout, stderr)
		}
	}
	repair(exit.OK, "intact: nothing to repair")

	if err := os.Remove(filepath.Join(dir, "db", "CURRENT")); err != nil {
		t.Fatal(err)
	}
	d = daemontest.Start(t, "--data-dir", dir)
	if have := len(daemontest.Dial(t, d.Router).Events("a", 0)); have != 3 {
		t.Errorf("want 3 events, have %d", have)
	}
	if log := d.Stop(t, syscall.SIGTERM); !strings.Contains(log, "no acknowledged data is lost") {
		t.Errorf("it does not say that it was repaired:\n%s", log)
	}

	for _, pattern := range []string{"*.log", "*.ldb"} {
		files, err := filepath.Glob(filepath.Join(dir, "db", pattern))
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range files {
			if err := os.Truncate(path, 0); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, stderr, status := daemontest.Run(t.TempDir(), "serve", "--data-dir", dir, "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*"); status != exit.Damaged ||
		!strings.Contains(stderr, "the commit at position 3 is missing") || !strings.Contains(stderr, "gorewind repair") {
		t.Errorf("want it refused, have status %d\n%s", status, stderr)
	}
	repair(exit.Failure, "lost: the commit at position 3 is missing")
	repair(exit.OK, "repaired with loss: 0 streams and 0 events are left", "--accept-loss")
	d = daemontest.Start(t, "--data-dir", dir)
	daemontest.Dial(t, d.Router).Ask(wire.Publish{Stream: []byte("a"), Data: []byte("data")})
	d.Stop(t, syscall.SIGTERM)
	repair(exit.OK, "intact: nothing to repair")
	if _, err := os.Stat(filepath.Join(dir, "db.damaged-2")); err != nil {
		t.Error(err)
	}
}
