package main

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

	"gorewind/store/storetest"
	"gorewind/wire"
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
	d := start(t, "--data-dir", t.TempDir())
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
		cmd := d.client(t, args...)
		cmd.Stdin = in
		l := startClient(t, cmd)
		in.Close()
		if err := send(out, lines); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, l.said())
		}
		d.awaitLast(t, args[1], n)
		const most = 64 << 10 // KiB; the lines have more
		if have := peakMemory(t, cmd.Process.Pid); have > most {
			t.Errorf("%q: want at most %d KiB, have %d", args, most, have)
		}
		out.Close()
		rest, status := l.end()
		if want := fmt.Sprintf("1\t%d\n", n); rest != want || status != 0 {
			t.Fatalf("%q: want %q, have %q, status %d\n%s", args, want, rest, status, l.said())
		}
		if have := d.stored(t, args[1]); !slices.Equal(have, lines) {
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

// awaitLast waits until a stream's last event has an id.
func (d *daemon) awaitLast(t testing.TB, stream string, id uint64) {
	t.Helper()
	p := dial(t, d.router)
	defer p.Close()
	var last wire.Reply
	await(t, func() bool {
		p.send(wire.Streams{Prefix: []byte(stream), Limit: 1})
		for {
			r, err := p.receive()
			if err != nil {
				t.Fatal(err)
			}
			if _, ok := r.(wire.StreamReply); !ok {
				break
			}
			last = r
		}
		s, ok := last.(wire.StreamReply)
		return ok && string(s.Name) == stream && s.Last == id
	}, func() string { return fmt.Sprintf("want %d events in %q, have %v", id, stream, last) })
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
	d := start(t, "--in-memory")
	shell{d, "one\n\nthree\r\nlast"}.want(t, "1\t4\n", "publish", "s", "--lines")
	shell{d, "\n"}.want(t, "5\t5\n", "publish", "s", "--lines")
	shell{d, ""}.want(t, "", "publish", "s", "--lines")
	if have, want := d.stored(t, "s"), []string{"one", "", "three\r", "last", ""}; !slices.Equal(have, want) {
		t.Errorf("want %q, have %q", want, have)
	}
	seen, status := onTerminal(t, d.client(t, "publish", "s", "--lines"), "typed\n")
	if status != 2 || !strings.Contains(seen, "pipe them in") {
		t.Errorf("status %d\n%s", status, seen)
	}
	seen, status = onTerminal(t, d.client(t, "publish", "typed", "--lines", "-"), "one\ntwo\n\x04")
	if status != 0 || !strings.HasSuffix(seen, "1\t2\n") || !slices.Equal(d.stored(t, "typed"), []string{"one", "two"}) {
		t.Errorf("status %d, stored %q\n%s", status, d.stored(t, "typed"), seen)
	}
}

// TestPublishLinesAsTheyCome: without a key a line is stored when it has come, not
// when others have.
func TestPublishLinesAsTheyCome(t *testing.T) {
	d := start(t, "--in-memory")
	in, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := d.client(t, "publish", "s", "--lines")
	cmd.Stdin = in
	l := startClient(t, cmd)
	in.Close()
	for i := range 3 {
		fmt.Fprintf(out, "line %d\nhalf of ", i)
		d.awaitLast(t, "s", uint64(i+1))
	}
	out.Close()
	rest, status := l.end()
	if want := "1\t4\n"; rest != want || status != 0 {
		t.Errorf("want %q, have %q, status %d\n%s", want, rest, status, l.said())
	}
}

// TestPublishLinesRefused: when something is in the way, the lines before it are
// stored, and it is said where to go on.
func TestPublishLinesRefused(t *testing.T) {
	d := start(t, "--in-memory", "--max-event-bytes", "100")
	lines := append(numbered(1, 2500), strings.Repeat("x", 101))
	lines = append(lines, numbered(2502, 3000)...)
	in := strings.Join(lines, "\n")
	out, errs, status := shell{d, in}.ask(t, "publish", "plain", "--lines")
	if status != 1 || out != "1\t2500\n" || !strings.Contains(errs, "line 2501 has more than the 100 octets") || !strings.Contains(errs, "go on from line 2501") {
		t.Errorf("status %d, stdout %q\n%s", status, out, errs)
	}
	// With a key, only whole batches are: so it can be run again without that line.
	out, errs, status = shell{d, in}.ask(t, "publish", "keyed", "--lines", "--key", "k")
	if status != 1 || out != "1\t2000\n" || !strings.Contains(errs, "line 2501") || !strings.Contains(errs, "2,000 lines stored") {
		t.Errorf("status %d, stdout %q\n%s", status, out, errs)
	}
	without := slices.Delete(lines, 2500, 2501)
	shell{d, strings.Join(without, "\n")}.want(t, "1\t2999\n", "publish", "keyed", "--lines", "--key", "k")
	if have := d.stored(t, "keyed"); !slices.Equal(have, without) {
		t.Errorf("have %d other lines", len(have))
	}
	without[1500] = "altered"
	out, errs, status = shell{d, strings.Join(without, "\n")}.ask(t, "publish", "keyed", "--lines", "--key", "k")
	if status != 1 || out != "1\t1000\n" || !strings.Contains(errs, "lines 1001 to 2000 are not what they were") {
		t.Errorf("status %d, stdout %q\n%s", status, out, errs)
	}
	shell{d, "a\nb\n"}.refuse(t, 3, "0 lines stored", "publish", "plain", "--lines", "--expect", "7")
}

// TestPublishLinesInterrupted: stopped, killed, and with a daemon that is killed
// under it, lines with a key are stored once and in order when it is run again.
func TestPublishLinesInterrupted(t *testing.T) {
	r, seed := storetest.Rand(t)
	t.Logf("SEED=%d", seed)
	dir := t.TempDir()
	router, pub := unused(t, r), unused(t, r)
	serve := func() *daemon {
		return startCommand(t, exec.Command(binary(), "serve", "--router", router, "--pub", pub, "--data-dir", dir))
	}
	d := serve()
	const n = 30_000
	lines := numbered(1, n)
	watcher := d.client(t, "follow", "s", "--json")
	watching := startClient(t, watcher)
	interrupt := func(sent int, how func(*live)) {
		t.Helper()
		in, out, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd := d.client(t, "publish", "s", "--lines", "--key", "k", "--patience", "30s")
		cmd.Stdin = in
		l := startClient(t, cmd)
		in.Close()
		if err := send(out, lines[:sent]); err != nil {
			t.Fatal(err)
		}
		d.awaitLast(t, "s", uint64(sent/1000*1000))
		how(l)
		send(out, lines[sent:])
		out.Close()
		l.end()
	}
	interrupt(5_500, func(l *live) {
		_, status := l.stop(syscall.SIGINT)
		if status != 1 || !strings.Contains(l.said(), "5,000 lines stored") {
			t.Errorf("status %d\n%s", status, l.said())
		}
	})
	interrupt(12_345, func(l *live) { l.cmd.Process.Kill() })
	interrupt(20_001, func(*live) {
		d.kill()
		d = serve()
	})
	shell{d, strings.Join(lines, "\n") + "\n"}.want(t, fmt.Sprintf("1\t%d\n", n), "publish", "s", "--lines", "--key", "k")
	if have := d.stored(t, "s"); !slices.Equal(have, lines) {
		t.Errorf("want %d lines, have %d, or others", n, len(have))
	}
	for i, want := range lines {
		if have := watching.line(); !strings.Contains(have, fmt.Sprintf(`"data":"%s"`, want)) {
			t.Fatalf("line %d: a follower was shown %s", i+1, have)
		}
	}
}
