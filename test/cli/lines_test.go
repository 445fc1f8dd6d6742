package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"

	"gorewind/internal/exit"
	"gorewind/store/storetest"
	"gorewind/test/daemontest"
)

// numbered returns lines from one number to another.
func numbered(from, to int) (lines []string) {
	for i := from; i <= to; i++ {
		lines = append(lines, fmt.Sprintf("line %d", i))
	}
	return lines
}

// TestPublishLines: a hundred thousand lines are events in their order, in memory
// that does not grow with them.
func TestPublishLines(t *testing.T) {
	t.Parallel()
	d := daemontest.StartPlain(t, "--data-dir", t.TempDir())
	const n = 100_000
	lines := numbered(1, n)
	padding := strings.Repeat("x", 1000)
	for i := range lines {
		lines[i] += padding
	}
	for _, args := range [][]string{{"publish", "plain", "--lines"}, {"publish", "keyed", "--lines", "--key", "k", "--expect", "empty", "-"}} {
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := d.Command(t, args...)
		cmd.Path, cmd.Stdin = daemontest.PlainBinary(), in // its memory is measured
		l := daemontest.StartClient(t, cmd)
		in.Close()
		if err := send(out, lines); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, l.Errors())
		}
		d.AwaitLast(t, args[1], n)
		const most = 64 << 10 // KiB; the lines have more
		if have := peakMemory(t, cmd.Process.Pid); have > most {
			t.Errorf("%q: want at most %d KiB, have %d", args, most, have)
		}
		out.Close()
		rest, status := l.End()
		if want := fmt.Sprintf("1\t%d\n", n); rest != want || status != 0 {
			t.Fatalf("%q: want %q, have %q, status %d\n%s", args, want, rest, status, l.Errors())
		}
		if have := d.Stored(t, args[1]); !slices.Equal(have, lines) {
			t.Errorf("%q: want the lines as they were, have %d others", args, len(have))
		}
	}
}

// send writes lines.
func send(w io.Writer, lines []string) error {
	b := bufio.NewWriter(w)
	for _, line := range lines {
		fmt.Fprintln(b, line)
	}
	return b.Flush()
}

// peakMemory returns the most KiB that a process has had.
func peakMemory(t *testing.T, pid int) (kib int) {
	t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmHWM:")
	if _, err := fmt.Sscan(rest, &kib); err != nil {
		t.Fatal(err)
	}
	return kib
}

func TestPublishLinesForms(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	daemontest.Shell{D: d, Stdin: "one\n\nthree\r\nlast"}.Want(t, "1\t4\n", "publish", "s", "--lines")
	daemontest.Shell{D: d, Stdin: "\n"}.Want(t, "5\t5\n", "publish", "s", "--lines")
	daemontest.Shell{D: d, Stdin: ""}.Want(t, "", "publish", "s", "--lines")
	if have, want := d.Stored(t, "s"), []string{"one", "", "three\r", "last", ""}; !slices.Equal(have, want) {
		t.Errorf("want %q, have %q", want, have)
	}
	seen, status := daemontest.OnTerminal(t, d.Command(t, "publish", "s", "--lines"), "typed\n")
	if status != 2 || !strings.Contains(seen, "pipe lines in") {
		t.Errorf("status %d\n%s", status, seen)
	}
	seen, status = daemontest.OnTerminal(t, d.Command(t, "publish", "typed", "--lines", "-"), "one\ntwo\n\x04")
	if status != 0 || !strings.HasSuffix(seen, "1\t2\n") || !slices.Equal(d.Stored(t, "typed"), []string{"one", "two"}) {
		t.Errorf("status %d, stored %q\n%s", status, d.Stored(t, "typed"), seen)
	}
}

// TestPublishLinesAsTheyCome: without a key a line is stored when it has come, not
// when others have.
func TestPublishLinesAsTheyCome(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := d.Command(t, "publish", "s", "--lines")
	cmd.Stdin = in
	l := daemontest.StartClient(t, cmd)
	in.Close()
	for i := range 3 {
		fmt.Fprintf(out, "line %d\nhalf of ", i)
		d.AwaitLast(t, "s", uint64(i+1))
	}
	out.Close()
	rest, status := l.End()
	if want := "1\t4\n"; rest != want || status != 0 {
		t.Errorf("want %q, have %q, status %d\n%s", want, rest, status, l.Errors())
	}
}

// TestPublishLinesRefused: when something is in the way, the lines before it are
// stored, and it is said where to go on.
func TestPublishLinesRefused(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory", "--max-event-bytes", "100")
	lines := append(numbered(1, 2500), strings.Repeat("x", 101))
	lines = append(lines, numbered(2502, 3000)...)
	in := strings.Join(lines, "\n")
	out, errs, status := daemontest.Shell{D: d, Stdin: in}.Run(t, "publish", "plain", "--lines")
	if status != 1 || out != "1\t2500\n" || !strings.Contains(errs, "line 2501 is longer than 100 bytes") || !strings.Contains(errs, "continue from line 2501") {
		t.Errorf("status %d, stdout %q\n%s", status, out, errs)
	}
	// With a key, only whole batches are: so it can be run again without that line.
	out, errs, status = daemontest.Shell{D: d, Stdin: in}.Run(t, "publish", "keyed", "--lines", "--key", "k")
	if status != 1 || out != "1\t2000\n" || !strings.Contains(errs, "line 2501") || !strings.Contains(errs, "2,000 lines stored") {
		t.Errorf("status %d, stdout %q\n%s", status, out, errs)
	}
	without := slices.Delete(lines, 2500, 2501)
	daemontest.Shell{D: d, Stdin: strings.Join(without, "\n")}.Want(t, "1\t2999\n", "publish", "keyed", "--lines", "--key", "k")
	if have := d.Stored(t, "keyed"); !slices.Equal(have, without) {
		t.Errorf("have %d other lines", len(have))
	}
	without[1500] = "altered"
	out, errs, status = daemontest.Shell{D: d, Stdin: strings.Join(without, "\n")}.Run(t, "publish", "keyed", "--lines", "--key", "k")
	if status != 1 || out != "1\t1000\n" || !strings.Contains(errs, "lines 1001 to 2000 differ from those of the earlier run") {
		t.Errorf("status %d, stdout %q\n%s", status, out, errs)
	}
	daemontest.Shell{D: d, Stdin: "a\nb\n"}.Refuse(t, 3, "0 lines stored", "publish", "plain", "--lines", "--expect", "7")
}

// TestPublishLinesInterrupted: stopped, killed, and with a daemon that is killed
// under it, lines with a key are stored once and in order when it is run again.
func TestPublishLinesInterrupted(t *testing.T) {
	t.Parallel()
	r, seed := storetest.Rand(t)
	t.Logf("SEED=%d", seed)
	dir := t.TempDir()
	router, pub := daemontest.FreeEndpoint(t, r), daemontest.FreeEndpoint(t, r)
	serve := func() *daemontest.Daemon {
		return daemontest.StartCommand(t, exec.Command(daemontest.Binary(), "serve", "--router", router, "--pub", pub, "--data-dir", dir))
	}
	d := serve()
	const n = 30_000
	lines := numbered(1, n)
	watcher := d.Command(t, "follow", "s", "--json")
	watching := daemontest.StartClient(t, watcher)
	interrupt := func(sent int, how func(*daemontest.Client)) {
		t.Helper()
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := d.Command(t, "publish", "s", "--lines", "--key", "k", "--timeout", "30s")
		cmd.Stdin = in
		l := daemontest.StartClient(t, cmd)
		in.Close()
		if err := send(out, lines[:sent]); err != nil {
			t.Fatal(err)
		}
		d.AwaitLast(t, "s", uint64(sent/1000*1000))
		how(l)
		send(out, lines[sent:])
		out.Close()
		l.End()
	}
	interrupt(5_500, func(l *daemontest.Client) {
		_, status := l.Stop(syscall.SIGINT)
		if status != exit.Interrupted || !strings.Contains(l.Errors(), "5,000 lines stored") {
			t.Errorf("status %d\n%s", status, l.Errors())
		}
	})
	interrupt(12_345, func(l *daemontest.Client) { l.Cmd.Process.Kill() })
	interrupt(20_001, func(*daemontest.Client) {
		d.Kill()
		d = serve()
	})
	daemontest.Shell{D: d, Stdin: strings.Join(lines, "\n") + "\n"}.Want(t, fmt.Sprintf("1\t%d\n", n), "publish", "s", "--lines", "--key", "k")
	if have := d.Stored(t, "s"); !slices.Equal(have, lines) {
		t.Errorf("want %d lines, have %d, or others", n, len(have))
	}
	for i, want := range lines {
		if have := watching.Line(); !strings.Contains(have, fmt.Sprintf(`"data":"%s"`, want)) {
			t.Fatalf("line %d: a follower was shown %s", i+1, have)
		}
	}
}
