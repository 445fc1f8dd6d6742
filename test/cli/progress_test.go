package cli

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gorewind/internal/exit"
	"gorewind/test/daemontest"
)

// TestProgress: on a terminal long work shows how far it has come, and at the end
// nothing of that is left. Elsewhere there is never anything of it.
func TestProgress(t *testing.T) {
	t.Parallel()
	lines := strings.Join(numbered(1, 5000), "\n") + "\n"
	for _, c := range []struct {
		columns int
		term    string
	}{{0, "xterm"}, {40, "xterm"}, {80, "xterm"}, {200, "xterm"}, {80, "dumb"}} {
		name := fmt.Sprintf("%d columns, %s", c.columns, c.term)
		d, dir := daemontest.Start(t), t.TempDir()
		run := func(shows, begins string, args ...string) {
			t.Helper()
			cmd := d.Command(t, args...)
			cmd.Dir = dir
			cmd.Env = append(cmd.Env, "TERM="+c.term, "NO_COLOR=1")
			if args[0] == "publish" {
				in, out, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer in.Close()
				if _, err := io.WriteString(out, lines); err != nil {
					t.Fatal(err)
				}
				out.Close()
				cmd.Stdin = in
			}
			p := daemontest.NewTerminalOf(t, c.columns, cmd)
			_, status := p.End()
			written := p.Written()
			bar := strings.Contains(written, "% [") || strings.Contains(written, "storing (")
			if status != 0 || !bar || !strings.Contains(written, shows) || c.term == "dumb" && strings.Contains(written, "\x1b") {
				t.Errorf("%s: %q: status %d, %q", name, args, status, written)
			}
			if left := daemontest.LeftOn(t, c.columns, written); !strings.HasPrefix(left, begins) || strings.Contains(left, "[") || strings.Contains(left, "storing") {
				t.Errorf("%s: %q: there is left\n%s", name, args, left)
			}
		}
		run("storing", "1\t5000", "publish", name, "--lines")
		run("exporting ", "exported: ", "export", "日本語\x1b[31m\u202e.jsonl")
		run("importing", "read: ", "import", "日本語\x1b[31m\u202e.jsonl", "--data-dir", "imported")
		run("appending", "appended: ", "import", "日本語\x1b[31m\u202e.jsonl")
		run("backing up", "added: ", "backup", "copy")
		run("verifying", "read: ", "backup", "--verify", "copy")
		run("restoring", "read: ", "restore", "copy", "--data-dir", "restored")
		run("verifying", "read: ", "verify", "--data-dir", "restored")
		run("restored:", "intact: ", "repair", "--data-dir", "restored")
		run("run 1", "gorewind ", "bench", "--connect", d.Router, "--only", "clients", "--events", "100", "--runs", "1")
		if _, errs, status := (daemontest.Shell{D: d, Stdin: lines}).Run(t, "publish", "in a pipe", "--lines"); errs != "" || status != 0 {
			t.Errorf("in a pipe: status %d, %q", status, errs)
		}
		if out, errs, status := daemontest.Run(dir, "verify", "--data-dir", "restored"); errs != "" || status != 0 || strings.ContainsAny(out, "\r\x1b") {
			t.Errorf("in a pipe: status %d, %q, %q", status, out, errs)
		}
	}
}

// TestProgressOfQuery: who sends events into a file sees how many there are so far.
func TestProgressOfQuery(t *testing.T) {
	d := daemontest.Start(t, "--in-memory")
	daemontest.Shell{D: d, Stdin: strings.Join(numbered(1, 5000), "\n")}.Want(t, "1\t5000\n", "publish", "s", "--lines")
	for redirected, shows := range map[string]bool{"> out": true, "--limit 4000 > out": true, "| cat > out": false, "> out 2> errors": false} {
		dir := t.TempDir()
		cmd := daemontest.Command(t, "sh", "-c", fmt.Sprintf(`"$0" query s --raw --connect "$1" %s`, redirected), daemontest.Binary(), d.Router)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "TERM=xterm", "NO_COLOR=1")
		p := daemontest.NewTerminalOf(t, 80, cmd)
		_, status := p.End()
		out, err := os.ReadFile(filepath.Join(dir, "out"))
		if status != 0 || err != nil || strings.Count(string(out), "\n") < 4000 || strings.Contains(p.Written(), "reading") != shows || daemontest.LeftOn(t, 80, p.Written()) != "" {
			t.Errorf("%s: status %d, %v, %q", redirected, status, err, p.Written())
		}
		if errors, _ := os.ReadFile(filepath.Join(dir, "errors")); len(errors) > 0 {
			t.Errorf("%s: have %q", redirected, errors)
		}
	}
}

// TestProgressOfFailure: what failed leaves nothing on a screen but why.
func TestProgressOfFailure(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	daemontest.Shell{D: d, Stdin: strings.Join(numbered(1, 5000), "\n")}.Want(t, "1\t5000\n", "publish", "s", "--lines")
	dir := t.TempDir()
	daemontest.Succeed(t, "export", filepath.Join(dir, "e"), "--connect", d.Router)
	whole, err := os.ReadFile(filepath.Join(dir, "e"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "cut"), whole[:len(whole)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	for _, columns := range []int{40, 300} {
		cmd := exec.Command(daemontest.Binary(), "import", "cut", "--data-dir", "new")
		cmd.Dir = dir
		p := daemontest.NewTerminalOf(t, columns, cmd)
		_, status := p.End()
		left := daemontest.LeftOn(t, columns, p.Written())
		if status != 1 || !strings.Contains(p.Written(), "checking") || !strings.HasPrefix(left, "gorewind: ") || strings.Contains(left, "%") || columns == 300 && strings.Contains(left, "\n") {
			t.Errorf("%d columns: status %d, %q, and there is left\n%s", columns, status, p.Written(), left)
		}
	}
}

// TestProgressInterrupted: Ctrl-C leaves nothing either, although the terminal adds to
// the line.
func TestProgressInterrupted(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	defer out.Close()
	for _, columns := range []int{0, 40, 80, 120} {
		for _, c := range []struct {
			shows, says string
			args        []string
		}{
			{"run 1 of", "gorewind: stopped by a signal before the end; there are no results", []string{"bench", "--connect", d.Router, "--only", "pipelined", "--runs", "1000"}},
			{"storing", "gorewind: stopped by a signal; 0 lines stored; continue from line 1, for example with tail -n +1", []string{"publish", "s", "--lines"}},
		} {
			cmd := d.Command(t, c.args...)
			if c.args[0] == "publish" {
				cmd.Stdin = in
			}
			p := daemontest.NewTerminalOf(t, columns, cmd)
			p.Await(c.shows)
			p.Type("\x03")
			_, status := p.End()
			left := daemontest.LeftOn(t, columns, p.Written())
			if status != exit.Interrupted || strings.ReplaceAll(left, "\n", "") != c.says {
				t.Errorf("%q on %d columns: status %d, %q, and there is left\n%s", c.args[0], columns, status, p.Written(), left)
			}
		}
	}
}
