package cli

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"gorewind/test/daemontest"
)

// TestScripts runs the tables of command lines in testdata/scripts. Beside what testscript
// has, they know
//
//	refuse STATUS TEXT ARGUMENT...
//
// for a command line that has to fail with that status: it prints nothing, tells of it in one
// line that has the text, in which " ... " stands for anything and a $ at its end for the end
// of the line, and changes no file; refuse-alike, for one that gorewind config has to refuse
// in the same words; and
//
//	complete KIND WORD...
//
// for words whose last one is to be completed by something of that kind.
//
// $LONG is a name that no stream may have, and $TAKEN an address that is in use. Nothing
// answers where clients look for a daemon.
func TestScripts(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { taken.Close() })
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("test", "cli", "testdata", "scripts"),
		Setup: func(env *testscript.Env) error {
			env.Setenv("PATH", filepath.Dir(daemontest.Binary())+string(filepath.ListSeparator)+os.Getenv("PATH"))
			env.Setenv("GORACE", os.Getenv("GORACE"))
			env.Setenv("GOREWIND_CONNECT", "tcp://127.0.0.1:1")
			env.Setenv("GOREWIND_SUBSCRIBE", "tcp://127.0.0.1:1")
			env.Setenv("LONG", strings.Repeat("s", 256))
			env.Setenv("TAKEN", taken.Addr().String())
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"complete": func(ts *testscript.TestScript, _ bool, args []string) { complete(ts, args[0], args[1:]) },
			"refuse":   func(ts *testscript.TestScript, _ bool, args []string) { refuse(ts, args[0], args[1], args[2:]) },
			"refuse-alike": func(ts *testscript.TestScript, _ bool, args []string) {
				told := refuse(ts, args[0], args[1], args[2:])
				if have := refuse(ts, args[0], args[1], slices.Concat([]string{"config"}, args[2:])); have != told {
					ts.Fatalf("want the same refusal, have\n%s%s", told, have)
				}
			},
		},
	})
}

// complete has words completed. The first line says by what, and each other has a word and,
// after a tab, what it means.
func complete(ts *testscript.TestScript, kind string, words []string) {
	ts.Check(ts.Exec("gorewind", append([]string{"complete"}, words...)...))
	lines := strings.Split(strings.TrimSuffix(ts.ReadFile("stdout"), "\n"), "\n")
	if errs := ts.ReadFile("stderr"); lines[0] != kind || errs != "" {
		ts.Fatalf("want %s, have %q\n%s", kind, lines[0], errs)
	}
	for _, line := range lines[1:] {
		if strings.Count(line, "\t") != 1 {
			ts.Fatalf("want a tab in %q", line)
		}
	}
}

// refuse runs a command line that has to fail, and returns what it told.
func refuse(ts *testscript.TestScript, status, text string, args []string) (told string) {
	before := filesOf(ts)
	err := ts.Exec("gorewind", args...)
	have := 0
	if exited := (*exec.ExitError)(nil); errors.As(err, &exited) {
		have = exited.ExitCode()
	}
	out, told := ts.ReadFile("stdout"), ts.ReadFile("stderr")
	if strconv.Itoa(have) != status || out != "" {
		ts.Fatalf("want status %s, have %d, %v, stdout %q\n%s", status, have, err, out, told)
	}
	if strings.Count(told, "\n") != 1 || !strings.HasPrefix(told, "gorewind: ") {
		ts.Fatalf("want one line, have\n%s", told)
	}
	if end, whole := strings.CutSuffix(text, "$"); whole {
		text = end + "\n"
	}
	rest := told
	for _, part := range strings.Split(text, " ... ") {
		_, after, found := strings.Cut(rest, part)
		if !found {
			ts.Fatalf("want %q, have\n%s", text, told)
		}
		rest = after
	}
	if after := filesOf(ts); !slices.Equal(after, before) {
		ts.Fatalf("want the files %q, have %q", before, after)
	}
	return told
}

// filesOf lists the files below the directory of a script.
func filesOf(ts *testscript.TestScript) []string {
	names, err := daemontest.ListFiles(ts.Getenv("WORK"))
	ts.Check(err)
	return names
}
