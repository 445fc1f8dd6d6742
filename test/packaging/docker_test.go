package packaging

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"gorewind/internal/exit"
	"gorewind/test/daemontest"
)

// TestDockerfile runs what the image would run, since not everybody who changes it
// has Docker: with its environment, save that ports are free ones, it serves, its
// health check tells whether, and it stops.
func TestDockerfile(t *testing.T) {
	file, err := os.ReadFile("packaging/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	find := func(text []byte, pattern string) string {
		m := regexp.MustCompile(`(?m)` + pattern).FindSubmatch(text)
		if m == nil {
			t.Fatalf("want %s, have it not", pattern)
		}
		return string(m[1])
	}
	words := func(pattern string) (args []string) {
		if err := json.Unmarshal([]byte(find(file, pattern)), &args); err != nil {
			t.Fatal(pattern, err)
		}
		return args
	}
	module, err := os.ReadFile("go.mod")
	if err != nil {
		t.Fatal(err)
	}
	if have, want := find(file, `^FROM golang:(\S+)-`), find(module, `^go (\d+\.\d+)`); have != want {
		t.Errorf("want Go %s, as in go.mod, have %s", want, have)
	}
	if built, runs := find(file, `^FROM golang:.*-(\w+) AS`), find(file, `^FROM debian:(\w+)`); built != runs {
		t.Errorf("want one release of Debian, for its libraries, have %s and %s", built, runs)
	}

	dir := t.TempDir()
	for _, m := range regexp.MustCompile(`GOREWIND_\w+=\S+`).FindAllString(find(file, `(?s)^ENV (.*?[^\\])$`), -1) {
		name, value, _ := strings.Cut(m, "=")
		if strings.HasPrefix(value, "/") {
			value = dir + value
		}
		t.Setenv(name, regexp.MustCompile(`0\.0\.0\.0:\d+`).ReplaceAllString(value, "127.0.0.1:*"))
	}
	run := words(`^ENTRYPOINT (.*)$`)
	if run[0] != "gorewind" {
		t.Errorf("want gorewind to be run, have %q", run)
	}
	d := daemontest.StartCommand(t, exec.Command(daemontest.Binary(), append(run[1:], words(`^CMD (.*)$`)...)...))
	if _, err := os.Stat(filepath.Join(dir, find(file, `^VOLUME (.*)$`), "data", "db")); err != nil {
		t.Errorf("want the store in the volume: %v", err)
	}
	t.Setenv("GOREWIND_CONNECT", d.Router)
	health := words(`^HEALTHCHECK .* CMD (.*)$`)
	if _, errs, status := daemontest.Run(dir, health[1:]...); health[0] != "gorewind" || status != exit.OK {
		t.Errorf("%q: want status %d while it serves, have %d\n%s", health, exit.OK, status, errs)
	}
	d.Stop(t, syscall.SIGTERM)
	if _, _, status := daemontest.Run(dir, append(health[1:], "--timeout", "100ms")...); status == exit.OK {
		t.Errorf("%q: want another status than %d when it does not serve", health, exit.OK)
	}
}
