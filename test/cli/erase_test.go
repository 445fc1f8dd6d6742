package cli

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	"gorewind/test/daemontest"
)

func TestReplace(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	none := daemontest.Shell{D: d}
	none.Want(t, "1\n", "publish", "s", "old")
	none.Want(t, "replaced event 1 of \"s\"\n", "replace", "s", "0x1", "new")
	if have := d.Stored(t, "s"); !slices.Equal(have, []string{"new"}) {
		t.Errorf("have %q", have)
	}
	daemontest.Shell{D: d, Stdin: "\x00\xff"}.Want(t, "replaced event 1 of \"s\"\n", "replace", "s", "1")
	if have := d.Stored(t, "s"); !slices.Equal(have, []string{"\x00\xff"}) {
		t.Errorf("have %q", have)
	}
	none.Refuse(t, 1, `the stream "s" has no event with id 2`, "replace", "s", "2", "new")
}

// TestDelete: nothing goes without a yes, and nothing that was not told.
func TestDelete(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	none := daemontest.Shell{D: d}
	left := func(want ...string) {
		t.Helper()
		out, errs, status := none.Run(t, "query", "s", "--raw")
		if have := strings.Fields(out); !slices.Equal(have, want) || status != 0 {
			t.Errorf("want %q, have %q, status %d\n%s", want, have, status, errs)
		}
	}
	daemontest.Shell{D: d, Stdin: "a\nb\nc\nd"}.Want(t, "1\t4\n", "publish", "s", "--lines")
	daemontest.Shell{D: d, Stdin: "y\n"}.Refuse(t, 2, "--yes", "delete", "s")
	for _, c := range []struct {
		typed, want string
		status      int
		args        []string
	}{
		{"\n", `The stream "s" holds 4 events, 1 to 4. Permanently delete all? [y/N]`, 0, nil},
		{"n\n", `Permanently delete event 1? [y/N]`, 0, []string{"--upto", "1"}},
		{"n\n", `nothing was deleted`, 0, nil},
		{"yess\n", `nothing was deleted`, 0, nil},
		{"\x04", `no terminal to ask for confirmation`, 2, nil},
		{"", `the stream "s" has no event with id 9`, 1, []string{"--upto", "9", "--yes"}},
		{"y\n", `conflict:`, 3, []string{"--expect", "3"}},
		{"", `nothing to delete: the stream "s" begins with event 1`, 0, []string{"--upto", "0"}},
	} {
		seen, status := daemontest.OnTerminal(t, d.Command(t, append([]string{"delete", "s"}, c.args...)...), c.typed)
		if status != c.status || !strings.Contains(seen, c.want) {
			t.Errorf("delete %q: want status %d and %q, have %d\n%s", c.args, c.status, c.want, status, seen)
		}
		left("a", "b", "c", "d")
	}
	seen, status := daemontest.OnTerminal(t, d.Command(t, "delete", "s", "--upto", "2"), "y\n")
	if status != 0 || !strings.Contains(seen, "Permanently delete 2 events, 1 to 2?") || !strings.HasSuffix(seen, " deleted 2 events, 1 to 2\n") {
		t.Errorf("status %d\n%s", status, seen)
	}
	left("c", "d")
	none.Want(t, "deleted event 3\n", "delete", "s", "--upto", "3", "--yes", "--expect", "4")
	left("d")
	none.Refuse(t, 3, "nothing was deleted", "delete", "s", "--yes", "--expect", "3")
	none.Want(t, "nothing to delete: the stream \"s\" begins with event 4\n", "delete", "s", "--upto", "3", "--yes")
	none.Want(t, "deleted event 4\n", "delete", "s", "--yes")
	left()
	none.Want(t, "nothing to delete: the stream \"s\" is empty\n", "delete", "s", "--yes")
	none.Want(t, "nothing to delete: the stream \"nosuch\" is empty\n", "delete", "nosuch", "--upto", "1", "--yes")
	seen, status = daemontest.OnTerminal(t, d.Command(t, "delete", "s"), "")
	if status != 0 || !strings.Contains(seen, "is empty") {
		t.Errorf("status %d\n%s", status, seen)
	}
	none.Want(t, "5\n", "publish", "s", "e")
}

// TestDeleteAfterTheQuestion: what came after the question was put does not go.
func TestDeleteAfterTheQuestion(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	none := daemontest.Shell{D: d}
	none.Want(t, "1\n", "publish", "s", "told")
	p := daemontest.NewTerminal(t, d.Command(t, "delete", "s"))
	p.Await("[y/N]")
	none.Want(t, "2\n", "publish", "s", "not told")
	p.Type("y\n")
	seen, status := p.End()
	if status != 3 || !strings.Contains(seen, "nothing was deleted; check the stream") {
		t.Errorf("status %d\n%s", status, seen)
	}
	p = daemontest.NewTerminal(t, d.Command(t, "delete", "s"))
	p.Await("[y/N]")
	p.Type("\x03") // Ctrl-C
	if _, status := p.End(); status != -1 || p.Cmd.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
		t.Errorf("Ctrl-C at the question: %v", p.Cmd.ProcessState)
	}
	if have := d.Stored(t, "s"); len(have) != 2 {
		t.Errorf("have %q", have)
	}
}
