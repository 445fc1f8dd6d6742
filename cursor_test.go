package main

import (
	"strings"
	"testing"

	"gorewind/wire"
)

func TestCommitAndCursor(t *testing.T) {
	d := start(t, "--in-memory")
	none := shell{d: d}
	shell{d, "a\nb\nc"}.want(t, "1\t3\n", "publish", "s", "--lines")
	none.want(t, "0\n", "cursor", "mailer", "s")
	none.want(t, "2\n", "commit", "mailer", "s", "0x2")
	none.want(t, "2\n", "cursor", "mailer", "s")
	none.want(t, "0\n", "cursor", "mailer", "")
	none.refuse(t, 3, "the cursor is at 2 already; to go back, give --rewind", "commit", "mailer", "s", "1")
	none.want(t, "1\n", "commit", "mailer", "s", "1", "--rewind")
	none.refuse(t, 1, `the stream "s" has no id 4`, "commit", "mailer", "s", "4")
	none.refuse(t, 1, "the position 999 is beyond the last", "commit", "mailer", "", "999")
	none.want(t, "3\n", "commit", "mailer", "", "3")
	none.want(t, "3\n", "cursor", "mailer", "")
	none.want(t, "0\n", "commit", "mailer", "s", "0", "--rewind")
	none.want(t, "0\n", "cursor", "mailer", "s")
}

// TestWait: it ends when the consumer has come so far, or with a status of its own.
func TestWait(t *testing.T) {
	d := start(t, "--in-memory")
	none := shell{d: d}
	none.want(t, "1\n", "publish", "s", "a")
	none.refuse(t, 4, `the consumer "mailer" has not committed 1 in 10ms`, "wait", "mailer", "s", "1", "--timeout", "10ms")
	none.want(t, "0\n", "wait", "mailer", "s", "0")
	l := startClient(t, d.client(t, "wait", "mailer", "s", "1", "--timeout", "1m"))
	p := dial(t, d.router)
	p.ask(wire.Commit{Consumer: []byte("mailer"), Stream: []byte("s"), ID: 1})
	if rest, status := l.end(); rest != "1\n" || status != 0 {
		t.Errorf("have %q, status %d\n%s", rest, status, l.said())
	}
	none.want(t, "1\n", "wait", "mailer", "s", "1", "--timeout", "1m")
	endpoint, asked := silent(t)
	l = startClient(t, (&daemon{router: endpoint}).client(t, "wait", "mailer", "s", "2"))
	<-asked
	if _, status := l.stop(interrupt); status != 1 || !strings.Contains(l.said(), "stopped by a signal") {
		t.Errorf("status %d\n%s", status, l.said())
	}
}
