package docs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gorewind/test/daemontest"
	"gorewind/wire"
)

// TestReadmeCopies runs the commands of README.rst as they stand.
func TestReadmeCopies(t *testing.T) {
	dir := t.TempDir()
	d := daemontest.Start(t, "--data-dir", filepath.Join(dir, "data"))
	p := daemontest.Dial(t, d.Router)
	for _, stream := range []string{"greetings", "account/1", "account/1", "other"} {
		p.Ask(wire.Publish{Stream: []byte(stream), Data: []byte("Hello, world!")})
	}
	t.Setenv("GOREWIND_CONNECT", d.Router)
	t.Setenv("PATH", filepath.Dir(daemontest.Binary())+":"+os.Getenv("PATH"))
	for _, introduction := range []string{"copies its store into a directory::", "and serve that::", "(``--after``)::", "interrupted and repeated::"} {
		cmd := daemontest.Command(t, "sh", "-ec", indented(t, introduction))
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s\n%s: %v\n%s", introduction, cmd.Args[2], err, out)
		}
	}
	if have := p.Events("account/1", 0); len(have) != 4 {
		t.Errorf("want the events appended once more, have %q", have)
	}
	for name, events := range map[string]int{"restored": 4, "everything": 4, "some": 3} {
		if out := daemontest.Succeed(t, "verify", "--data-dir", filepath.Join(dir, name)); !strings.Contains(out, fmt.Sprint(events, " events")) {
			t.Errorf("%s: want %d events, have %s", name, events, out)
		}
	}
}
