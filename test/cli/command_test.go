package cli

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"gorewind/test/daemontest"
)

// TestCommandHelp: every client command has examples, and they are of itself.
func TestCommandHelp(t *testing.T) {
	for _, name := range []string{"publish", "query", "follow", "subscribe", "streams", "replace", "delete", "commit", "cursor", "wait", "info", "export", "import", "backup", "restore"} {
		out, errs, status := daemontest.Run(t.TempDir(), name, "--help")
		_, examples, ok := strings.Cut(out, "\nExamples:\n")
		if status != 0 || errs != "" || !ok || !strings.Contains(examples, "    gorewind "+name) {
			t.Errorf("%s: status %d\n%s%s", name, status, out, errs)
		}
		if strings.ContainsAny(out, "“”") { // which is what two quotes of one kind become
			t.Errorf("%s: want quotes that can be typed, have\n%s", name, out)
		}
	}
}

// TestCommandMisuse: what was not asked properly is told in the words of the
// command line, before any daemon is asked.
func TestCommandMisuse(t *testing.T) {
	nowhere := daemontest.Shell{D: &daemontest.Daemon{Router: "tcp://127.0.0.1:1", Pub: "tcp://127.0.0.1:1"}}
	long := strings.Repeat("s", 256)
	for _, c := range []struct {
		want string
		args []string
	}{
		{"STREAM", []string{"publish"}},
		{"STREAM has 256 octets", []string{"publish", long, "data"}},
		{"leave DATA out", []string{"publish", "s", "data", "--lines"}},
		{"it may have 40", []string{"publish", "s", "--lines", "--key", strings.Repeat("k", 41)}},
		{"it may have 64", []string{"publish", "s", "data", "--key", strings.Repeat("k", 65)}},
		{"or the word empty", []string{"publish", "s", "data", "--expect", "none"}},
		{"--prefix for all", []string{"query"}},
		{"--prefix and --glob", []string{"query", "s", "--prefix", "--glob"}},
		{"--also means nothing", []string{"query", "s", "--also", "g"}},
		{"--also has 0 octets", []string{"query", "s", "--glob", "--also", ""}},
		{"--separator means nothing", []string{"query", "s", "--prefix", "--separator", "."}},
		{"--separator has 2 octets", []string{"query", "s", "--glob", "--separator", ".."}},
		{"leave one of them out", []string{"query", "s", "--consumer", "c", "--after", "0"}},
		{"gorewind info", []string{"query", "s", "--store", "x"}},
		{`"17x" is no id`, []string{"query", "s", "--after", "17x"}},
		{`"tomorrow" is no time`, []string{"query", "s", "--since", "tomorrow"}},
		{"--json and --raw", []string{"query", "s", "--json", "--raw"}},
		{"--color", []string{"query", "s", "--color", "red"}},
		{"--commit for whom", []string{"follow", "s", "--commit"}},
		{"leave the others out", []string{"follow", "s", "--new", "--after", "1"}},
		{"PREFIX has 256 octets", []string{"subscribe", long}},
		{"PREFIX has 256 octets", []string{"streams", long}},
		{"--after has 256 octets", []string{"streams", "--after", long}},
		{"which id? Give ID; see gorewind replace --help", []string{"replace", "s"}},
		{"which stream? Give STREAM; see gorewind cursor --help", []string{"cursor", "mailer"}},
		{"which stream? Give STREAM ID; see gorewind wait --help", []string{"wait", "mailer"}},
		{"which consumer? Give CONSUMER", []string{"commit"}},
		{"which id? Give ID; see gorewind commit --help", []string{"commit", "mailer", "s"}},
		{"which directory? Give DIR; see gorewind backup --help", []string{"backup"}},
		{"which file? Give FILE; see gorewind import --help", []string{"import"}},
		{"--limit is -1; it cannot be less than 0", []string{"query", "s", "--limit", "-1"}},
		{"--limit is -1; it cannot be less than 0", []string{"query", "s", "--limit=-1"}},
		{"--after is -1; it cannot be less than 0", []string{"query", "s", "--after", "-1"}},
		{"--key needs a value, and --lines looks like a flag; if it is the value, write --key=--lines\n", []string{"publish", "s", "--key", "--lines"}},
		{`--limit: "64k" is no whole number in digits alone, such as 100; see gorewind query --help`, []string{"query", "s", "--limit", "64k"}},
		{`--timeout: "1" is no time with its unit, such as 5s or 1m30s; see gorewind wait --help`, []string{"wait", "c", "s", "1", "--timeout", "1"}},
		{`--timeout: "soon" is no time with its unit, such as 5s`, []string{"wait", "c", "s", "1", "--timeout", "soon"}},
		{`--patience: "1 h" is no time with its unit, such as 5s`, []string{"ping", "--patience", "1 h"}},
		{"--yes", []string{"delete", "s"}},
		{"--rewind it removes", []string{"commit", "c", "s", "0"}},
		{"CONSUMER", []string{"commit", "", "s", "1"}},
		{"CONSUMER", []string{"cursor", "", "s"}},
		{"--timeout", []string{"wait", "c", "s", "1", "--timeout", "-1s"}},
	} {
		nowhere.Refuse(t, 2, c.want, c.args...)
	}
}

// TestCommandWithoutDaemon: each command says so, and what to do.
func TestCommandWithoutDaemon(t *testing.T) {
	nowhere := daemontest.Shell{D: &daemontest.Daemon{Router: "tcp://127.0.0.1:1", Pub: "tcp://127.0.0.1:1"}}
	for _, args := range [][]string{
		{"publish", "s", "data"}, {"publish", "s", "--lines"}, {"query", "s"}, {"follow", "s"}, {"streams"},
		{"replace", "s", "1", "data"}, {"delete", "s", "--yes"}, {"commit", "c", "s", "1"}, {"cursor", "c", "s"},
		{"wait", "c", "s", "1"}, {"info"}, {"ping"}, {"export"}, {"import", "f"}, {"backup", "b"},
	} {
		nowhere.Refuse(t, 1, "give its endpoint with --connect", append(args, "--patience", "20ms")...)
	}
	nowhere.Refuse(t, 1, "give its endpoint with --subscribe", "subscribe", "--patience", "20ms")
}

// TestCommandWaitsForDaemon: a person is told before --patience is over.
func TestCommandWaitsForDaemon(t *testing.T) {
	nowhere := &daemontest.Daemon{Router: "tcp://127.0.0.1:1"}
	p := daemontest.NewTerminal(t, nowhere.Command(t, "ping", "--patience", "1m"))
	p.Await("no answer from tcp://127.0.0.1:1 yet; trying for 1m0s (--patience)\n")
	p.Type("\x03")
	if seen, status := p.End(); status != 1 || strings.Count(seen, "yet") != 1 {
		t.Errorf("status %d\n%s", status, seen)
	}
}

// TestCommandPatience: a daemon that stops to answer does not hold a command for
// ever, and of a write nobody knows then what came of it.
func TestCommandPatience(t *testing.T) {
	d := daemontest.Start(t, "--in-memory")
	in, lines, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	cmd := d.Command(t, "publish", "s", "--lines", "--patience", "300ms")
	cmd.Stdin = in
	l := daemontest.StartClient(t, cmd)
	fmt.Fprintln(lines, "one")
	p := daemontest.Dial(t, d.Router)
	daemontest.Await(t, func() bool { return len(p.Events("s", 0)) == 1 }, func() string { return "want an event" })
	d.Cmd.Process.Signal(syscall.SIGSTOP)
	defer d.Cmd.Process.Signal(syscall.SIGCONT)
	fmt.Fprintln(lines, "two")
	_, status := l.End()
	if status != 5 || !strings.Contains(l.Errors(), "nobody knows") || !strings.Contains(l.Errors(), "lines 2 to 2") {
		t.Errorf("want status 5, have %d\n%s", status, l.Errors())
	}
}
