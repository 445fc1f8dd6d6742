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

// TestSecurityCommands runs the commands of docs/security.md, in order, as they are.
func TestSecurityCommands(t *testing.T) {
	dir := t.TempDir()
	var d *daemontest.Daemon
	for _, b := range blocksOf(t, "docs/security.md") {
		switch {
		case b.note != "run by TestSecurityCommands":
		case b.lang == "toml":
			allow(t, dir, b)
		case strings.HasPrefix(b.text, "gorewind serve "):
			serve := strings.Fields(b.text)
			cmd := exec.Command(daemontest.Binary(), append(serve[1:], "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*")...)
			d = daemontest.StartIn(t, cmd, dir)
		default:
			cmd := daemontest.Command(t, "sh", "-ec", b.text)
			cmd.Dir = dir
			cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(daemontest.Binary())+":"+os.Getenv("PATH"))
			if d != nil {
				cmd.Env = append(cmd.Env, "GOREWIND_CONNECT="+d.Router)
			}
			out, err := cmd.CombinedOutput()
			if err != nil || d != nil && !strings.Contains(string(out), "answered") {
				t.Errorf("%s:%d: %v\n%s\n%s", b.doc, b.line, err, b.text, out)
			}
		}
	}
	if d == nil {
		t.Error("docs/security.md starts no daemon")
	}
}

// allow writes the rules of a document with a client's key in them.
func allow(t *testing.T, dir string, b block) {
	t.Helper()
	public, err := keyfile.ReadPublic(filepath.Join(dir, "billing.key"))
	if err != nil {
		t.Fatal(err)
	}
	const placeholder = "the key that keygen printed"
	if !strings.Contains(b.text, placeholder) {
		t.Fatalf("want %q in\n%s", placeholder, b.text)
	}
	if err := os.WriteFile(filepath.Join(dir, "clients.toml"), []byte(strings.ReplaceAll(b.text, placeholder, public)), 0o644); err != nil {
		t.Fatal(err)
	}
}
