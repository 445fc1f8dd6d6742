package docs

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gorewind/internal/keyfile"
	"gorewind/test/daemontest"
)

// TestReadmeSecurity runs the commands of README.rst, in order, as they are.
func TestReadmeSecurity(t *testing.T) {
	dir := t.TempDir()
	run := func(script string) (string, error) {
		cmd := daemontest.Command(t, "sh", "-ec", script)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(daemontest.Binary())+":"+os.Getenv("PATH"))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run(indented(t, "for the daemon and one for each client::")); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rules := indented(t, "into ``clients.toml``::")
	public, err := keyfile.ReadPublic(filepath.Join(dir, "billing.key"))
	if err != nil {
		t.Fatal(err)
	}
	const placeholder = "the key that keygen printed"
	if !strings.Contains(rules, placeholder) {
		t.Fatalf("want %q in\n%s", placeholder, rules)
	}
	if err := os.WriteFile(filepath.Join(dir, "clients.toml"), []byte(strings.ReplaceAll(rules, placeholder, public)), 0o644); err != nil {
		t.Fatal(err)
	}
	serve := strings.Fields(indented(t, "Then start the daemon::"))
	cmd := exec.Command(daemontest.Binary(), append(serve[1:], "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*")...)
	d := daemontest.StartIn(t, cmd, dir)
	out, err := run(strings.TrimSpace(indented(t, "and ask it for an answer::")) + " --connect " + d.Router)
	if err != nil || !strings.Contains(out, "answers") {
		t.Errorf("%v\n%s", err, out)
	}
}
