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

func TestVerify(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "data")
	d := daemontest.Start(t, "--data-dir", dir)
	p := daemontest.Dial(t, d.Router)
	for _, stream := range []string{"a", "b", "a"} {
		p.Ask(wire.Publish{Stream: []byte(stream), Data: []byte("data")})
	}
	if _, stderr, status := daemontest.Run(t.TempDir(), "verify", "--data-dir", dir); status != exit.Failure || !strings.Contains(stderr, "in use by another process; stop the other process") {
		t.Errorf("beside a daemon: want it refused, have status %d\n%s", status, stderr)
	}
	d.Stop(t, syscall.SIGTERM)

	const want = "read: 2 streams, 3 events, 12 bytes, 3 commits\nintact: everything is as it was stored\n"
	if stdout, stderr, status := daemontest.Run(t.TempDir(), "verify", "--data-dir", dir); stdout != want || stderr != "" || status != exit.OK {
		t.Errorf("want\n%shave status %d\n%s%s", want, status, stdout, stderr)
	}
	if err := os.Remove(filepath.Join(dir, "highwater")); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, status := daemontest.Run(t.TempDir(), "verify", "--data-dir", dir)
	if status != exit.Failure || !strings.Contains(stdout, "\ndamaged: the file ") || strings.Contains(stdout, "intact:") ||
		!strings.Contains(stderr, "is damaged; nothing was changed") {
		t.Errorf("want damage, have status %d\n%s%s", status, stdout, stderr)
	}
	if err := os.Remove(filepath.Join(dir, "db", "CURRENT")); err != nil {
		t.Fatal(err)
	}
	stdout, stderr, status = daemontest.Run(t.TempDir(), "verify", "--data-dir", dir)
	if status != exit.Failure || !strings.HasPrefix(stdout, "read: nothing\ndamaged: ") || strings.Contains(stdout, "damaged: damaged") {
		t.Errorf("what cannot be opened: have status %d\n%s%s", status, stdout, stderr)
	}
	none := filepath.Join(dir, "none")
	if _, stderr, status := daemontest.Run(t.TempDir(), "verify", "--data-dir", none); status != exit.Failure || !strings.Contains(stderr, "there is no store in") {
		t.Errorf("without a store: have status %d\n%s", status, stderr)
	}
}
