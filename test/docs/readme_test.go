package docs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gorewind/internal/config"
	"gorewind/internal/exit"
	"gorewind/test/daemontest"
)

// readme returns README.rst.
func readme(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("README.rst")
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// indented returns the block of README.rst that follows a line that ends with
// introduction, without its indentation.
func indented(t *testing.T, introduction string) string {
	t.Helper()
	_, rest, ok := strings.Cut(readme(t), introduction+"\n\n")
	if !ok {
		t.Fatalf("want %q in README.rst, have it not", introduction)
	}
	var block strings.Builder
	for line := range strings.Lines(rest) {
		text, ok := strings.CutPrefix(line, "    ")
		if !ok && line != "\n" {
			break
		}
		block.WriteString(text)
		if !ok {
			block.WriteString("\n")
		}
	}
	return strings.TrimRight(block.String(), "\n") + "\n"
}

func TestReadmePythonClient(t *testing.T) {
	python := daemontest.Python(t)
	d := daemontest.Start(t, "--in-memory")
	const endpoint = "tcp://127.0.0.1:9002"
	client := indented(t, ".. code-block:: python")
	if !strings.Contains(client, endpoint) {
		t.Fatalf("want a client that connects to %s, have\n%s", endpoint, client)
	}
	file := filepath.Join(t.TempDir(), "client.py")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(client, endpoint, d.Router)), 0o644); err != nil {
		t.Fatal(err)
	}
	have, err := daemontest.Command(t, python, file).CombinedOutput()
	if want := indented(t, "it prints::"); err != nil || string(have) != want {
		t.Errorf("want\n%s\nhave %v\n%s", want, err, have)
	}
}

func TestReadmeLibrary(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "main.go")
	source := strings.ReplaceAll(indented(t, ".. code-block:: go"), `"mydata"`, "`"+filepath.Join(dir, "data")+"`")
	if err := os.WriteFile(file, []byte(source), 0o644); err != nil {
		t.Fatal(err)
	}
	const want = "1 Hello,\n2 world!\n"
	have, err := daemontest.Command(t, "go", "run", file).CombinedOutput()
	if err != nil || string(have) != want {
		t.Errorf("want\n%s\nhave %v\n%s", want, err, have)
	}
}

// An option is what help and README.rst say of a flag.
type option struct{ env, byDefault string }

var defaultForm = regexp.MustCompile(`Default: (\S+) \(\$(\w+)\)`)

// helpOptions returns the options that gorewind serve --help tells.
func helpOptions(t *testing.T) map[string]option {
	t.Helper()
	stdout, stderr, status := daemontest.Run(t.TempDir(), "serve", "--help")
	if status != 0 {
		t.Fatalf("want the help, have status %d\n%s", status, stderr)
	}
	found := make(map[string]option)
	_, stdout, _ = strings.Cut(stdout, "\nFlags:")    // after examples
	text := strings.Join(strings.Fields(stdout), " ") // lines are broken anywhere
	for _, about := range strings.Split(text, " --")[1:] {
		name := about[:strings.IndexAny(about+" ", "= ,")]
		if m := defaultForm.FindStringSubmatch(about); m != nil {
			found[name] = option{env: m[2], byDefault: m[1]}
		} else if name != "help" && name != "version" {
			t.Errorf("want a default in the help of --%s, have %q", name, about)
		}
	}
	return found
}

func TestReadmeOptions(t *testing.T) {
	row := regexp.MustCompile("(?m)^``--([a-z-]+)`` +``(\\w+)`` +``([^`]+)``")
	have := make(map[string]option)
	for _, m := range row.FindAllStringSubmatch(readme(t), -1) {
		have[m[1]] = option{env: m[2], byDefault: m[3]}
	}
	want := helpOptions(t)
	if len(want) == 0 {
		t.Error("want options in the help, have none")
	}
	for name, o := range want {
		if have[name] != o {
			t.Errorf("--%s: want %v in README.rst, have %v", name, o, have[name])
		}
		delete(have, name)
	}
	for name := range have {
		t.Errorf("want only flags that there are in README.rst, have --%s", name)
	}
}

// TestReadmeConfig holds the file in README.rst to what gorewind serve takes.
func TestReadmeConfig(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gorewind.toml")
	if err := os.WriteFile(file, []byte(indented(t, "which is TOML::")), 0o644); err != nil {
		t.Fatal(err)
	}
	var told config.InForce
	if err := json.Unmarshal([]byte(daemontest.Succeed(t, "config", "--json", "serve", "--config", file)), &told); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"data-dir", "router", "max-event-bytes"} {
		if !slices.ContainsFunc(told.Values, func(s config.Setting) bool { return s.Name == name && s.Source == config.InFile.String() }) {
			t.Errorf("--%s: want it from the file, have %v", name, told.Values)
		}
	}
}

// TestReadmeTargets holds README.rst and the Makefile together.
func TestReadmeTargets(t *testing.T) {
	makefile, err := os.ReadFile("Makefile")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("``make ([a-z]+)[^`]*``").FindAllStringSubmatch(readme(t), -1) {
		if !regexp.MustCompile(`(?m)^` + m[1] + `:`).Match(makefile) {
			t.Errorf("want a target %s in the Makefile, have none", m[1])
		}
	}
}

// TestReadmeFigures keeps the table of README.rst the one that was measured last.
func TestReadmeFigures(t *testing.T) {
	results, err := os.ReadFile(filepath.Join("bench", "results.rst"))
	if err != nil {
		t.Fatal(err)
	}
	from, to := bytes.Index(results, []byte("\n=")), bytes.LastIndex(results, []byte("=\n"))
	if from < 0 || to < from {
		t.Fatal("bench/results.rst has no table")
	}
	if !strings.Contains(readme(t), string(results[from:to])) {
		t.Errorf("want this table, that of bench/results.rst:\n%s", results[from:to])
	}
}

// TestReadmeCommands runs the command lines of README.rst, in their order.
func TestReadmeCommands(t *testing.T) {
	d := daemontest.Start(t, "--in-memory")
	commands := strings.Split(indented(t, "While the daemon runs::"), "$ ")[1:]
	if len(commands) == 0 {
		t.Fatal("want command lines, have none")
	}
	for _, text := range commands {
		line, want, _ := strings.Cut(text, "\n")
		cmd := daemontest.Command(t, "sh", "-c", line)
		cmd.Dir = filepath.Dir(daemontest.Binary())
		cmd.Env = append(os.Environ(), "GOREWIND_CONNECT="+d.Router)
		if have, err := cmd.CombinedOutput(); err != nil || string(have) != want {
			t.Errorf("%s: want %q, have %q, %v", line, want, have, err)
		}
	}
}

// TestReadmeStatuses keeps the statuses of README.rst and of the help the same.
func TestReadmeStatuses(t *testing.T) {
	help, _, _ := daemontest.Run(t.TempDir(), "--help")
	for _, status := range []int{exit.OK, exit.Failure, exit.Usage, exit.Unmet, exit.Timeout, exit.Unknown, exit.Damaged} {
		if !regexp.MustCompile(fmt.Sprintf(`(?m)^%d      \S`, status)).MatchString(readme(t)) {
			t.Errorf("want the status %d in README.rst", status)
		}
		if !regexp.MustCompile(fmt.Sprintf(`\s%d:\s+\w`, status)).MatchString(help) {
			t.Errorf("want the status %d in the help, have\n%s", status, help)
		}
	}
}
