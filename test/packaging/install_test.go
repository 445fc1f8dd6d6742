package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorewind/test/daemontest"
)

// TestInstall: make install puts everything where shells and man look for it, and make
// uninstall takes all of it away again.
func TestInstall(t *testing.T) {
	dir := t.TempDir()
	run := func(target string) {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "make", target, "DESTDIR="+dir, "PREFIX=/opt", "BINARY="+daemontest.Binary())
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("make %s: %v\n%s", target, err, out)
		}
	}
	run("install")
	begins := map[string]string{
		"opt/bin/gorewind":                                  "\x7fELF",
		"opt/share/man/man1/gorewind.1":                     ".TH",
		"opt/share/bash-completion/completions/gorewind":    "# Completions of gorewind for bash",
		"opt/share/zsh/site-functions/_gorewind":            "#compdef gorewind",
		"opt/share/fish/vendor_completions.d/gorewind.fish": "# Completions of gorewind for fish",
	}
	var want []string
	for name, begin := range begins {
		want = append(want, name)
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil || !strings.HasPrefix(string(text), begin) {
			t.Errorf("%s: want %q, have %.40q, %v", name, begin, text, err)
		}
		mode := os.FileMode(0o644)
		if strings.Contains(name, "/bin/") {
			mode = 0o755
		}
		if fi, err := os.Stat(filepath.Join(dir, name)); err == nil && fi.Mode() != mode {
			t.Errorf("%s: want mode %v, have %v", name, mode, fi.Mode())
		}
	}
	slices.Sort(want)
	if have := filesBelow(t, dir); !slices.Equal(have, want) {
		t.Errorf("want %q, have %q", want, have)
	}
	run("uninstall")
	if have := filesBelow(t, dir); len(have) > 0 {
		t.Errorf("want no file, have %q", have)
	}
}

// filesBelow returns the names of all regular files below a directory.
func filesBelow(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			names = append(names, strings.TrimPrefix(path, dir+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// TestMakeNamesGo: without Go, or with an old one, make says which to install.
func TestMakeNamesGo(t *testing.T) {
	for have, want := range map[string]string{
		"":                 "The go command was not found. Please install Go 1.25.",
		"echo go1.19.8":    "This is Go 1.19.8, which is too old. Please install Go 1.25.",
		"echo no; exit 1":  "no. Please install Go 1.25.",
		"echo go1.100.1":   "",
		"echo devel go1.9": "",
	} {
		bin := t.TempDir()
		for _, program := range []string{"sh", "sed", "sort", "head", "dirname"} {
			path, err := exec.LookPath(program)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(path, filepath.Join(bin, program)); err != nil {
				t.Fatal(err)
			}
		}
		if have != "" {
			if err := os.WriteFile(filepath.Join(bin, "go"), []byte("#!/bin/sh\n"+have+"\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		path, err := exec.LookPath("make")
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), path, "need-go")
		cmd.Env = []string{"PATH=" + bin}
		out, err := cmd.CombinedOutput()
		if failed := want != ""; failed != (err != nil) || !strings.Contains(string(out), want) {
			t.Errorf("%q: want %q, have %v\n%s", have, want, err, out)
		}
	}
}
