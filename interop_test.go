package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestInterop talks to the daemon from Python, over TCP and over ipc, before
// and after a restart.
func TestInterop(t *testing.T) {
	python := pythonWithZMQ(t)
	for _, transport := range []string{"tcp", "ipc"} {
		t.Run(transport, func(t *testing.T) {
			args := []string{"--data-dir", t.TempDir()}
			if transport == "ipc" {
				dir := shortDir(t)
				args = append(args, "--router", "ipc://"+filepath.Join(dir, "router"), "--pub", "ipc://"+filepath.Join(dir, "pub"))
			}
			for _, part := range []string{"first", "again"} {
				d := start(t, args...)
				router, pub := ofTransport(t, transport, d.router), ofTransport(t, transport, d.pub)
				out, err := command(t, python, filepath.Join("testdata", "interop.py"), part, router, pub).CombinedOutput()
				t.Logf("%s:\n%s", part, out)
				if err != nil {
					t.Fatalf("%v; the daemon said:\n%s", err, d.stop(t, syscall.SIGTERM))
				}
				log := d.stop(t, syscall.SIGTERM)
				if !strings.Contains(log, "msg=stopped") {
					t.Errorf("want the log to end with stopped, have:\n%s", log)
				}
			}
		})
	}
}

// shortDir is for sockets: their paths have at most 107 octets.
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
