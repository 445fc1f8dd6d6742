package docs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorewind/internal/exit"
	"gorewind/test/daemontest"
)

// examplesOf returns the examples that the help of a command has.
func examplesOf(t *testing.T, command string) (lines []string) {
	t.Helper()
	help, stderr, status := daemontest.Run(t.TempDir(), command, "--help")
	if status != exit.OK || stderr != "" {
		t.Fatalf("gorewind %s --help: status %d\n%s", command, status, stderr)
	}
	_, examples, _ := strings.Cut(help, "\nExample")
	for line := range strings.Lines(examples) {
		if line != "\n" && !strings.HasPrefix(line, "  ") && len(lines) > 0 {
			break // flags follow
		}
		if text, ok := strings.CutPrefix(line, "    "); ok {
			lines = append(lines, strings.TrimSpace(text))
		}
	}
	if len(lines) == 0 {
		t.Fatalf("gorewind %s --help has no examples", command)
	}
	return lines
}

// TestHelpExamples pastes the examples of --help into a shell, in the order in which
// somebody new may try the commands.
func TestHelpExamples(t *testing.T) {
	dir := t.TempDir()
	d := daemontest.Start(t, "--in-memory")
	for name, text := range map[string]string{"order.json": "{}\n", "event.json": "{}\n", "transfer.json": `{"groups": [{"stream": "transfer", "expect": "empty", "events": ["1"]}]}`, "access.log": "one\ntwo\nthree\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here := strings.NewReplacer("/backup/gorewind", "backup", "/var/lib/gorewind/data", "restored", "tcp://127.0.0.1:9002", d.Router)
	// Those that do not end, or need what is not here.
	others := []string{"tail -f", "jq", "192.0.2.1", "gorewind serve --curve-key", "--client-key", "wait billing", "delete account/17", "--until"}
	for _, name := range []string{
		"publish", "append", "query", "streams", "commit", "cursor", "wait", "info", "ping", "replace", "delete",
		"export", "import", "backup", "restore", "verify", "repair", "config", "keygen",
	} {
		for _, line := range examplesOf(t, name) {
			if slices.ContainsFunc(others, func(o string) bool { return strings.Contains(line, o) }) {
				continue
			}
			cmd := daemontest.Command(t, "sh", "-ec", here.Replace(line))
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "GOREWIND_CONNECT="+d.Router, "PATH="+filepath.Dir(daemontest.Binary())+":"+os.Getenv("PATH"))
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s", line, err, out)
			}
		}
	}
}
