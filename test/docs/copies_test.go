package docs

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"gorewind/test/daemontest"
	"gorewind/wire"
)

// TestBackupCommands runs the commands of docs/backup.md, and then that of
// docs/operations.md, as they stand.
func TestBackupCommands(t *testing.T) {
	s := newSession(t)
	s.here("") // has the daemon begin
	p := daemontest.Dial(t, s.d.Router)
	for _, stream := range []string{"greetings", "account/1", "account/1", "other"} {
		p.Ask(wire.Publish{Stream: []byte(stream), Data: []byte("Hello, world!")})
	}
	for _, doc := range []string{"docs/backup.md", "docs/operations.md"} {
		for _, b := range blocksOf(t, doc) {
			if b.note == "run by TestBackupCommands" {
				s.succeeds(b, "sh", "-ec", b.text)
			}
		}
	}
	if have := p.Events("account/1", 0); len(have) != 4 {
		t.Errorf("want the events appended once more, have %q", have)
	}
	for name, events := range map[string]int{"restored": 4, "everything": 4, "some": 3} {
		if out := daemontest.Succeed(t, "verify", "--data-dir", filepath.Join(s.dir, name)); !strings.Contains(out, fmt.Sprint(events, " events")) {
			t.Errorf("%s: want %d events, have %s", name, events, out)
		}
	}
}
