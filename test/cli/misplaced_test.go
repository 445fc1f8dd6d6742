package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorewind/internal/exit"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// TestRightCommand: what is given to the wrong command names the right one, and
// nothing is made.
func TestRightCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	d := daemontest.Start(t, "--data-dir", in("data"))
	daemontest.Dial(t, d.Router).Ask(wire.Publish{Stream: []byte("s"), Data: []byte("data")})
	connect := []string{"--connect", d.Router}
	daemontest.Succeed(t, append([]string{"backup", in("backup")}, connect...)...)
	daemontest.Succeed(t, append([]string{"export", in("export")}, connect...)...)
	segments, err := filepath.Glob(in("backup/*.zst"))
	if err != nil || len(segments) != 1 {
		t.Fatal(segments, err)
	}
	if err := os.WriteFile(in("thesis"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	const restore, imports, serve = "create a store from it with gorewind restore", "use it with gorewind import", "use it with --data-dir"
	for _, c := range []struct {
		want string
		args []string
	}{
		{restore, []string{"serve", "--data-dir", in("backup")}},
		{restore, []string{"verify", "--data-dir", in("backup")}},
		{restore, []string{"repair", "--data-dir", in("backup")}},
		{restore, []string{"import", in("backup"), "--data-dir", in("new")}},
		{restore, append([]string{"import", in("backup")}, connect...)},
		{imports, []string{"serve", "--data-dir", in("export")}},
		{imports, []string{"restore", in("export"), "--data-dir", in("new")}},
		{imports, []string{"backup", "--verify", in("export")}},
		{imports, append([]string{"backup", in("export")}, connect...)},
		{serve, []string{"import", in("data"), "--data-dir", in("new")}},
		{serve, []string{"restore", in("data"), "--data-dir", in("new")}},
		{serve, append([]string{"backup", in("data")}, connect...)},
		{"give its directory to gorewind restore", []string{"restore", segments[0], "--data-dir", in("new")}},
		{"give the directory that gorewind backup made", []string{"restore", in("none"), "--data-dir", in("new")}},
		{"give the directory that gorewind backup made", []string{"backup", "--verify", in("thesis")}},
		{"is not a directory and holds no backup: choose another", append([]string{"backup", in("thesis")}, connect...)},
		{"create the directory first", append([]string{"export", in("none/export")}, connect...)},
		{"there is no store in", []string{"repair", "--data-dir", in("none")}},
	} {
		before := daemontest.Files(t, dir)
		_, errs, status := daemontest.Run(dir, c.args...)
		if status != exit.Failure || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.want) {
			t.Errorf("%q: want %q, have status %d, %s", c.args, c.want, status, errs)
		}
		if after := daemontest.Files(t, dir); len(before) != len(after) {
			t.Errorf("%q: want the files %q, have %q", c.args, before, after)
		}
	}
	if out := daemontest.Succeed(t, "import", segments[0], "--data-dir", in("one")); !strings.Contains(out, "is a segment of a backup") || !strings.Contains(out, "only up to position 1") {
		t.Errorf("a segment is taken for the whole: %s", out)
	}
	for _, name := range []string{"data", "one"} {
		if fi, err := os.Stat(in(name)); err != nil || fi.Mode().Perm() != 0o700 {
			t.Errorf("want %s for its owner only, have %v, %v", name, fi.Mode(), err)
		}
	}
}

// TestRestoreLeftUnfinished: a restore that was refused says what it left, and so do
// commands that find it; the next restore there does what it is asked to.
func TestRestoreLeftUnfinished(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	d := daemontest.Start(t, "--in-memory")
	p := daemontest.Dial(t, d.Router)
	for _, name := range []string{"good", "bad", "bad"} {
		p.Ask(wire.Publish{Stream: []byte("s"), Data: []byte("data")})
		daemontest.Succeed(t, "backup", in(name), "--connect", d.Router)
	}
	segments, err := filepath.Glob(in("bad/*.zst"))
	if err != nil || len(segments) != 2 {
		t.Fatal(segments, err)
	}
	if err := os.Remove(segments[1]); err != nil {
		t.Fatal(err)
	}
	refused := func(want string, args ...string) {
		t.Helper()
		if _, errs, status := daemontest.Run(dir, args...); status != exit.Failure || !strings.Contains(errs, want) {
			t.Errorf("%q: want %q, have status %d, %s", args, want, status, errs)
		}
	}
	refused("it is missing", "backup", "--verify", in("bad"))
	refused("new/db.restoring remains", "restore", in("bad"), "--data-dir", in("new"))
	for _, command := range []string{"serve", "verify", "repair"} {
		refused("unfinished restore; run the same gorewind restore", command, "--data-dir", in("new"))
	}
	if out := daemontest.Succeed(t, "restore", in("good"), "--data-dir", in("new")); !strings.Contains(out, "up to position 1") {
		t.Errorf("have %s", out)
	}
}
