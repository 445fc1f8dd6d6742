package docs

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorewind/test/daemontest"
)

// programAnd returns the program that a test is said to run, and what it prints.
func programAnd(t *testing.T, doc, test string) (program, prints block) {
	t.Helper()
	for _, b := range blocksOf(t, doc) {
		switch {
		case b.note != "run by "+test:
		case b.lang == "text":
			prints = b
		default:
			program = b
		}
	}
	if program.text == "" || prints.text == "" {
		t.Fatalf("%s: want a program and what it prints with the note of %s", doc, test)
	}
	return program, prints
}

// TestFollowerInPython runs the client of docs/concepts.md, which goes on for ever, until
// it has printed what it is said to print.
func TestFollowerInPython(t *testing.T) {
	python := daemontest.Python(t)
	s := newSession(t)
	program, prints := programAnd(t, "docs/concepts.md", "TestFollowerInPython")
	client := daemontest.Command(t, python, "-u", s.file("client.py", program))
	out, err := client.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	have := make([]byte, len(prints.text))
	n, err := io.ReadFull(out, have)
	if err != nil || string(have) != prints.text {
		t.Errorf("want\n%s\nhave %v\n%s", prints.text, err, have[:n])
	}
	client.Process.Kill()
	client.Wait()
}

// TestLibrary runs the program of docs/go.md that has the store inside.
func TestLibrary(t *testing.T) {
	dir := t.TempDir()
	program, prints := programAnd(t, "docs/go.md", "TestLibrary")
	file := filepath.Join(dir, "main.go")
	source := strings.ReplaceAll(program.text, `"mydata"`, "`"+filepath.Join(dir, "data")+"`")
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	have, err := daemontest.Command(t, "go", "run", file).CombinedOutput()
	if err != nil || string(have) != prints.text {
		t.Errorf("want\n%s\nhave %v\n%s", prints.text, err, have)
	}
}
