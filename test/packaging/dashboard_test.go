package packaging

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"gorewind/test/daemontest"
	"gorewind/wire"
)

// TestDashboard: every metric that the dashboard and the alerts name is there.
func TestDashboard(t *testing.T) {
	d := daemontest.Start(t, "--http", "127.0.0.1:0")
	p := daemontest.Dial(t, d.Router)
	p.Ask(wire.Publish{Stream: []byte("s"), Data: []byte("x")})
	p.Ask(wire.Commit{Consumer: []byte("worker"), Stream: []byte("s"), ID: 1})
	p.Ask(wire.Commit{Consumer: []byte("worker"), ID: 1})
	there := make(map[string]bool)
	for name := range d.Metrics(t) {
		name, _, _ = strings.Cut(name, "{")
		there[name] = true
	}
	named := regexp.MustCompile(`\b(gorewind|go|process)_[a-z0-9_]+\b`)
	for _, file := range []string{"dashboard.json", "alerts.yml"} {
		text, err := os.ReadFile(filepath.Join("packaging", file))
		if err != nil {
			t.Fatal(err)
		}
		names := named.FindAllString(string(text), -1)
		if len(names) == 0 {
			t.Errorf("%s names no metric", file)
		}
		for _, name := range names {
			if !there[name] {
				t.Errorf("%s names %s, which is not there", file, name)
			}
		}
	}
}
