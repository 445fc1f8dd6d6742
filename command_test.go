package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A shell is where client commands are run.
type shell struct {
	d     *daemon
	stdin string
}

// client returns a client command that talks to a daemon.
func (d *daemon) client(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, binary(), args...)
	cmd.Dir = t.TempDir()
	cmd.Env = append(os.Environ(), "GOREWIND_CONNECT="+d.router, "GOREWIND_SUBSCRIBE="+d.pub)
	return cmd
}

// ask runs a client command to its end.
func (r shell) ask(t testing.TB, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	cmd := r.d.client(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(r.stdin), &out, &errs
	if err := cmd.Run(); err != nil && !errors.As(err, new(*exec.ExitError)) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// want runs a client command that has to print this and exit with 0.
func (r shell) want(t testing.TB, want string, args ...string) {
	t.Helper()
	if have, errs, status := r.ask(t, args...); have != want || errs != "" || status != 0 {
		t.Errorf("gorewind %q: want %q, have %q, status %d\n%s", args, want, have, status, errs)
	}
}

// refuse runs a client command that has to fail, and to say so in one line.
func (r shell) refuse(t testing.TB, status int, want string, args ...string) {
	t.Helper()
	out, errs, have := r.ask(t, args...)
	if have != status || out != "" || strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "gorewind: ") || !strings.Contains(errs, want) {
		t.Errorf("gorewind %q: want status %d and %q, have %d, stdout %q\n%s", args, status, want, have, out, errs)
	}
}

// A live is a client command that runs.
type live struct {
	t     testing.TB
	cmd   *exec.Cmd
	lines *bufio.Reader // of its standard output
	pipe  *os.File      // from which they are read

	mu   sync.Mutex // protects errs
	errs bytes.Buffer
}

// Write takes what it writes to its standard error output.
func (l *live) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errs.Write(b)
}

// said returns what it has written there so far.
func (l *live) said() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.errs.String()
}

// startClient starts a client command.
func startClient(t testing.TB, cmd *exec.Cmd) *live {
	t.Helper()
	out, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l := &live{t: t, cmd: cmd, lines: bufio.NewReader(out), pipe: out}
	cmd.Stdout, cmd.Stderr = in, l
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		out.Close()
	})
	if err := out.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	return l
}

// line returns the next line of its output.
func (l *live) line() string {
	l.t.Helper()
	line, err := l.lines.ReadString('\n')
	if err != nil {
		l.t.Fatalf("%q: %v, after %q\n%s", l.cmd.Args, err, line, l.said())
	}
	return strings.TrimSuffix(line, "\n")
}

// await waits until its standard error output has a text.
func (l *live) await(text string) {
	l.t.Helper()
	await(l.t, func() bool { return strings.Contains(l.said(), text) }, func() string {
		return fmt.Sprintf("want %q, have %q", text, l.said())
	})
}

// stop sends it a signal, and returns the rest of its output and its status.
func (l *live) stop(signal os.Signal) (rest string, status int) {
	l.t.Helper()
	l.cmd.Process.Signal(signal)
	return l.end()
}

// end waits for its end.
func (l *live) end() (rest string, status int) {
	l.t.Helper()
	octets, err := io.ReadAll(l.lines)
	if err != nil {
		l.t.Fatalf("%q: %v\n%s", l.cmd.Args, err, l.said())
	}
	l.cmd.Wait()
	return string(octets), l.cmd.ProcessState.ExitCode()
}

// await waits for something that nobody tells.
func await(t testing.TB, is func() bool, what func() string) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !is(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal(what())
		}
	}
}

// A terminal is where a client command runs before a person.
type terminal struct {
	t      testing.TB
	cmd    *exec.Cmd
	master *os.File
	ended  chan struct{} // closed when nobody has it open any more

	mu     sync.Mutex // protects screen
	screen bytes.Buffer
}

// openTerminal returns both ends of a terminal that has so many columns; 0 is one that
// does not tell.
func openTerminal(t testing.TB, columns int) (master, slave *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Col: uint16(columns)}); err != nil {
		t.Fatal(err)
	}
	slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	return master, slave
}

// newTerminal starts a client command at a terminal of its own.
func newTerminal(t testing.TB, cmd *exec.Cmd) *terminal {
	t.Helper()
	return newTerminalOf(t, 0, cmd)
}

// newTerminalOf does so at one that has so many columns. A standard input that the
// command has, it keeps.
func newTerminalOf(t testing.TB, columns int, cmd *exec.Cmd) *terminal {
	t.Helper()
	master, slave := openTerminal(t, columns)
	defer slave.Close()
	if cmd.Stdin == nil {
		cmd.Stdin = slave
	}
	cmd.Stdout, cmd.Stderr = slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true, Ctty: 1}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p := &terminal{t: t, cmd: cmd, master: master, ended: make(chan struct{})}
	go func() { // ends with the command
		defer close(p.ended)
		b := make([]byte, 4096)
		for {
			n, err := master.Read(b)
			p.mu.Lock()
			p.screen.Write(b[:n])
			p.mu.Unlock()
			if err != nil { // EIO at the end
				return
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Kill()
		<-p.ended
		master.Close()
	})
	return p
}

// written returns what was written to it.
func (p *terminal) written() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.screen.String()
}

// seen returns the text of that.
func (p *terminal) seen() string { return strings.ReplaceAll(p.written(), "\r", "") }

// await waits until a text is on the screen.
func (p *terminal) await(text string) {
	p.t.Helper()
	await(p.t, func() bool { return strings.Contains(p.seen(), text) }, func() string {
		return fmt.Sprintf("want %q, have %q", text, p.seen())
	})
}

func (p *terminal) write(typed string) {
	p.t.Helper()
	if _, err := io.WriteString(p.master, typed); err != nil {
		p.t.Fatal(err)
	}
}

// end waits for the end of the command.
func (p *terminal) end() (seen string, status int) {
	<-p.ended
	p.cmd.Wait()
	return p.seen(), p.cmd.ProcessState.ExitCode()
}

// onTerminal runs a client command before a person who types something, and
// returns what is seen there.
func onTerminal(t testing.TB, cmd *exec.Cmd, typed string) (seen string, status int) {
	t.Helper()
	p := newTerminal(t, cmd)
	p.write(typed)
	return p.end()
}

// TestCommandHelp: every client command has examples, and they are of itself.
func TestCommandHelp(t *testing.T) {
	for _, name := range []string{"publish", "query", "follow", "subscribe", "streams", "replace", "delete", "commit", "cursor", "wait", "info", "export", "import", "backup", "restore"} {
		out, errs, status := gorewind(t.TempDir(), name, "--help")
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
	nowhere := shell{d: &daemon{router: "tcp://127.0.0.1:1", pub: "tcp://127.0.0.1:1"}}
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
		nowhere.refuse(t, 2, c.want, c.args...)
	}
}

// TestCommandWithoutDaemon: each command says so, and what to do.
func TestCommandWithoutDaemon(t *testing.T) {
	nowhere := shell{d: &daemon{router: "tcp://127.0.0.1:1", pub: "tcp://127.0.0.1:1"}}
	for _, args := range [][]string{
		{"publish", "s", "data"}, {"publish", "s", "--lines"}, {"query", "s"}, {"follow", "s"}, {"streams"},
		{"replace", "s", "1", "data"}, {"delete", "s", "--yes"}, {"commit", "c", "s", "1"}, {"cursor", "c", "s"},
		{"wait", "c", "s", "1"}, {"info"}, {"ping"}, {"export"}, {"import", "f"}, {"backup", "b"},
	} {
		nowhere.refuse(t, 1, "give its endpoint with --connect", append(args, "--patience", "20ms")...)
	}
	nowhere.refuse(t, 1, "give its endpoint with --subscribe", "subscribe", "--patience", "20ms")
}

// TestCommandWaitsForDaemon: a person is told before --patience is over.
func TestCommandWaitsForDaemon(t *testing.T) {
	nowhere := &daemon{router: "tcp://127.0.0.1:1"}
	p := newTerminal(t, nowhere.client(t, "ping", "--patience", "1m"))
	p.await("no answer from tcp://127.0.0.1:1 yet; trying for 1m0s (--patience)\n")
	p.write("\x03")
	if seen, status := p.end(); status != 1 || strings.Count(seen, "yet") != 1 {
		t.Errorf("status %d\n%s", status, seen)
	}
}

// TestCommandPatience: a daemon that stops to answer does not hold a command for
// ever, and of a write nobody knows then what came of it.
func TestCommandPatience(t *testing.T) {
	d := start(t, "--in-memory")
	in, lines, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer lines.Close()
	cmd := d.client(t, "publish", "s", "--lines", "--patience", "300ms")
	cmd.Stdin = in
	l := startClient(t, cmd)
	fmt.Fprintln(lines, "one")
	p := dial(t, d.router)
	await(t, func() bool { return len(p.events("s", 0)) == 1 }, func() string { return "want an event" })
	d.cmd.Process.Signal(syscall.SIGSTOP)
	defer d.cmd.Process.Signal(syscall.SIGCONT)
	fmt.Fprintln(lines, "two")
	_, status := l.end()
	if status != 5 || !strings.Contains(l.said(), "nobody knows") || !strings.Contains(l.said(), "lines 2 to 2") {
		t.Errorf("want status 5, have %d\n%s", status, l.said())
	}
}
