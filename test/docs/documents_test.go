package docs

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"gorewind/test/daemontest"
)

// endpoints are where documents have a daemon serve.
const routerEndpoint, pubEndpoint = "tcp://127.0.0.1:9002", "tcp://127.0.0.1:9003"

// TestDocuments runs the blocks of each document in their order, in one directory and
// beside one daemon. What it does with a block, the block's language says:
//
//	console  each line "$ COMMAND" is run, and prints what follows; … stands for anything
//	sh       a script that succeeds
//	python   a program that succeeds
//	go       a program that succeeds
//	text     nothing
//
// A comment right before a block says what else there is to it:
//
//	prints            it is what the program before it prints
//	part of FILE      it stands in that file
//	run by TEST       another test runs it, or compares it
//	not run: REASON   nothing runs it
func TestDocuments(t *testing.T) {
	for _, doc := range documents(t) {
		t.Run(doc, func(t *testing.T) {
			s := newSession(t)
			for _, b := range blocksOf(t, doc) {
				s.play(b)
			}
		})
	}
}

// A session is a directory and a daemon in which a document's blocks run.
type session struct {
	t       *testing.T
	dir     string
	d       *daemontest.Daemon // nil until a block needs it
	printed string             // by the last program
}

// newSession makes a session, with the examples in its directory.
func newSession(t *testing.T) *session {
	t.Helper()
	s := &session{t: t, dir: t.TempDir()}
	examples, err := filepath.Abs("examples")
	if err == nil {
		err = os.Symlink(examples, filepath.Join(s.dir, "examples"))
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *session) play(b block) {
	s.t.Helper()
	kind, rest, _ := strings.Cut(b.note, " ")
	switch {
	case kind == "prints":
		if s.printed != b.text {
			s.t.Errorf("%s:%d: want\n%s\nhave\n%s", b.doc, b.line, b.text, s.printed)
		}
	case kind == "part":
		s.partOf(b, strings.TrimPrefix(rest, "of "))
	case kind == "run":
		s.ranBy(b, strings.TrimPrefix(rest, "by "))
	case kind == "not":
		if len(strings.TrimPrefix(rest, "run: ")) < 10 {
			s.t.Errorf("%s:%d: want the reason why this is not run", b.doc, b.line)
		}
	case b.lang == "console":
		s.console(b)
	case b.lang == "sh":
		s.succeeds(b, "sh", "-ec", s.here(b.text))
	case b.lang == "python":
		s.printed = s.succeeds(b, daemontest.Python(s.t), s.file("program.py", b))
	case b.lang == "go":
		s.printed = s.succeeds(b, "go", "run", s.file("main.go", b))
	case b.lang != "text":
		s.t.Errorf("%s:%d: want a language that a test knows or a comment, have %q", b.doc, b.line, b.lang)
	case commandForm.MatchString(b.text):
		s.t.Errorf("%s:%d: want this command line to be run: call the block console or sh", b.doc, b.line)
	}
}

var commandForm = regexp.MustCompile(`(?m)^(\$ |gorewind |make |sudo )`)

// here returns a text with this session's endpoints in place of the usual ones.
func (s *session) here(text string) string {
	if s.d == nil {
		s.d = daemontest.Start(s.t, "--data-dir", filepath.Join(s.t.TempDir(), "data"))
	}
	return strings.NewReplacer(routerEndpoint, s.d.Router, pubEndpoint, s.d.Pub).Replace(text)
}

// file writes a block to a file of the session's directory.
func (s *session) file(name string, b block) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, []byte(s.here(b.text)), 0o644); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// command returns a command of the session. A Go program runs where its module is.
func (s *session) command(name string, args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(s.t.Context(), 2*time.Minute)
	s.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(),
		"GOREWIND_CONNECT="+s.here(routerEndpoint), "GOREWIND_SUBSCRIBE="+s.here(pubEndpoint),
		"PATH="+filepath.Dir(daemontest.Binary())+":"+os.Getenv("PATH"))
	if name != "go" {
		cmd.Dir = s.dir
	}
	return cmd
}

// succeeds runs a command and returns what it printed.
func (s *session) succeeds(b block, name string, args ...string) string {
	s.t.Helper()
	out, err := s.command(name, args...).CombinedOutput()
	if err != nil {
		s.t.Errorf("%s:%d: %v\n%s\n%s", b.doc, b.line, err, b.text, out)
	}
	return string(out)
}

// console runs the command lines of a block, one after the other.
func (s *session) console(b block) {
	s.t.Helper()
	commands := regexp.MustCompile(`(?m)^\$ `).Split(b.text, -1)
	if commands[0] != "" || len(commands) == 1 {
		s.t.Errorf("%s:%d: want a block that begins with \"$ \"", b.doc, b.line)
	}
	for _, text := range commands[1:] {
		text = strings.ReplaceAll(text, "python3 ", daemontest.Python(s.t)+" ")
		end := commandEnd.FindStringIndex(text)
		line, want := text[:end[1]], text[end[1]:]
		out, err := s.command("sh", "-c", s.here(line)).CombinedOutput()
		if err != nil && !strings.Contains(want, "gorewind: ") {
			s.t.Errorf("%s:%d: %s%v", b.doc, b.line, line, err)
		}
		form := strings.ReplaceAll(regexp.QuoteMeta(s.here(want)), "…", `.*`)
		if !regexp.MustCompile(`^` + form + `$`).Match(out) {
			s.t.Errorf("%s:%d: %swant %q\nhave %q", b.doc, b.line, line, want, out)
		}
	}
}

// commandEnd matches the end of a command line, which a backslash at the end of a line
// does not end.
var commandEnd = regexp.MustCompile(`[^\\]\n`)

func (s *session) partOf(b block, file string) {
	s.t.Helper()
	if !strings.Contains(read(s.t, file), b.text) {
		s.t.Errorf("%s:%d: want a part of %s, have\n%s", b.doc, b.line, file, b.text)
	}
}

// ranBy verifies that there is a test of that name.
func (s *session) ranBy(b block, test string) {
	s.t.Helper()
	for _, dir := range []string{"test/docs", "test/packaging", "test/cli"} {
		files, err := filepath.Glob(dir + "/*_test.go")
		if err != nil {
			s.t.Fatal(err)
		}
		for _, file := range files {
			if strings.Contains(read(s.t, file), "\nfunc "+test+"(") {
				return
			}
		}
	}
	s.t.Errorf("%s:%d: want a test %s, have none", b.doc, b.line, test)
}
