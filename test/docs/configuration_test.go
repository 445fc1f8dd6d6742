package docs

import (
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

const configuration = "docs/configuration.md"

// An option is what the help and the document say of a flag.
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

func TestOptions(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `--([a-z-]+)` \\| `(\\w+)` \\| `([^`]+)` \\|")
	have := make(map[string]option)
	for _, m := range row.FindAllStringSubmatch(read(t, configuration), -1) {
		have[m[1]] = option{env: m[2], byDefault: m[3]}
	}
	want := helpOptions(t)
	if len(want) == 0 {
		t.Error("want options in the help, have none")
	}
	for name, o := range want {
		if have[name] != o {
			t.Errorf("--%s: want %v in %s, have %v", name, o, configuration, have[name])
		}
		delete(have, name)
	}
	for name := range have {
		t.Errorf("want only flags that there are in %s, have --%s", configuration, name)
	}
}

// TestConfigurationFile holds the file in the document to what gorewind serve takes.
func TestConfigurationFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gorewind.toml")
	b := blockNoted(t, configuration, "run by TestConfigurationFile")
	if err := os.WriteFile(file, []byte(b.text), 0o644); err != nil {
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

// TestStatuses keeps the statuses of docs/cli.md and of the help the same.
func TestStatuses(t *testing.T) {
	help, _, _ := daemontest.Run(t.TempDir(), "--help")
	for _, status := range []int{exit.OK, exit.Failure, exit.Usage, exit.Unmet, exit.Timeout, exit.Unknown, exit.Damaged} {
		if !strings.Contains(read(t, "docs/cli.md"), fmt.Sprintf("\n| %d |", status)) {
			t.Errorf("want the status %d in docs/cli.md", status)
		}
		if !regexp.MustCompile(fmt.Sprintf(`\s%d:\s+\w`, status)).MatchString(help) {
			t.Errorf("want the status %d in the help, have\n%s", status, help)
		}
	}
}
