package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gorewind/internal/exit"
	"gorewind/test/daemontest"
)

func TestComplete(t *testing.T) {
	// A file that is wrong must not keep anybody from completing.
	t.Setenv("GOREWIND_CONFIG", "none.toml")
	for _, c := range []struct {
		words string // separated by blanks
		kind  string
		want  []string // some of them
		not   []string
	}{
		{words: "", kind: "words", want: []string{"serve", "completion", "config"}, not: []string{"complete", "--help"}},
		{words: "ver", kind: "words", want: []string{"verify"}, not: []string{"serve"}},
		{words: "-", kind: "words", want: []string{"--help", "--config", "--version"}, not: []string{"--router"}},
		{words: "serve ", kind: "words", want: []string{"--router", "--config"}, not: []string{"--accept-loss"}},
		{words: "--config x serve --da", kind: "words", want: []string{"--data-dir"}, not: []string{"--router"}},
		{words: "serve --router x --pub=y --in-memory --data-dir z -", kind: "words", want: []string{"--router", "--pub", "--log-level"}, not: []string{"--in-memory", "--data-dir"}},
		{words: "serve --log-level ", kind: "words", want: []string{"debug", "warn"}, not: []string{"--log-level"}},
		{words: "serve --log-level=de", kind: "words", want: []string{"--log-level=debug"}, not: []string{"debug", "--log-level=info"}},
		{words: "serve --router ", kind: "words", not: []string{"--pub"}},
		{words: "serve --config ", kind: "files"},
		{words: "--config=", kind: "files"},
		{words: "verify --data-dir x", kind: "directories"},
		{words: "completion ", kind: "words", want: []string{"bash", "fish"}, not: []string{"--help"}},
		{words: "completion --config ser bas", kind: "words", want: []string{"bash"}},
		{words: "config ", kind: "words", want: []string{"serve", "verify"}, not: []string{"--json"}},
		{words: "config --j", kind: "words", want: []string{"--json"}},
		{words: "config --json serve --log-format ", kind: "words", want: []string{"json"}},
		{words: "config serve --j", kind: "words", not: []string{"--json"}},
		{words: "serve -- --lo", kind: "words", not: []string{"--log-level"}},
		{words: "frobnicate ", kind: "words", want: []string{"serve"}},
		{words: "serve --frobnicate --lo", kind: "words", want: []string{"--log-level"}},
	} {
		stdout, stderr, status := daemontest.Run(t.TempDir(), append([]string{"complete"}, strings.Split(c.words, " ")...)...)
		lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
		if status != exit.OK || stderr != "" || lines[0] != c.kind {
			t.Errorf("%q: want %s, have status %d\n%s%s", c.words, c.kind, status, stdout, stderr)
		}
		var have []string
		for _, line := range lines[1:] {
			text, _, ok := strings.Cut(line, "\t")
			if !ok {
				t.Errorf("%q: want a tab in %q", c.words, line)
			}
			have = append(have, text)
		}
		for _, want := range c.want {
			if !slices.Contains(have, want) {
				t.Errorf("%q: want %q among %q", c.words, want, have)
			}
		}
		for _, not := range c.not {
			if slices.Contains(have, not) {
				t.Errorf("%q: want no %q among %q", c.words, not, have)
			}
		}
	}
	if stdout, _, _ := daemontest.Run(t.TempDir(), "complete"); !strings.Contains(stdout, "serve\t") {
		t.Errorf("without a word: have %q", stdout)
	}
}

// shells start each shell with its script, at a terminal, and have it print the
// line that was typed and completed in << >>, and end, at a ^X d. fish tells its
// completions without a terminal.
var shells = map[string]struct{ file, text, run string }{
	"bash": {"bashrc", `bind 'set bell-style none'
source ./_gorewind
show() { printf '<<%s>>\n' "$READLINE_LINE"; exit; }
bind -x '"\C-xd": show'
`, "script -qec 'bash --noprofile --rcfile bashrc -i' /dev/null"},
	"zsh": {".zshrc", `autoload -Uz compinit; compinit -D -u
source ./_gorewind
show() { print -r -- "<<$BUFFER>>"; exit }
zle -N show
bindkey '^Xd' show
`, "ZDOTDIR=. script -qec 'zsh -d -i' /dev/null"},
	"fish": {"fishrc", `source ./_gorewind
read -z keys
set line (string split \t -- $keys)[1]
set found (complete -C $line)
set before (string replace -r '[^ ]*$' '' -- $line)
echo "<<"$before(string split \t -- $found[1])[1]">>"
`, "fish --no-config fishrc"},
}

// TestCompletionScripts types at each shell that is there.
func TestCompletionScripts(t *testing.T) {
	for shell, s := range shells {
		t.Run(shell, func(t *testing.T) {
			for _, program := range []string{shell, "script"} {
				if _, err := exec.LookPath(program); err != nil {
					t.Skip(err)
				}
			}
			dir := t.TempDir()
			script, stderr, status := daemontest.Run(dir, "completion", shell)
			if status != exit.OK {
				t.Fatal(stderr)
			}
			for name, text := range map[string]string{"_gorewind": script, s.file: s.text, "some.toml": "", "folder/x": ""} {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			for typed, want := range map[string]string{
				"gorewind ver":                           "gorewind verify",
				"gorewind serve --max-e":                 "gorewind serve --max-event-bytes",
				"gorewind serve --log-level de":          "gorewind serve --log-level debug",
				"gorewind serve --log-level=de":          "gorewind serve --log-level=debug",
				"gorewind config verify --da":            "gorewind config verify --data-dir",
				"gorewind serve --config so":             "gorewind serve --config some.toml",
				"gorewind serve --config=so":             "gorewind serve --config=some.toml",
				"gorewind serve --data-dir f":            "gorewind serve --data-dir folder/",
				"gorewind serve --data-dir=f":            "gorewind serve --data-dir=folder/",
				"gorewind completion f":                  "gorewind completion fish",
				"gorewind serve --router tcp://a:1 --pr": "gorewind serve --router tcp://a:1 --profile",
			} {
				cmd := daemontest.Command(t, "sh", "-c", s.run)
				cmd.Dir = dir
				cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(daemontest.Binary())+":"+os.Getenv("PATH"), "HOME="+dir, "TERM=dumb")
				cmd.Stdin = strings.NewReader(typed + "\t\x18d")
				out, err := cmd.CombinedOutput()
				_, rest, _ := strings.Cut(string(out), "<<")
				have, _, _ := strings.Cut(rest, ">>")
				if err != nil || strings.TrimSuffix(have, " ") != want {
					t.Errorf("%q: want %q, have %q\n%q %v", typed, want, have, out, err)
				}
			}
		})
	}
}
