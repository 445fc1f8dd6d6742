package cli

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"gorewind/internal/render"
	"gorewind/internal/version"
	"gorewind/test/daemontest"
)

// accounts stores three events in each of three streams, and a JSON one.
func accounts(t *testing.T, d *daemontest.Daemon) {
	t.Helper()
	for i := range 3 {
		for _, stream := range []string{"account/17", "account/18", "other.1"} {
			daemontest.Shell{D: d}.Want(t, fmt.Sprintln(i+1), "publish", stream, fmt.Sprintf("%s is %d", stream, i+1))
		}
	}
	daemontest.Shell{D: d}.Want(t, "1\n", "publish", "json", `{"a":1}`)
}

// TestQuery: every option of the protocol.
func TestQuery(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	accounts(t, d)
	none := daemontest.Shell{D: d}
	none.Want(t, "2\n", "commit", "mailer", "account/17", "2")
	none.Want(t, "8\n", "commit", "mailer", "", "8")
	info, err := exec.Command(daemontest.Binary(), "info", "--json", "--connect", d.Router).Output()
	if err != nil {
		t.Fatal(err)
	}
	var facts struct {
		Store                string
		Generation, Position uint64
	}
	if err := json.Unmarshal(info, &facts); err != nil || facts.Position != 12 {
		t.Fatalf("%v: %s", err, info)
	}
	store := fmt.Sprintf("%s.%d", facts.Store, facts.Generation)
	for _, c := range []struct{ want, args string }{
		{"17/1 17/2 17/3", "account/17"},
		{"17/2 17/3", "account/17 --after 1"},
		{"17/2 17/3", "account/17 --after 0x1"},
		{"17/2 17/3", "account/17 --after 0000000000000001"},
		{"17/1 17/2", "account/17 --upto 2"},
		{"", "account/17 --upto 0"},
		{"17/1 17/2 17/3", "account/17 --after 0"},
		{"17/1", "account/17 --limit 1"},
		{"17/1 17/2", "account/17 -n 2"},
		{"17/2 17/3", "account/17 --tail 2"},
		{"17/1 17/2 17/3", "account/17 --tail 9"},
		{"17/2", "account/17 --tail 1 --upto 2"},
		{"17/3", "account/17 --tail 5 --after 2"},
		{"", "account/17 --tail 5 --after 3"},
		{"17/3", "account/17 --tail 9 --consumer mailer"},
		{"", "account/17 --tail 9 --until 2026-01-01T00:00:00Z"},
		{"17/3 18/3", "account/ --prefix --tail 2"},
		{"18/2 17/3 18/3", "account/* --glob --tail 3"},
		{"1.3 json/1", "--prefix --tail 2"},
		{"", "nothing --tail 2"},
		{"17/2 17/3", "account/17 -f --tail 2 -n 2"},
		{"18/3 1.3 json/1", "--prefix -f --tail 3 --limit 3"},
		{"17/1 17/2", "account/17 -f -n 2"},
		{"17/3 17/2 17/1", "account/17 --desc"},
		{"17/3", "account/17 --after 2 --desc"},
		{"", "account/17 --after 9 --nearest"},
		{"17/3", "account/17 --consumer mailer"},
		{"17/1 17/2 17/3", "account/17 --since 1h"},
		{"17/1 17/2 17/3", "account/17 --since 2026-01-01"},
		{"", "account/17 --until 2026-01-01T00:00:00Z"},
		{"17/1 17/2 17/3", "account/17 --store " + store},
		{"17/1 18/1 17/2 18/2 17/3 18/3", "account/ --prefix"},
		{"17/1 18/1 17/2 18/2 17/3 18/3", "account/* --glob"},
		{"17/1 18/1", "account/** --glob --limit 2"},
		{"1.1 1.2 1.3", "*.1 --glob --separator ."},
		{"17/1 1.1 17/2 1.2 17/3 1.3", `account/17 --glob --also other.\1`},
		{"17/1 18/1 1.1 17/2 18/2 1.2 17/3 18/3 1.3 json/1", "--prefix"},
		{"1.3 json/1", "--prefix --consumer mailer"},
		{"1.3", "--prefix --after 8 --upto 9"},
		{"", "nothing"},
	} {
		args := append([]string{"query", "--json"}, strings.Fields(c.args)...)
		out, errs, status := none.Run(t, args...)
		var have []string
		for line := range strings.Lines(out) {
			var e render.JSONEvent
			if err := json.Unmarshal([]byte(line), &e); err != nil {
				t.Fatalf("%v: %s", err, line)
			}
			short := strings.TrimPrefix(*e.Stream, "account/")
			if rest, ok := strings.CutPrefix(short, "other."); ok {
				have = append(have, fmt.Sprintf("%s.%d", rest, e.ID))
				continue
			}
			have = append(have, fmt.Sprintf("%s/%d", short, e.ID))
		}
		if strings.Join(have, " ") != c.want || status != 0 || errs != "" {
			t.Errorf("query %s: want %q, have %q, status %d\n%s", c.args, c.want, have, status, errs)
		}
	}
	for _, c := range []struct{ want, args string }{
		{`the stream "account/17" has no event with id 9; it was deleted`, "account/17 --after 9"},
		{"the position 99 is after the last one; with --prefix", "--prefix --after 99"},
		{"--after is greater than --upto", "account/17 --after 3 --upto 1"},
		{"STREAM is not a valid glob: the pattern ends", `a\ --glob`},
		{"--also", `a --glob --also b\`},
		{"start from the beginning", "account/17 --store 00.1"},
	} {
		none.Refuse(t, 1, c.want, append([]string{"query"}, strings.Fields(c.args)...)...)
	}
}

// TestQueryForms: what is shown where.
func TestQueryForms(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	none := daemontest.Shell{D: d}
	for i, data := range []string{"a\tb", `{"a":[1]}`, "\x1b[31m\xff"} {
		daemontest.Shell{D: d, Stdin: data}.Want(t, fmt.Sprintln(i+1), "publish", "s")
	}
	none.Want(t, "a\tb\n{\"a\":[1]}\n\x1b[31m\xff\n", "query", "s", "--raw")
	none.Want(t, "a\tb\x00{\"a\":[1]}\x00\x1b[31m\xff\x00", "query", "s", "--raw0")
	none.Want(t, "a\tb\n", "query", "s", "-n1", "-o", "raw")
	none.Want(t, "a\tb\x00", "query", "s", "-n1", "-o", "raw0")
	for short, long := range map[string]string{"-j": "--json", "-ojson": "--json", "-otsv": "--color=auto", "-opretty": "--color=always"} {
		want, _, _ := none.Run(t, "query", "s", long)
		none.Want(t, want, "query", "s", short, "--color=always")
	}
	if out, errs, _ := none.Run(t, "query", "s", "--json", "--nested"); !strings.Contains(out, `"id":1,`) || strings.Count(out, `"data":"a\tb"}`) != 1 || strings.Count(out, `Z","json":{"a":[1]}}`) != 1 || strings.Count(out, `"data64":`) != 1 {
		t.Errorf("--nested: have %s%s", out, errs)
	}
	if out, errs, _ := none.Run(t, "query", "s", "-opretty", "--color=never", "--compact"); !strings.Contains(out, "  1  a\\tb\n") || !strings.Contains(out, "  2  {\"a\":[1]}\n") {
		t.Errorf("--compact: have %s%s", out, errs)
	}
	out, errs, status := none.Run(t, "query", "s")
	lines := strings.Split(out, "\n")
	if len(lines) != 4 || status != 0 || errs != "" {
		t.Fatalf("want 3 lines, have %q, status %d\n%s", out, status, errs)
	}
	for i, want := range []string{"\t1\ts\t1\ta\\tb", "\t2\ts\t2\t{\"a\":[1]}", "\t3\ts\t3\t\\x1b[31m\\xff"} {
		if !strings.HasSuffix(lines[i], want) || !strings.HasPrefix(lines[i], "20") {
			t.Errorf("want a time and %q, have %q", want, lines[i])
		}
	}
	tail := func(text string) string { // times are left out
		lines := strings.Split(text, "\n")
		for i, line := range lines {
			if from := strings.Index(line, "Z"); from > 0 && !strings.HasPrefix(line, " ") {
				lines[i] = line[from+1:]
			}
		}
		return strings.Join(lines, "\n")
	}
	plainWant := "time                         position  stream  id  data\n         1  s  1  a\\tb\n         2  s  2\n    {\n      \"a\": [\n        1\n      ]\n    }\n         3  s  3  \\x1b[31m\\xff\n"
	colourWant := "\x1b[2mtime                         position  stream  id  data\x1b[0m\n\x1b[0m  \x1b[2m       1\x1b[0m  \x1b[36ms\x1b[0m  \x1b[33m1\x1b[0m  a\\tb\n\x1b[0m  \x1b[2m       2\x1b[0m  \x1b[36ms\x1b[0m  \x1b[33m2\x1b[0m\n    {\n      \"a\": [\n        1\n      ]\n    }\n" +
		"\x1b[0m  \x1b[2m       3\x1b[0m  \x1b[36ms\x1b[0m  \x1b[33m3\x1b[0m  \\x1b[31m\\xff\n"
	for _, c := range []struct {
		env, color string
		want       string
	}{
		{"", "auto", colourWant}, {"NO_COLOR=1", "auto", plainWant}, {"TERM=dumb", "auto", plainWant}, {"", "never", plainWant}, {"NO_COLOR=1", "always", colourWant},
	} {
		cmd := d.Command(t, "query", "s", "--color", c.color)
		cmd.Env = append(cmd.Env, "NO_COLOR=", "TERM=xterm", c.env)
		if seen, status := daemontest.OnTerminal(t, cmd, ""); status != 0 || tail(seen) != c.want {
			t.Errorf("%s --color %s: want %q, have %q, status %d", c.env, c.color, c.want, tail(seen), status)
		}
	}
	if out, _, _ := none.Run(t, "query", "s", "--color", "always"); tail(out) != colourWant {
		t.Errorf("in a pipe with --color always: want %q, have %q", colourWant, tail(out))
	}
}

// TestQueryHead: who has seen enough ends it, and hears nothing about it.
func TestQueryHead(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	lines := numbered(1, 50_000)
	daemontest.Shell{D: d, Stdin: strings.Join(lines, "\n")}.Want(t, "1\t50000\n", "publish", "s", "--lines")
	cmd := daemontest.Command(t, "sh", "-c", `"$0" query s --raw --connect "$1" | head -1`, daemontest.Binary(), d.Router)
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "line 1\n" {
		t.Errorf("want one line, have %q, %v", out, err)
	}
	cmd = daemontest.Command(t, "sh", "-c", `"$0" query s --raw --connect "$1" >/dev/full`, daemontest.Binary(), d.Router)
	if out, err := cmd.CombinedOutput(); cmd.ProcessState.ExitCode() != 1 || strings.Count(string(out), "no space left") != 1 {
		t.Errorf("want an error of the disk, have %q, %v", out, err)
	}
}

func TestStreams(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	accounts(t, d)
	none := daemontest.Shell{D: d}
	none.Want(t, "1\n", "publish", "\xff\t", "binary")
	none.Want(t, "account/17\t3\naccount/18\t3\njson\t1\nother.1\t3\n\\xff\\t\t1\n", "streams")
	none.Want(t, "account/17\naccount/18\n", "streams", "account/", "--raw")
	none.Want(t, "account/18\t3\n", "streams", "account/", "--after", "account/17")
	none.Want(t, "account/17\t3\n", "streams", "--limit", "1")
	none.Want(t, "account/17\naccount/18\n", "streams", "account/", "--prefix", "--raw")
	none.Want(t, "account/17\naccount/18\n", "streams", "account/*", "--glob", "--raw")
	none.Want(t, "account/17\naccount/18\n", "streams", "**", "--glob", "--raw", "--limit", "2")
	none.Want(t, "other.1\n", "streams", "*.1", "--glob", "--separator", ".", "--raw")
	none.Want(t, "account/18\t3\n", "streams", "*/18", "--glob")
	none.Want(t, "", "streams", "*", "--glob", "--after", "other.1", "--limit", "1", "--separator", "\t")
	none.Want(t, "", "streams", "nothing")
	if out, errs, status := none.Run(t, "streams", "account/*"); out != "" || status != 0 || !strings.Contains(errs, "add --glob") {
		t.Errorf("have %q, status %d\n%s", out, status, errs)
	}
	none.Want(t, `{"stream":"other.1","last":3}`+"\n"+`{"stream64":"/wk=","last":1}`+"\n", "streams", "--after", "json", "--json")
	cmd := d.Command(t, "streams", "account/", "--color", "never")
	if seen, status := daemontest.OnTerminal(t, cmd, ""); status != 0 || seen != "last id  stream\n      3  account/17\n      3  account/18\n" {
		t.Errorf("have %q, status %d", seen, status)
	}
}

func TestInfo(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	out, errs, status := daemontest.Shell{D: d}.Run(t, "info")
	for _, want := range []string{"version            " + version.Number, "position           0", "max-event-bytes    1048576"} {
		if !strings.Contains(out, want+"\n") {
			t.Errorf("want %q, have\n%s", want, out)
		}
	}
	if status != 0 || errs != "" {
		t.Errorf("status %d\n%s", status, errs)
	}
}

// TestQueryOfNothing: a person is told that there is nothing, and a program is not, unless
// it has forgotten --glob.
func TestQueryOfNothing(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	accounts(t, d)
	for _, c := range []struct{ want, args string }{
		{`in the stream "nosuch"; gorewind streams lists`, "nosuch"},
		{`in the stream "account/17"; gorewind streams lists`, "account/17 --after 3"},
		{`in the stream "account/*"; to use the name as a pattern, add --glob`, "account/*"},
		{"in the selected streams", "bank/* --glob"},
	} {
		args := append([]string{"query"}, strings.Fields(c.args)...)
		seen, status := daemontest.OnTerminal(t, d.Command(t, args...), "")
		if status != 0 || strings.Count(seen, "\n") != 1 || !strings.Contains(seen, "gorewind: no such event "+c.want) {
			t.Errorf("%s: want %q, have status %d\n%s", c.args, c.want, status, seen)
		}
		out, errs, status := daemontest.Shell{D: d}.Run(t, args...)
		hint := strings.HasSuffix(c.args, "*") // which a script has to hear of, too
		if out != "" || status != 0 || hint != strings.Contains(errs, "add --glob") || !hint && errs != "" {
			t.Errorf("%s in a pipe: have %q, status %d\n%s", c.args, out, status, errs)
		}
	}
	if seen, _ := daemontest.OnTerminal(t, d.Command(t, "query", "account/17"), ""); strings.Contains(seen, "no such event") {
		t.Errorf("want events alone, have\n%s", seen)
	}
}
