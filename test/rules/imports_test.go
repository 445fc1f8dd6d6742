// Package rules holds the house together: which package may import what, and that nothing
// that is looked for by name is lost when files move.
package rules

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Modules of others, by short names.
const (
	zmq4      = "github.com/pebbe/zmq4"
	goleveldb = "github.com/syndtr/goleveldb/"
	kong      = "github.com/alecthomas/kong"
	unix      = "golang.org/x/sys/unix"
	limiter   = "golang.org/x/time/rate"
	toml      = "github.com/pelletier/go-toml/v2"
	systemd   = "github.com/coreos/go-systemd/v22/daemon"
	zstd      = "github.com/klauspost/compress/zstd"
	prom      = "github.com/prometheus/client_golang/"
	bar       = "github.com/schollz/progressbar/v3"
	terminal  = "golang.org/x/term"
	tables    = "github.com/jedib0t/go-pretty/v6/"
)

// A rule is what a package may import beside the standard library, outside of tests. A
// path that ends with / stands for all that begin with it.
type rule struct {
	pkg   string // below the module
	why   string
	allow []string
}

// path returns the import path of the package that it is for.
func (r rule) path() string { return path.Join("gorewind", r.pkg) }

const onlyTests = "it has nothing but tests"

// rules has one for each package of the module, lowest first.
var rules = []rule{
	{"internal/race", "it tells how a program was built, and nothing else", nil},
	{"wire", "the protocol must be usable without sockets or a store", nil},
	{"store", "the contract knows no engine", nil},
	{"store/storetest", "the suite knows no engine", []string{"gorewind/internal/race", "gorewind/store"}},
	{"store/leveldb/internal/record", "formats know no database", []string{"gorewind/store"}},
	{"store/leveldb/internal/ldb", "it knows LevelDB and the formats, and no engine", []string{"gorewind/store", "gorewind/store/leveldb/internal/record", goleveldb}},
	{"store/leveldb/internal/datadir", "it knows databases and where they lie, and no engine", []string{"gorewind/store", "gorewind/store/leveldb/internal/ldb", "gorewind/store/leveldb/internal/record", goleveldb}},
	{"store/leveldb/internal/logscan", "it reads databases, and knows no engine", []string{"gorewind/store", "gorewind/store/leveldb/internal/datadir", "gorewind/store/leveldb/internal/ldb", "gorewind/store/leveldb/internal/record", goleveldb}},
	{"store/leveldb/internal/fixture", "tests of the engine use it", []string{"gorewind/store", "gorewind/store/storetest", "gorewind/store/leveldb/internal/datadir", "gorewind/store/leveldb/internal/ldb", "gorewind/store/leveldb/repair", goleveldb}},
	{"store/leveldb/repair", "the engine calls it", []string{
		"gorewind/store", "gorewind/store/leveldb/internal/datadir", "gorewind/store/leveldb/internal/ldb", "gorewind/store/leveldb/internal/logscan", "gorewind/store/leveldb/internal/record", goleveldb,
	}},
	{"store/leveldb", "the engine knows neither wire nor sockets", []string{
		"gorewind/store", "gorewind/store/leveldb/internal/datadir", "gorewind/store/leveldb/internal/ldb", "gorewind/store/leveldb/internal/logscan", "gorewind/store/leveldb/internal/record",
		"gorewind/store/leveldb/repair", goleveldb,
	}},
	{"server/internal/pack", "what is sent is packed without knowing who sends it", []string{"gorewind/store", "gorewind/wire"}},
	{"server/internal/zsock", "it moves messages, whatever they say", []string{zmq4, unix}},
	{"server/internal/auth", "who may do what is decided without knowing how it is done", []string{"gorewind/store", "gorewind/wire", zmq4, limiter}},
	{"server", "the broker runs on any engine", []string{"gorewind/server/internal/", "gorewind/store", "gorewind/wire", zmq4, unix, limiter}},
	{"client", "it runs where no store is", []string{"gorewind/wire", zmq4, unix}},
	{"backup", "copies are made of what a daemon tells, and stores of copies; it knows no sockets", []string{"gorewind/client", "gorewind/wire", "gorewind/store", "gorewind/store/leveldb", "gorewind/store/leveldb/repair", zstd}},
	{"examples/go", "an example takes what every program has", []string{"gorewind/client", zmq4}},

	{"internal/version", "everything may name the version", nil},
	{"internal/term", "it alone knows the libraries of terminals, and nothing of events", []string{bar, terminal, tables}},
	{"internal/complete", "it knows kong's model and no command", []string{kong}},
	{"internal/exit", "every command ends with it", []string{"gorewind/internal/term", "gorewind/store/leveldb"}},
	{"internal/newfile", "it writes files, whatever is in them", nil},
	{"internal/keyfile", "it reads and writes keys, whoever has them", []string{"gorewind/internal/newfile", "gorewind/server"}},
	{"internal/advice", "the daemon and commands share it", []string{"gorewind/backup", "gorewind/store", "gorewind/store/leveldb"}},
	{"internal/config", "it alone takes kong's flags and TOML together, for any command", []string{"gorewind/internal/exit", "gorewind/internal/newfile", "gorewind/server", kong, toml}},
	{"internal/render", "it shows what a client gets, and asks nobody", []string{"gorewind/backup", "gorewind/client", "gorewind/internal/term", "gorewind/wire"}},
	{"internal/load", "it measures from outside, and any daemon", []string{"gorewind/internal/term", "gorewind/wire"}},
	{"internal/metrics", "it alone knows Prometheus, and shows what others count", []string{"gorewind/server", "gorewind/store", "gorewind/store/leveldb", prom}},
	{"internal/daemon", "it wires a daemon, whatever the command line is; it alone knows who started it", []string{
		"gorewind/internal/advice", "gorewind/internal/config", "gorewind/internal/exit", "gorewind/internal/keyfile", "gorewind/internal/metrics",
		"gorewind/internal/version", "gorewind/server", "gorewind/store", "gorewind/store/leveldb", "gorewind/wire", systemd, toml,
	}},
	{"command", "it asks the libraries and internal packages, and knows neither sockets nor terminals", []string{
		"gorewind/backup", "gorewind/client", "gorewind/internal/", "gorewind/server", "gorewind/store", "gorewind/store/leveldb", "gorewind/store/leveldb/repair", "gorewind/wire", kong,
	}},
	{"", "main runs the command line", []string{"gorewind/command"}},

	{"test/daemontest", "it drives the program from outside, and has go test know what that is made of", []string{"gorewind/client", "gorewind/command", "gorewind/internal/exit", "gorewind/internal/keyfile", "gorewind/internal/race", "gorewind/wire", zmq4, unix}},
	{"test/cli", onlyTests, nil},
	{"test/docs", onlyTests, nil},
	{"test/packaging", onlyTests, nil},
	{"test/rules", onlyTests, nil},
	{"test/torture", onlyTests, nil},
}

// A listed is what go list tells of a package.
type listed struct {
	ImportPath                         string
	Imports, TestImports, XTestImports []string
}

// packages lists those of the module.
func packages(t *testing.T) (found []listed) {
	t.Helper()
	touch(t)
	out, err := exec.Command("go", "list", "-json=ImportPath,Imports,TestImports,XTestImports", "gorewind/...").Output()
	if err != nil {
		t.Fatal(err)
	}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatal(err)
		}
		found = append(found, p)
	}
}

// touch looks at every Go file of the module: go list does so in a process of its own, and
// go test would keep the result of a test after one has changed.
func touch(t *testing.T) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join("..", ".."), func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == ".git" || d.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if err == nil && filepath.Ext(path) == ".go" {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestImports keeps imports running one way. A package without a rule is an error, and
// so is a rule without a package.
func TestImports(t *testing.T) {
	found := packages(t)
	for _, p := range found {
		i := slices.IndexFunc(rules, func(r rule) bool { return r.path() == p.ImportPath })
		if i < 0 {
			t.Errorf("%s has no rule; add a line that says what it may import, and why", p.ImportPath)
			continue
		}
		for _, imported := range p.Imports {
			if first, _, _ := strings.Cut(imported, "/"); !strings.Contains(first, ".") && first != "gorewind" {
				continue // the standard library
			}
			if !allowed(imported, rules[i].allow) {
				t.Errorf("%s imports %s; it must not, because %s", p.ImportPath, imported, rules[i].why)
			}
		}
	}
	for _, r := range rules {
		if !slices.ContainsFunc(found, func(p listed) bool { return r.path() == p.ImportPath }) {
			t.Errorf("there is a rule for %s, and no such package", r.path())
		}
	}
}

func allowed(path string, allow []string) bool {
	return slices.ContainsFunc(allow, func(a string) bool {
		return path == a || strings.HasSuffix(a, "/") && strings.HasPrefix(path, a)
	})
}

// TestOnlyTestsStartTheProgram: tests that start the binary, which are slow, have rooms
// of their own, and use nothing of the command line's insides.
func TestOnlyTestsStartTheProgram(t *testing.T) {
	for _, p := range packages(t) {
		tests := strings.HasPrefix(p.ImportPath, "gorewind/test/")
		imports := slices.Concat(p.TestImports, p.XTestImports)
		// That of term takes its terminals, and nothing that has to be built.
		if !tests && p.ImportPath != "gorewind/internal/term" && slices.Contains(imports, "gorewind/test/daemontest") {
			t.Errorf("tests of %s take daemontest; put what starts the program below test/", p.ImportPath)
		}
		if tests && slices.Contains(imports, "gorewind/command") {
			t.Errorf("%s imports the command line; start the program as its users do", p.ImportPath)
		}
	}
}
