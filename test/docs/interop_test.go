package docs

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"gorewind/test/daemontest"
)

// TestInterop talks to the daemon from Python, over TCP and over ipc, before
// and after a restart.
func TestInterop(t *testing.T) {
	python := daemontest.Python(t)
	for _, transport := range []string{"tcp", "ipc"} {
		t.Run(transport, func(t *testing.T) {
			args := []string{"--data-dir", t.TempDir()}
			if transport == "ipc" {
				dir := shortDir(t)
				args = append(args, "--router", "ipc://"+filepath.Join(dir, "router"), "--pub", "ipc://"+filepath.Join(dir, "pub"))
			}
			for _, part := range []string{"first", "again"} {
				d := daemontest.Start(t, args...)
				router, pub := ofTransport(t, transport, d.Router), ofTransport(t, transport, d.Pub)
				out, err := daemontest.Command(t, python, filepath.Join("test", "docs", "testdata", "interop.py"), part, router, pub).CombinedOutput()
				t.Logf("%s:\n%s", part, out)
				if err != nil {
					t.Fatalf("%v; the daemon said:\n%s", err, d.Stop(t, syscall.SIGTERM))
				}
				log := d.Stop(t, syscall.SIGTERM)
				if !strings.Contains(log, "msg=stopped") {
					t.Errorf("want the log to end with stopped, have:\n%s", log)
				}
			}
		})
	}
}

// shortDir is for sockets: their paths have at most 107 bytes.
func shortDir(t *testing.T) string {
	dir, err := os.MkdirTemp("", "gw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// ofTransport picks one of the endpoints that the daemon has logged. None has a
// wildcard left.
func ofTransport(t *testing.T, transport, endpoints string) string {
	t.Helper()
	found := ""
	for _, e := range strings.Split(endpoints, ",") {
		if strings.Contains(e, "*") {
			t.Errorf("the daemon logs the endpoint %s, which nobody can connect to", e)
		}
		if strings.HasPrefix(e, transport+"://") {
			found = e
		}
	}
	if found == "" {
		t.Fatalf("no endpoint of %s in %s", transport, endpoints)
	}
	return found
}

// TestInteropCurve has pyzmq show its keys, as a user's own client does.
func TestInteropCurve(t *testing.T) {
	python := daemontest.Python(t)
	l := daemontest.NewLock(t, "reader", "writer", "outsider")
	l.Allow(map[string]string{
		"reader": "read = ['**']", "writer": "read = ['account/*']\nwrite = ['account/*']",
	})
	dir := shortDir(t)
	d := l.Start("--router", "ipc://"+filepath.Join(dir, "router"), "--ipc-mode", "0600")
	for _, transport := range []string{"tcp", "ipc"} {
		out, err := daemontest.Command(t, python, filepath.Join("test", "docs", "testdata", "curve.py"), l.Dir, ofTransport(t, transport, d.Router), d.Pub).CombinedOutput()
		if err != nil {
			t.Errorf("%s: %v\n%s", transport, err, out)
		}
	}
	if fi, err := os.Stat(filepath.Join(dir, "router")); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("have %v %v", fi.Mode(), err)
	}
}
