package cli

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/store"
	"gorewind/store/leveldb"
	"gorewind/store/storetest"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// randomStore makes a store with a random history in a directory.
func randomStore(t *testing.T, dir string) {
	t.Helper()
	storetest.Model(t, storetest.Operations(1500), false, func() storetest.System {
		s, err := leveldb.Open(dir, leveldb.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	})
}

// TestCopies: a store with a random history is exported and backed up while a daemon
// serves it; what is made of the copies tells the same, byte by byte, whoever asks.
func TestCopies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	randomStore(t, in("data"))
	d := daemontest.Start(t, "--data-dir", in("data"))
	p := daemontest.Dial(t, d.Router)
	key := wire.Append{Key: []byte("the key"), Groups: []wire.Group{{Stream: []byte("keyed"), Events: [][]byte{[]byte("x")}}}}
	answer := fmt.Sprint(p.Ask(key))
	want := daemontest.Contents(t, d)

	if out := daemontest.Succeed(t, "export", "--connect", d.Router, in("export.jsonl.zst")); !strings.HasPrefix(out, "exported: ") {
		t.Errorf("have %s", out)
	}
	daemontest.Succeed(t, "backup", "--connect", d.Router, in("backup"))
	if out := daemontest.Succeed(t, "backup", "--verify", in("backup")); !strings.Contains(out, "\nintact: ") {
		t.Errorf("have %s", out)
	}
	daemontest.Succeed(t, "import", in("export.jsonl.zst"), "--data-dir", in("imported"))
	daemontest.Succeed(t, "restore", in("backup"), "--data-dir", in("restored"))
	for _, name := range []string{"imported", "restored"} {
		if out := daemontest.Succeed(t, "verify", "--data-dir", in(name)); !strings.Contains(out, "\nintact: ") {
			t.Errorf("%s: %s", name, out)
		}
		c := daemontest.Start(t, "--data-dir", in(name))
		if have := daemontest.Contents(t, c); have != want {
			t.Errorf("%s: it tells something else: %s", name, daemontest.FirstDifference(want, have))
		}
		p := daemontest.Dial(t, c.Router)
		if again := fmt.Sprint(p.Ask(key)); again != answer {
			t.Errorf("%s: the request again: want %s, have %s", name, answer, again)
		}
		other := key
		other.Groups = []wire.Group{{Stream: []byte("keyed"), Events: [][]byte{[]byte("y")}}}
		if r, ok := p.Ask(other).(*wire.Error); !ok || r.Code != wire.KeyReused {
			t.Errorf("%s: another request under its key: %v", name, r)
		}
		stale := p.Ask(wire.Query{Stream: []byte("keyed"), Store: strings.Fields(want)[1] + ".1"})
		if r, ok := stale.(*wire.Error); !ok || r.Code != wire.OtherStore {
			t.Errorf("%s: want ERROR OTHER-STORE for who knew the store before, have %v", name, stale)
		}
	}
}

// TestRestoreSaysUpTo: where a file of a backup is damaged, it is told with which flag what
// comes before it can be had.
func TestRestoreSaysUpTo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	d := daemontest.Start(t, "--in-memory")
	p := daemontest.Dial(t, d.Router)
	for range 2 { // each backup adds a file
		p.Ask(wire.Publish{Stream: []byte("s"), Data: []byte("data")})
		daemontest.Succeed(t, "backup", "--connect", d.Router, in("backup"))
	}
	segments, err := filepath.Glob(in("backup/*.jsonl.zst"))
	if err != nil || len(segments) != 2 {
		t.Fatalf("want 2 files, have %q %v", segments, err)
	}
	if err := os.Truncate(segments[1], 10); err != nil {
		t.Fatal(err)
	}
	_, errs, status := daemontest.Run(dir, "restore", in("backup"), "--data-dir", in("new"))
	if want := "; restore what comes before this file with --upto 1; use another copy"; status != exit.Failure || !strings.Contains(errs, want) {
		t.Errorf("want %q, have status %d, %s", want, status, errs)
	}
	daemontest.Succeed(t, "restore", in("backup"), "--upto", "1", "--data-dir", in("before"))
}

// TestImportAppends: the events of an export are appended to what a daemon has, each
// once, also when the import is killed and repeated.
func TestImportAppends(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	const streams, each = 7, 3000
	from := daemontest.Start(t, "--in-memory")
	c := daemontest.Connect(t, from)
	for id := range each {
		var groups []client.Group
		for s := range streams {
			groups = append(groups, client.Group{Stream: fmt.Sprint("s/", s), Events: [][]byte{fmt.Append(nil, id)}})
		}
		if _, err := c.Append(t.Context(), client.Append{Groups: groups}); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.Delete(t.Context(), client.Delete{Stream: "s/0", UpTo: client.Some(10)}); err != nil {
		t.Fatal(err)
	}
	daemontest.Succeed(t, "export", "--connect", from.Router, in("export"))
	to := daemontest.Start(t, "--data-dir", in("data"))
	p := daemontest.Dial(t, to.Router)
	p.Ask(wire.Publish{Stream: []byte("s/0"), Data: []byte("there before")})
	for range 6 {
		daemontest.RunAndKill(t, 300*time.Millisecond, "import", in("export"), "--connect", to.Router)
	}
	for _, want := range []string{" event", "appended: 0 events; already there from an earlier import of this file: 20,990 events;"} { // how much the killed ones did is chance
		if out := daemontest.Succeed(t, "import", in("export"), "--connect", to.Router); !strings.HasPrefix(out, "appended: ") || !strings.Contains(out, want) || !strings.Contains(out, "\nnot kept: ids") ||
			!strings.Contains(out, "another export of the same events would append them again") {
			t.Errorf("have %s", out)
		}
	}
	have := p.Events("s/0", 0)
	if len(have) != 1+each-10 || have[0] != "there before" || have[1] != "10" || have[each-10] != fmt.Sprint(each-1) {
		t.Errorf("have %d events of s/0: %.80q", len(have), have)
	}
	if have := p.Events("s/6", 0); len(have) != each || have[each-1] != fmt.Sprint(each-1) {
		t.Errorf("have %d events of s/6", len(have))
	}
	small := daemontest.Start(t, "--in-memory", "--max-event-bytes", "3")
	if _, errs, status := daemontest.Run(dir, "import", in("export"), "--connect", small.Router); status != exit.Failure || !strings.Contains(errs, "--max-event-bytes") {
		t.Errorf("of events that are too large: status %d, %s", status, errs)
	}
	if have := daemontest.Dial(t, small.Router).Events("s/1", 0); len(have) > 0 {
		t.Errorf("it was refused, and %d events were appended", len(have))
	}
}

// TestCopiesRefuse: one line that says what and what to do, and nothing changed.
func TestCopiesRefuse(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	d := daemontest.Start(t, "--data-dir", in("data"))
	p := daemontest.Dial(t, d.Router)
	p.Ask(wire.Publish{Stream: []byte("s"), Data: []byte("data")})
	p.Ask(wire.Publish{Stream: []byte("s"), Data: []byte("data")})
	daemontest.Succeed(t, "export", "--connect", d.Router, in("export"))
	daemontest.Succeed(t, "export", "--connect", d.Router, in("later"), "--after", "1")
	daemontest.Succeed(t, "backup", "--connect", d.Router, in("backup"))
	daemontest.Succeed(t, "restore", in("backup"), "--data-dir", in("restored"))
	whole, err := os.ReadFile(in("export"))
	if err != nil {
		t.Fatal(err)
	}
	altered := bytes.Replace(whole, []byte(`"data":"data"`), []byte(`"data":"date"`), 1)
	for name, b := range map[string][]byte{"altered": altered, "cut": whole[:len(whole)-10], "thesis": []byte("It is")} {
		if err := os.WriteFile(in(name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	other := daemontest.Start(t, "--in-memory")
	connect, elsewhere := []string{"--connect", d.Router}, []string{"--connect", other.Router}
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"over a file":           {append([]string{"export", in("export")}, connect...), "overwrite it with --force"},
		"after the end":         {append([]string{"export", "--after", "99", in("none")}, connect...), "ends at position 2"},
		"no daemon":             {[]string{"export", "--connect", "tcp://127.0.0.1:1", "--timeout", "100ms", in("none")}, "--connect"},
		"no file":               {[]string{"import", in("none"), "--data-dir", in("new")}, "no such file"},
		"altered":               {[]string{"import", in("altered"), "--data-dir", in("new")}, "line 3, byte "},
		"altered, appended":     {append([]string{"import", in("altered")}, connect...), "line 3, byte "},
		"cut":                   {[]string{"import", in("cut"), "--data-dir", in("new")}, "cut off here"},
		"no export":             {[]string{"import", in("thesis"), "--data-dir", in("new")}, "does not begin like an export"},
		"no beginning":          {[]string{"import", in("later"), "--data-dir", in("new")}, "after position 1"},
		"over a store":          {[]string{"import", in("export"), "--data-dir", in("restored")}, "not empty; give a directory"},
		"over a daemon's":       {[]string{"import", in("export"), "--data-dir", in("data")}, "in use by another process"},
		"restored over a store": {[]string{"restore", in("backup"), "--data-dir", in("restored")}, "not empty; give a directory"},
		"no backup":             {[]string{"restore", in("data"), "--data-dir", in("new")}, "is the data directory of a store"},
		"beyond the backup":     {[]string{"restore", in("backup"), "--upto", "3", "--data-dir", in("new")}, "ends at position 2"},
		"before all":            {[]string{"restore", in("backup"), "--until", "2020-01-01", "--data-dir", in("new")}, "nothing was committed before 2020-01-01T"},
		"another store":         {append([]string{"backup", in("backup")}, elsewhere...), "give another directory"},
		"directory of others":   {append([]string{"backup", dir}, connect...), "choose another directory"},
	} {
		t.Run(name, func(t *testing.T) {
			before := daemontest.Files(t, dir)
			out, errs, status := daemontest.Run(dir, c.args...)
			if status != exit.Failure || out != "" || strings.Count(errs, "\n") != 1 || !strings.Contains(errs, c.want) {
				t.Errorf("want one line with %q, have status %d, %s%s", c.want, status, out, errs)
			}
			if after := daemontest.Files(t, dir); !slices.Equal(before, after) {
				t.Errorf("want the files %q, have %q", before, after)
			}
		})
	}
	for _, args := range [][]string{{"export", "--separator", "::", "--glob", "*"}, {"export", "--separator", ":"}, {"restore", "backup"}, {"restore", "backup", "--data-dir", "d", "--upto", "0"}, {"export", "--glob", ""}} {
		if _, errs, status := daemontest.Run(dir, args...); status != exit.Usage {
			t.Errorf("%q: status %d, %s", args, status, errs)
		}
	}
}

// TestCopiesOfLoss: what a store has lost is an error, unless it is accepted, and is
// told.
func TestCopiesOfLoss(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	s, err := leveldb.OpenMemory(leveldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	storetest.Append(t, s, "s", "1", "2", "3")
	r, err := leveldb.NewRestore(in("data"), s.Identity(), "it")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for e, err := range s.Log(t.Context(), 0) {
		kept := store.Event{Stream: []byte("s"), ID: 3, Position: 3, Time: e.Time, Data: []byte("3")}
		if err := errors.Join(err, r.Add(e, storetest.Each(kept)), r.Lose([]byte("s"), 1, 2)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.Finish(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	d := daemontest.Start(t, "--data-dir", in("data"))
	for _, args := range [][]string{{"export", in("export")}, {"backup", in("backup")}} {
		args = append(args, "--connect", d.Router)
		if _, errs, status := daemontest.Run(dir, args...); status != exit.Failure || !strings.Contains(errs, "--accept-loss") {
			t.Errorf("%q: status %d, %s", args, status, errs)
		}
		if out := daemontest.Succeed(t, append(args, "--accept-loss")...); !strings.Contains(out, "1 event of 1 byte,") || !strings.Contains(out, "; LOST: 2 events") {
			t.Errorf("%q: %s", args, out)
		}
	}
	for _, args := range [][]string{{"import", in("export"), "--data-dir", in("imported")}, {"restore", in("backup"), "--data-dir", in("restored")}} {
		if out := daemontest.Succeed(t, args...); !strings.Contains(out, "everything but 2 lost events") {
			t.Errorf("%q: %s", args, out)
		}
	}
}

// TestCopiesWithKeys: a copy takes the right admin on all streams, and says so.
func TestCopiesWithKeys(t *testing.T) {
	t.Parallel()
	l := daemontest.NewLock(t, "operator", "reader")
	l.Allow(map[string]string{"operator": "read = ['**']\nadmin = ['**']", "reader": "read = ['**']\nadmin = ['a/*']"})
	d := l.Start()
	dir := t.TempDir()
	as := func(name string, args ...string) (string, string, int) {
		return daemontest.Run(dir, append(args, "--connect", d.Router, "--client-key", l.File(name+".key_secret"), "--server-key", l.File("server.key"))...)
	}
	for _, args := range [][]string{{"export"}, {"export", "file"}, {"export", "--glob", "a/*"}, {"backup", "dir"}} {
		if out, errs, status := as("reader", args...); status != exit.Failure || out != "" || !strings.Contains(errs, "the right admin on all streams") || !strings.Contains(errs, "--client-key") {
			t.Errorf("%q: status %d\n%s%s", args, status, out, errs)
		}
	}
	if left := daemontest.Files(t, dir); len(left) != 1 {
		t.Errorf("left %q", left)
	}
	for _, args := range [][]string{{"export", "file"}, {"backup", "dir"}} {
		if out, errs, status := as("operator", args...); status != exit.OK {
			t.Errorf("%q: status %d\n%s%s", args, status, out, errs)
		}
	}
}

// TestImportFromStdin: what export writes to a pipe, import takes from one, and leaves
// nothing behind.
func TestImportFromStdin(t *testing.T) {
	dir := t.TempDir()
	d := daemontest.Start(t, "--in-memory")
	p := daemontest.Dial(t, d.Router)
	p.Ask(wire.Publish{Stream: []byte("s"), Data: []byte("data")})
	whole := daemontest.Succeed(t, "export", "--connect", d.Router)
	t.Setenv("TMPDIR", dir)
	take := func(input string, args ...string) (string, error) {
		cmd := exec.Command(daemontest.Binary(), append([]string{"import", "-"}, args...)...)
		cmd.Stdin = strings.NewReader(input)
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	for _, want := range []string{"appended: 1 event; another export", "appended: 0 events; already there from an earlier import of this file: 1 event;"} {
		if out, err := take(whole, "--connect", d.Router); err != nil || len(p.Events("s", 0)) != 2 || !strings.HasPrefix(out, want) {
			t.Errorf("want %q, have %v\n%s", want, err, out)
		}
	}
	if out, err := take(whole[:len(whole)-9], "--connect", d.Router); err == nil || !strings.Contains(out, "standard input") || !strings.Contains(out, "cut off here") {
		t.Errorf("cut: %v\n%s", err, out)
	}
	if left := daemontest.Files(t, dir); len(left) != 1 {
		t.Errorf("left %q", left)
	}
	if out, err := take(whole, "--data-dir", filepath.Join(dir, "new")); err != nil || !strings.Contains(out, "created: store") {
		t.Errorf("made: %v\n%s", err, out)
	}
}

// TestExportAtTerminal: the secret of a store is not shown on a screen.
func TestExportAtTerminal(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	for _, args := range [][]string{{"export"}, {"export", "-"}} {
		term := daemontest.NewTerminal(t, exec.Command(daemontest.Binary(), append(args, "--connect", d.Router)...))
		if screen, status := term.End(); status != exit.Usage || strings.Contains(screen, "secret\":") || !strings.Contains(screen, "give FILE") {
			t.Errorf("%q: status %d\n%s", args, status, screen)
		}
	}
}
