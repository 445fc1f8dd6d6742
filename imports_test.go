package main

import (
	"go/parser"
	"go/token"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestImports keeps imports running one way. A package may import the standard
// library and what its line lists, nothing else outside of tests.
func TestImports(t *testing.T) {
	const (
		zmq4      = "github.com/pebbe/zmq4"
		goleveldb = "github.com/syndtr/goleveldb/"
		kong      = "github.com/alecthomas/kong"
		unix      = "golang.org/x/sys/unix"
		toml      = "github.com/pelletier/go-toml/v2"
		systemd   = "github.com/coreos/go-systemd/v22/daemon"
		zstd      = "github.com/klauspost/compress/zstd"
		prom      = "github.com/prometheus/client_golang/"
		bar       = "github.com/schollz/progressbar/v3"
		term      = "golang.org/x/term"
		tables    = "github.com/jedib0t/go-pretty/v6/"
	)
	for pkg, rule := range map[string]struct {
		why   string
		allow []string
	}{
		"gorewind/wire":             {"the protocol must be usable without sockets or a store", nil},
		"gorewind/store":            {"the contract knows no engine", nil},
		"gorewind/store/storetest":  {"the suite knows no engine", []string{"gorewind/store"}},
		"gorewind/store/leveldb":    {"the engine knows neither wire nor sockets", []string{"gorewind/store", goleveldb}},
		"gorewind/server":           {"the broker runs on any engine", []string{"gorewind/store", "gorewind/wire", zmq4, unix}},
		"gorewind/client":           {"it runs where no store is", []string{"gorewind/wire", zmq4, unix}},
		"gorewind/internal/load":    {"it measures from outside, and any daemon", []string{"gorewind/wire", zmq4, unix}},
		"gorewind/internal/metrics": {"it alone knows Prometheus, and shows what others count", []string{"gorewind/server", "gorewind/store", "gorewind/store/leveldb", prom}},
		"gorewind/examples/go":      {"an example takes what every program has", []string{"gorewind/client", zmq4}},
		"gorewind":                  {"main wires it all up, and alone knows the command line, its file, who started it and how terminals show things", []string{"gorewind/backup", "gorewind/client", "gorewind/internal/load", "gorewind/internal/metrics", "gorewind/server", "gorewind/store", "gorewind/store/leveldb", "gorewind/wire", kong, systemd, toml, bar, term, tables}},
		"gorewind/backup":           {"copies are made of what a daemon tells, and stores of copies; it knows no sockets", []string{"gorewind/client", "gorewind/wire", "gorewind/store", "gorewind/store/leveldb", zstd}},
	} {
		for _, path := range imports(t, pkg) {
			first, _, _ := strings.Cut(path, "/")
			standard := !strings.Contains(first, ".") && first != "gorewind"
			if standard || allowed(path, rule.allow) {
				continue
			}
			t.Errorf("%s imports %s; it must not, because %s", pkg, path, rule.why)
		}
	}
}

// TestLibrariesOfTerminals: one file knows each of them, and could take another.
func TestLibrariesOfTerminals(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			for library, owner := range map[string]string{"progressbar": "progress.go", "x/term": "progress.go", "go-pretty": "table.go"} {
				if strings.Contains(i.Path.Value, library) && file != owner {
					t.Errorf("%s imports %s; it must not, because %s owns it", file, i.Path.Value, owner)
				}
			}
		}
	}
}

func allowed(path string, allow []string) bool {
	for _, a := range allow {
		if path == a || strings.HasSuffix(a, "/") && strings.HasPrefix(path, a) {
			return true
		}
	}
	return false
}

func imports(t *testing.T, pkg string) []string {
	t.Helper()
	out, err := exec.Command("go", "list", "-f", `{{join .Imports "\n"}}`, pkg).Output()
	if err != nil {
		t.Fatal(pkg, err)
	}
	return strings.Fields(string(out))
}
