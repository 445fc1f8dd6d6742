package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gorewind/internal/exit"
	"gorewind/test/daemontest"
)

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
	t.Parallel()
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
				"gorewind veri":                          "gorewind verify",
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
