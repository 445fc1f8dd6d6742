package cli

import (
	"strings"
	"testing"

	"gorewind/internal/exit"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

func TestCommitAndCursor(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	none := daemontest.Shell{D: d}
	daemontest.Shell{D: d, Stdin: "a\nb\nc"}.Want(t, "1\t3\n", "publish", "s", "--lines")
	none.Want(t, "0\n", "cursor", "mailer", "s")
	none.Want(t, "2\n", "commit", "mailer", "s", "0x2")
	none.Want(t, "2\n", "cursor", "mailer", "s")
	none.Want(t, "0\n", "cursor", "mailer", "")
	none.Refuse(t, 3, "the cursor is already at 2; to move it back, add --rewind", "commit", "mailer", "s", "1")
	none.Want(t, "1\n", "commit", "mailer", "s", "1", "--rewind")
	none.Refuse(t, 1, `the stream "s" has no event with id 4`, "commit", "mailer", "s", "4")
	none.Refuse(t, 1, "the position 999 is after the last one", "commit", "mailer", "", "999")
	none.Want(t, "3\n", "commit", "mailer", "", "3")
	none.Want(t, "3\n", "cursor", "mailer", "")
	none.Want(t, "0\n", "commit", "mailer", "s", "0", "--rewind")
	none.Want(t, "0\n", "cursor", "mailer", "s")
}

// TestWait: it ends when the consumer has come so far, or with a status of its own.
func TestWait(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	none := daemontest.Shell{D: d}
	none.Want(t, "1\n", "publish", "s", "a")
	none.Refuse(t, 4, `the consumer "mailer" has not committed 1 within 10ms`, "wait", "mailer", "s", "1", "--timeout", "10ms")
	none.Want(t, "0\n", "wait", "mailer", "s", "0")
	l := daemontest.StartClient(t, d.Command(t, "wait", "mailer", "s", "1", "--timeout", "1m"))
	p := daemontest.Dial(t, d.Router)
	p.Ask(wire.Commit{Consumer: []byte("mailer"), Stream: []byte("s"), ID: 1})
	if rest, status := l.End(); rest != "1\n" || status != 0 {
		t.Errorf("have %q, status %d\n%s", rest, status, l.Errors())
	}
	none.Want(t, "1\n", "wait", "mailer", "s", "1", "--timeout", "1m")
	endpoint, asked := silent(t)
	l = daemontest.StartClient(t, (&daemontest.Daemon{Router: endpoint}).Command(t, "wait", "mailer", "s", "2"))
	<-asked
	if _, status := l.Stop(interrupt); status != exit.Interrupted || !strings.Contains(l.Errors(), "stopped by a signal") {
		t.Errorf("status %d\n%s", status, l.Errors())
	}
}
