package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gorewind/test/daemontest"
)

// firstClient writes the first client of README.rst to a file. It asks the daemon at an
// endpoint.
func firstClient(t *testing.T, replace ...string) (file string) {
	t.Helper()
	for _, b := range blocksOf(t, "README.rst") {
		if b.lang != "python" {
			continue
		}
		for i := 0; i < len(replace); i += 2 {
			if !strings.Contains(b.text, replace[i]) {
				t.Fatalf("want %q in\n%s", replace[i], b.text)
			}
		}
		file = filepath.Join(t.TempDir(), "client.py")
		if err := os.WriteFile(file, []byte(strings.NewReplacer(replace...).Replace(b.text)), 0o644); err != nil {
			t.Fatal(err)
		}
		return file
	}
	t.Fatal("README.rst has no client in Python")
	return ""
}

// TestFirstClient runs the client of README.rst, which prints what follows it.
func TestFirstClient(t *testing.T) {
	python := daemontest.Python(t)
	d := daemontest.Start(t, "--in-memory")
	file := firstClient(t, routerEndpoint, d.Router)
	have, err := daemontest.Command(t, python, file).CombinedOutput()
	want := ""
	for _, b := range blocksOf(t, "README.rst") {
		if b.lang == "text" && b.note == "run by TestFirstClient" {
			want = b.text
		}
	}
	if err != nil || string(have) != want {
		t.Errorf("want\n%s\nhave %v\n%s", want, err, have)
	}
}

// TestFirstClientAlone: without a daemon the first client ends, and says why.
func TestFirstClientAlone(t *testing.T) {
	python := daemontest.Python(t)
	file := firstClient(t, "tcp://127.0.0.1:9002", "tcp://127.0.0.1:1", "5_000", "100")
	have, err := daemontest.Command(t, python, file).CombinedOutput()
	if err == nil || !strings.HasPrefix(string(have), "no answer from tcp://127.0.0.1:1") {
		t.Errorf("want that it fails and says that nothing answers, have %v\n%s", err, have)
	}
}

// TestReadmeLength keeps README.rst what can be read in one go.
func TestReadmeLength(t *testing.T) {
	if lines := strings.Count(read(t, "README.rst"), "\n"); lines < 150 || lines > 200 {
		t.Errorf("want 150 to 200 lines in README.rst, have %d; docs/ has room", lines)
	}
}

// TestFigures keeps the table of README.rst the one that was measured last.
func TestFigures(t *testing.T) {
	results := read(t, filepath.Join("bench", "results.rst"))
	from, to := strings.Index(results, "\n="), strings.LastIndex(results, "=\n")
	if from < 0 || to < from {
		t.Fatal("bench/results.rst has no table")
	}
	if !strings.Contains(read(t, "README.rst"), results[from:to]) {
		t.Errorf("want this table, that of bench/results.rst:\n%s", results[from:to])
	}
}

// TestTargets holds the documents and the Makefile together.
func TestTargets(t *testing.T) {
	makefile := read(t, "Makefile")
	for _, doc := range append(documents(t), "CONTRIBUTING.md") {
		for _, m := range regexp.MustCompile("`make ([a-z-]+)[^`]*`").FindAllStringSubmatch(read(t, doc), -1) {
			if !regexp.MustCompile(`(?m)^` + m[1] + `:`).MatchString(makefile) {
				t.Errorf("%s: want a target %s in the Makefile, have none", doc, m[1])
			}
		}
	}
	list, _, _ := strings.Cut(strings.TrimPrefix(makefile, "# Targets: "), "\n")
	for _, target := range strings.Fields(list) {
		if !strings.Contains(read(t, "CONTRIBUTING.md"), "`make "+target) {
			t.Errorf("want the target %s in CONTRIBUTING.md, have it not", target)
		}
	}
}
