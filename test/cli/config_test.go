package cli

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"gorewind/internal/config"
	"gorewind/internal/exit"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// writeConfig returns the path of a file with this text.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "gorewind.toml")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// shown returns what gorewind config tells, by the names of flags.
func shown(t *testing.T, args ...string) map[string]config.Setting {
	t.Helper()
	stdout, stderr, status := daemontest.Run(t.TempDir(), append([]string{"config", "--json"}, args...)...)
	if status != exit.OK || stderr != "" {
		t.Fatalf("%q: status %d\n%s", args, status, stderr)
	}
	var told config.InForce
	if err := json.Unmarshal([]byte(stdout), &told); err != nil {
		t.Fatal(err)
	}
	found := make(map[string]config.Setting)
	for _, s := range told.Values {
		found[s.Name] = s
	}
	return found
}

// TestPrecedence: a flag goes before the environment, that before the file, and
// that before the default, whatever the others say.
func TestPrecedence(t *testing.T) {
	text := "in-memory = true\n\n# a list\nrouter = [\n  \"tcp://127.0.0.1:1\", 'ipc://a,b\\',\n]\nlog-level = \"debug\""
	file := writeConfig(t, text)
	list := func(elements ...any) []any { return elements }
	type given struct {
		args, env []string
		values    [3]any
		where     [3]string
	}
	names := [3]string{"in-memory", "router", "log-level"}
	sources := []given{
		config.OnCommandLine: {
			args:   []string{"--in-memory=true", "--router", "tcp://127.0.0.1:3", "--router", "ipc://c,ipc://d", "--log-level", "error"},
			values: [3]any{true, list("tcp://127.0.0.1:3", "ipc://c", "ipc://d"), "error"},
			where:  [3]string{"--in-memory", "--router", "--log-level"},
		},
		config.InEnvironment: {
			env:    []string{"GOREWIND_IN_MEMORY", "false", "GOREWIND_ROUTER", "tcp://127.0.0.1:2,ipc://e", "GOREWIND_LOG_LEVEL", "warn"},
			values: [3]any{false, list("tcp://127.0.0.1:2", "ipc://e"), "warn"},
			where:  [3]string{"GOREWIND_IN_MEMORY", "GOREWIND_ROUTER", "GOREWIND_LOG_LEVEL"},
		},
		config.InFile: {
			args:   []string{"--config", file},
			values: [3]any{true, list("tcp://127.0.0.1:1", `ipc://a,b\`), "debug"},
			where:  [3]string{file + ":1", file + ":4", file + ":7"},
		},
		config.ByDefault: {
			values: [3]any{false, list("tcp://127.0.0.1:9002"), "info"},
			where:  [3]string{"default", "default", "default"},
		},
	}
	for set := range 1 << len(sources) {
		if set&1 == 0 {
			continue // there is always a default
		}
		t.Run("", func(t *testing.T) {
			args := []string{"serve"}
			var winner config.Origin
			for o, s := range sources {
				if set&(1<<o) == 0 {
					continue
				}
				winner = config.Origin(o)
				args = append(args, s.args...)
				for i := 0; i < len(s.env); i += 2 {
					t.Setenv(s.env[i], s.env[i+1])
				}
			}
			have := shown(t, args...)
			for i, name := range names {
				want := config.Setting{Name: name, Value: sources[winner].values[i], Source: winner.String(), Where: sources[winner].where[i]}
				if !reflect.DeepEqual(have[name], want) {
					t.Errorf("%q: want %v, have %v", args, want, have[name])
				}
			}
		})
	}
}

// TestConfigServes: what the file says is done, also if the environment names it.
func TestConfigServes(t *testing.T) {
	t.Setenv("GOREWIND_CONFIG", writeConfig(t, `
in-memory = true
max-event-bytes = 10
log-format = "json"
accuracy-of-other-commands-is-theirs = 1
`))
	if _, stderr, status := daemontest.Run(t.TempDir(), "serve"); status != exit.Usage || !strings.Contains(stderr, `gorewind.toml:5: unknown key "accuracy-of`) {
		t.Errorf("status %d\n%s", status, stderr)
	}
	t.Setenv("GOREWIND_CONFIG", writeConfig(t, "in-memory = true\nmax-event-bytes = 10\nlog-format = \"json\"\nevents = \"bench's, and wrong\"\n"))
	d := daemontest.Start(t)
	reply := daemontest.Dial(t, d.Router).Ask(wire.Publish{Stream: []byte("s"), Data: make([]byte, 11)})
	if e, ok := reply.(*wire.Error); !ok || e.Code != wire.TooLarge {
		t.Error(reply)
	}
	if !strings.Contains(d.Log(), `"msg":"serving"`) {
		t.Error(d.Log())
	}
}

// TestConfigBlamesTheEnvironment: whose value is refused did not type it.
func TestConfigBlamesTheEnvironment(t *testing.T) {
	t.Setenv("GOREWIND_MAX_EVENT_BYTES", "0")
	if _, stderr, status := daemontest.Run(t.TempDir(), "serve"); status != exit.Usage || !strings.Contains(stderr, "see GOREWIND_MAX_EVENT_BYTES") {
		t.Errorf("status %d\n%s", status, stderr)
	}
	t.Setenv("GOREWIND_MAX_EVENT_BYTES", "many")
	if _, stderr, status := daemontest.Run(t.TempDir(), "serve"); status != exit.Usage || strings.Count(stderr, "GOREWIND_MAX_EVENT_BYTES") != 1 {
		t.Errorf("status %d\n%s", status, stderr)
	}
}

// TestConfigRoundTrip: what config prints of a command is a file with which that
// command does the same.
func TestConfigRoundTrip(t *testing.T) {
	t.Parallel()
	odd := map[string][]string{
		"serve": {"--router", `ipc://it's,ipc://"b\`, "--pub", "tcp://127.0.0.1:*", "--data-dir", "a\\b c'd\"\te\n#", "--max-event-bytes", "7", "--profile", "é"},
		"ping":  {"--timeout", "1m30s", "--connect", "inproc://1,2"},
		"bench": {"--events", "20", "--only", "single,pipelined", "--json"},
	}
	for _, command := range commandsOf(t) {
		args := append([]string{command}, odd[command]...)
		stdout, stderr, status := daemontest.Run(t.TempDir(), append([]string{"config"}, args...)...)
		if status != exit.OK || stderr != "" {
			t.Errorf("%s: status %d\n%s", command, status, stderr)
			continue
		}
		file := writeConfig(t, stdout)
		want, have := shown(t, args...), shown(t, command, "--config", file)
		for name, w := range want {
			h := have[name]
			if name == config.FileFlag {
				continue
			}
			if path, ok := h.Value.(string); ok { // relative paths go by the directory of the file
				h.Value = strings.TrimPrefix(path, filepath.Dir(file)+"/")
			}
			if !reflect.DeepEqual(w.Value, h.Value) || w.Value != nil && !strings.HasPrefix(h.Where, file+":") {
				t.Errorf("%s: want %v again, have %v\n%s", command, w, h, stdout)
			}
		}
	}
}

// commandsOf returns the names of all commands that users see.
func commandsOf(t *testing.T) (names []string) {
	t.Helper()
	out, stderr, status := daemontest.Run(t.TempDir(), "complete", "")
	if status != exit.OK || stderr != "" {
		t.Fatalf("status %d\n%s", status, stderr)
	}
	for _, line := range strings.Split(strings.TrimSpace(out), "\n")[1:] {
		name, _, _ := strings.Cut(line, "\t")
		names = append(names, name)
	}
	return names
}

func TestConfigPrints(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "g.toml"), []byte("log-level = 'warn'"), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("GOREWIND_IN_MEMORY", "1")
	t.Setenv("GOREWIND_SERVICE_HOST", "10.0.0.1")
	t.Setenv("GOREWIND_DATADIR", "x")
	const want = `# The values in force for gorewind verify, and where each comes from.
# config  = 'g.toml'  # --config
# context =           # default
data-dir  = 'x'       # --data-dir
all       = false     # default
`
	stdout, stderr, status := daemontest.Run(dir, "config", "--config", "g.toml", "verify", "--data-dir", "x")
	if status != exit.OK || stdout != want {
		t.Errorf("status %d, want\n%shave\n%s", status, want, stdout)
	}
	for _, told := range []string{"environment variable GOREWIND_SERVICE_HOST ignored", "environment variable GOREWIND_DATADIR ignored; did you mean GOREWIND_DATA_DIR?"} {
		if strings.Count(stderr, told) != 1 {
			t.Errorf("want %q, have\n%s", told, stderr)
		}
	}
	for _, args := range [][]string{{"config"}, {"config", "--config", "g.toml"}, {"config", "--", "serve"}, {"config", "--log-level", "warn"}} {
		stdout, _, status := daemontest.Run(dir, args...)
		if status != exit.OK || !strings.Contains(stdout, "gorewind serve,") || !strings.Contains(stdout, "in-memory       = true ") {
			t.Errorf("%q: status %d\n%s", args, status, stdout)
		}
	}
	d := daemontest.Start(t, "--config", filepath.Join(dir, "g.toml"), "--log-level", "info")
	if log := d.Log(); !strings.Contains(log, "variable=GOREWIND_DATADIR nearest=GOREWIND_DATA_DIR") {
		t.Errorf("want a warning, have\n%s", log)
	}
}

// TestInMemoryBesideADirectory: what looks as if events were kept keeps them.
func TestInMemoryBesideADirectory(t *testing.T) {
	t.Parallel()
	inMemory, dataDir := writeConfig(t, "in-memory = true"), writeConfig(t, "data-dir = 'x'")
	both := writeConfig(t, "in-memory = true\ndata-dir = 'x'")
	for _, c := range []struct {
		args   []string
		status int
	}{
		{[]string{"--in-memory", "--data-dir", "x"}, exit.Usage},
		{[]string{"--config", inMemory, "--data-dir", "x"}, exit.Usage},
		{[]string{"--config", both}, exit.Usage},
		{[]string{"--config", dataDir, "--in-memory"}, exit.OK},
		{[]string{"--config", inMemory, "--in-memory=false", "--data-dir", "x"}, exit.OK},
	} {
		_, stderr, status := daemontest.Run(t.TempDir(), append([]string{"config", "serve"}, c.args...)...)
		if status != c.status || status == exit.Usage && !strings.Contains(stderr, "--in-memory does not use --data-dir") {
			t.Errorf("%q: want status %d, have %d\n%s", c.args, c.status, status, stderr)
		}
	}
}

// TestTimeoutUnderItsOldName: --patience, its variable and its key still set the timeout.
func TestTimeoutUnderItsOldName(t *testing.T) {
	for name, how := range map[string]struct{ variable, file, flag string }{
		"flag":            {flag: "--patience=3s"},
		"variable":        {variable: "GOREWIND_PATIENCE"},
		"key":             {file: "patience = '3s'"},
		"newer key first": {file: "patience = '9s'\ntimeout = '3s'"},
	} {
		for _, command := range []string{"ping", "subscribe", "wait"} {
			t.Run(name+" of "+command, func(t *testing.T) {
				args := []string{command, "--config", writeConfig(t, how.file)}
				if how.variable != "" {
					t.Setenv(how.variable, "3s")
				}
				if how.flag != "" {
					args = append(args, how.flag)
				}
				if have := shown(t, args...)["timeout"].Value; have != "3s" {
					t.Errorf("want 3s, have %v", have)
				}
			})
		}
	}
}
