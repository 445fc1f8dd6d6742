package server_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// An inherited case is one with which another system was tested: a predecessor of this
// one, or a related system. The letter of its label says which.
type inherited struct {
	label string
	was   string // the case, in the words of that system

	// What covers it: a transcript as in protocol.md, a program, or tests elsewhere,
	// each named as wantTest takes it. It may be several of these.
	play string
	run  func(p *player)
	in   []string

	not  string // why nothing covers it
	here string // what this system does differently, on purpose
}

// predecessors are the cases of the first Gorewind (R) and of Rewind (P).
var predecessors = []inherited{
	{
		label: "R1",
		was:   "a fresh store lists no stream, and a query of one gives no event and END",
		play: `
			C: STREAMS "" ""
			S: END
			C: QUERY "mystream" "" ""
			S: END`,
		in: []string{"store: R1 empty"},
	}, {
		label: "R2",
		was:   "an event of 10 random bytes is published: its stream is listed once, a query gives exactly that id and data; the same with two",
		play: `
			C: PUBLISH "mystream" "\x8a\x00\xff\n:\\\"E\x01\xc3"
			S: PUBLISHED <1>
			C: STREAMS "" ""
			S: STREAM "mystream" <1>
			S: END
			C: QUERY "mystream" "" ""
			S: EVENT <1> "\x8a\x00\xff\n:\\\"E\x01\xc3"
			S: END
			C: PUBLISH "mystream" "\x00\x00END\x7f\x80\xfe\r "
			S: PUBLISHED <2>
			C: STREAMS "" ""
			S: STREAM "mystream" <2>
			S: END
			C: QUERY "mystream" "" ""
			S: EVENT <1> "\x8a\x00\xff\n:\\\"E\x01\xc3"
			S: EVENT <2> "\x00\x00END\x7f\x80\xfe\r "
			S: END`,
		in: []string{"store: R2 one and two events"},
	}, {
		label: "R3",
		was:   "stream1, stream2, stream4 and stream11 get 5 events each: after each a query gives that stream's events only, in order",
		play:  namesThatBeginAlike(),
		in:    []string{"store: R3 prefix names do not mix"},
	}, {
		label: "R4",
		was:   "4 writers at once publish 100 events each, to a stream of their own",
		play:  writersAtOnce(),
		in:    []string{"store: R4 A5 G6 parallel writers"},
	}, {
		label: "R5",
		was:   "of 5000 ids in a row each is greater than the one before and reads back the same, past 255 and 256 too",
		play:  manyIDs(),
		in:    []string{"store: R5 ids cross 255", "wire: TestIDsSortBytewise"},
	}, {
		label: "R6",
		was:   "names and ids of any bytes, among them : and 0 and 255, come back from the keys that they are stored under, and sort by stream, then id",
		play: `
			C: APPEND "" "a:b" "" 1 "1" "a" "" 2 "2" "3" "\x00" "" 1 "4" "a\x00b" "" 1 "5" "\xff\xff" "" 1 "6" ":" "" 1 "7"
			S: APPENDED <1> <2> <1> <1> <1> <1>
			C: STREAMS "" ""
			S: STREAM "\x00" <1>
			S: STREAM ":" <1>
			S: STREAM "a" <2>
			S: STREAM "a\x00b" <1>
			S: STREAM "a:b" <1>
			S: STREAM "\xff\xff" <1>
			S: END
			C: QUERY "a" "" ""
			S: EVENT <1> "2"
			S: EVENT <2> "3"
			S: END
			C: QUERY "a\x00b" "" ""
			S: EVENT <1> "5"
			S: END`,
		in: []string{"store: TestR6KeysSort", "store: R6 F36 names of any bytes"},
	}, {
		label: "R7",
		was:   "a server is started and stopped 3 times on one store; a second start while it runs is an error",
		in:    []string{"TestStop", "TestSecondDaemonIsRefused", "store: P7 R7 F37 reopen"},
	}, {
		label: "R8",
		was:   "an unknown command, PUBLISH with 0, 1 and 3 frames, QUERY with 0 to 2 and 4, from and to that are unknown: one ERROR each and no EVENT, and the server lives",
		play: `
			C: FROBNICATE
			S: ERROR UNKNOWN-COMMAND …
			C: PUBLISH
			S: ERROR MALFORMED …
			C: PUBLISH "s"
			S: ERROR MALFORMED …
			C: PUBLISH "s" "d" "x"
			S: ERROR BAD-OPTION option=78 ; …
			C: PUBLISH "s" "d"
			S: PUBLISHED <1>
			C: QUERY
			S: ERROR MALFORMED …
			C: QUERY "s"
			S: ERROR MALFORMED …
			C: QUERY "s" ""
			S: ERROR MALFORMED …
			C: QUERY "s" "" "" "x"
			S: ERROR BAD-OPTION option=78 ; …
			C: QUERY "s" <2> ""
			S: ERROR UNKNOWN-ID stream=73 id=0000000000000002 ; …
			C: QUERY "s" "" <2>
			S: ERROR UNKNOWN-ID stream=73 id=0000000000000002 ; …`,
		here: "a frame too many is taken for an option",
	},

	{
		label: "P1",
		was:   "THIS IS AN EVENT is published: a SUB gets its id, the id before and the same data",
		play: `
			C: PUBLISH "s" "THIS IS AN EVENT"
			S: PUBLISHED <1>
			B: "s" <1> "THIS IS AN EVENT"`,
		here: "ids have no gaps, so the one before needs no frame",
	}, {
		label: "P2",
		was:   "a SUB gets 200 events in the order in which they were published, each with the id before its own; no id twice",
		play:  manyBroadcasts(),
		in:    []string{"server: TestBroadcasts"},
	}, {
		label: "P3",
		was:   "of 200 events a query without bounds gives all in order; with from, with to, with both those between; of two neighbours the second",
		play:  manyBounds(),
		in:    []string{"server: TestQueryBounds"},
		here:  "an answer is not cut at 100 events, so one query has all",
	}, {
		label: "P4",
		was:   "every pair of no id, non-exist and non-exist2 as bounds, but for equal ones, is one ERROR",
		play: `
			C: QUERY "s" "" <7>
			S: ERROR UNKNOWN-ID stream=73 id=0000000000000007 ; …
			C: QUERY "s" "" <8>
			S: ERROR UNKNOWN-ID stream=73 id=0000000000000008 ; …
			C: QUERY "s" <7> ""
			S: ERROR UNKNOWN-ID stream=73 id=0000000000000007 ; …
			C: QUERY "s" <8> ""
			S: ERROR UNKNOWN-ID stream=73 id=0000000000000008 ; …
			C: QUERY "s" <7> <8>
			S: ERROR UNKNOWN-ID stream=73 id=0000000000000007 ; …
			C: QUERY "s" <8> <7>
			S: ERROR UNKNOWN-ID stream=73 id=0000000000000008 ; …
			C: QUERY "s" "non-exist" "non-exist2"
			S: ERROR MALFORMED …`,
		here: "what has not 8 bytes is no id at all",
	}, {
		label: "P5",
		was:   "UNKNOWN COMMAND, alone and with a frame more, is one ERROR, and the next request works",
		play: `
			C: "UNKNOWN COMMAND"
			S: ERROR MALFORMED …
			C: "UNKNOWN COMMAND" "x"
			S: ERROR MALFORMED …
			C: UNKNOWN
			S: ERROR UNKNOWN-COMMAND …
			C: UNKNOWN "x"
			S: ERROR UNKNOWN-COMMAND …
			C: PUBLISH "s" "d"
			S: PUBLISHED <1>`,
		here: "the blank makes it the beginning of an envelope, which then does not end",
	}, {
		label: "P6",
		was:   "all pairs of a from that is later than its to are errors of order; so is a key twice",
		play:  reversedBounds(),
		here:  "the server gives the ids, so no key comes twice; for an APPEND's key see F3 and F4",
	}, {
		label: "P7",
		was:   "a store has the same events after it was closed and opened again; where its file was damaged it does not open",
		in: []string{
			"store: P7 R7 F37 reopen",
			"store: TestP9LostCommits",
			"store: TestP9DamagedTable",
		},
		here: "where commits are missing it does not open; where a table is damaged it opens, and reading what is damaged is an error",
	}, {
		label: "P8",
		was:   "--help is status 0; a configuration that is missing or wrong is another, with no file made; so is a number that is none; a request to stop is followed",
		in:    []string{"TestHelpAndVersion", "TestScripts", "TestStop"},
		here:  "the request to stop is a signal, not a word that anyone could send; no configuration at all is a good one",
	},
}

func TestInheritedCases(t *testing.T) {
	for _, c := range slices.Concat(predecessors, related) {
		t.Run(c.label, c.check)
	}
}

func (c inherited) check(t *testing.T) {
	if has := c.play != "" || c.run != nil || c.in != nil; has == (c.not != "") || c.was == "" {
		t.Fatal("want what the case was and either what has it or why nothing does")
	}
	for _, place := range c.in {
		wantTest(t, place)
	}
	if c.play != "" {
		newPlayer(t, transcript(c.play)).play()
	}
	if c.run != nil {
		p := newPlayer(t, fence{})
		c.run(p)
		p.nothingMore()
	}
}

// wantTest checks that the module has a test of a name, as a function or as a case.
// "store: name" must be below the directory store.
func wantTest(t *testing.T, place string) {
	t.Helper()
	room, name, ok := strings.Cut(place, ": ")
	if !ok {
		room, name = "", place
	}
	files, err := testsByName()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(files[name], func(file string) bool { return !ok || strings.HasPrefix(file, room+"/") }) {
		t.Errorf("want the test %q, have it not; that name is in %q", place, files[name])
	}
}

// testsByName maps tests to the files of the module that have them: the names of
// functions and, for cases, all strings. It leaves the lists of this package out, which
// would find themselves.
var testsByName = sync.OnceValues(func() (map[string][]string, error) {
	files := make(map[string][]string)
	const module = ".."
	err := filepath.WalkDir(module, func(path string, d fs.DirEntry, err error) error {
		name := filepath.ToSlash(strings.TrimPrefix(path, module+string(filepath.Separator)))
		switch {
		case err != nil:
			return err
		case d.IsDir() && path != module && (strings.HasPrefix(d.Name(), ".") || d.Name() == "node_modules" || d.Name() == "testdata"):
			return filepath.SkipDir
		case d.Name() == "predecessors_test.go" || d.Name() == "related_test.go":
			return nil
		case strings.HasSuffix(name, "_test.go") || strings.HasPrefix(name, "store/storetest/") && strings.HasSuffix(name, ".go"):
			return collectTests(files, path, name)
		}
		return nil
	})
	return files, err
})

func collectTests(files map[string][]string, path, name string) error {
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for n := range ast.Preorder(f) {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Recv == nil && strings.HasPrefix(n.Name.Name, "Test") {
				files[n.Name.Name] = append(files[n.Name.Name], name)
			}
		case *ast.BasicLit:
			if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && !strings.HasPrefix(text, "Test") {
				files[text] = append(files[text], name)
			}
		}
	}
	return nil
}

// TestWantedTests: a name that no test has is not found, nor one that only the lists
// have.
func TestWantedTests(t *testing.T) {
	files, err := testsByName()
	if err != nil {
		t.Fatal(err)
	}
	for _, missing := range []string{"TestNobodyHasWritten", "R1 empties", predecessors[0].in[0]} {
		if where := files[missing]; where != nil {
			t.Errorf("%q is found in %q", missing, where)
		}
	}
}

func transcript(text string) fence {
	f := fence{at: 1}
	for line := range strings.Lines(strings.TrimSpace(text)) {
		f.lines = append(f.lines, strings.TrimSpace(line))
	}
	return f
}

// TestInheritedCasesAreComplete: each case is there once, in order.
func TestInheritedCasesAreComplete(t *testing.T) {
	var want, have []string
	for _, system := range []struct {
		letter string
		cases  int
	}{{"R", 8}, {"P", 8}, {"F", 38}, {"G", 8}, {"E", 13}, {"A", 8}} {
		for n := range system.cases {
			want = append(want, system.letter+strconv.Itoa(n+1))
			if want[len(want)-1] == "A3" {
				want = append(want, "A3b")
			}
		}
	}
	for _, c := range slices.Concat(predecessors, related) {
		have = append(have, c.label)
	}
	if !slices.Equal(want, have) {
		t.Errorf("want the cases %v\nhave %v", want, have)
	}
}

// A script builds a transcript that is too regular to be written out.
type script struct{ strings.Builder }

func (s *script) add(format string, args ...any) { fmt.Fprintf(s, format+"\n", args...) }

// publish adds PUBLISHes of n events whose data is their id.
func (s *script) publish(stream string, n int) {
	for i := range n {
		s.add(`C: PUBLISH %q "%d"`, stream, i+1)
		s.add(`S: PUBLISHED <%d>`, i+1)
	}
}

// events adds the EVENTs from first to last of those that publish has made.
func (s *script) events(first, last int) {
	for i := first; i <= last; i++ {
		s.add(`S: EVENT <%d> "%d"`, i, i)
	}
}

// query adds a QUERY with its answer. words are the frames after the command.
func (s *script) query(words string, first, last int) {
	s.add("C: QUERY %s", words)
	s.events(first, last)
	s.add("S: END")
}

func namesThatBeginAlike() string {
	var s script
	for i := range 5 {
		for _, stream := range []string{"stream1", "stream2", "stream4", "stream11"} {
			s.add(`C: PUBLISH %q "%s %d"`, stream, stream, i+1)
			s.add(`S: PUBLISHED <%d>`, i+1)
			s.add(`C: QUERY %q "" ""`, stream)
			for k := range i + 1 {
				s.add(`S: EVENT <%d> "%s %d"`, k+1, stream, k+1)
			}
			s.add("S: END")
		}
	}
	return s.String()
}

// writersAtOnce sends everything before it expects the first answer.
func writersAtOnce() string {
	const writers, each = 4, 100
	var s script
	for i := range each {
		for w := range writers {
			s.add(`C%d: PUBLISH "stream%d" "%d"`, w, w, i+1)
		}
	}
	for w := range writers {
		for i := range each {
			s.add(`S%d: PUBLISHED <%d>`, w, i+1)
		}
	}
	for w := range writers {
		s.query(fmt.Sprintf(`"stream%d" "" ""`, w), 1, each)
	}
	return s.String()
}

func manyIDs() string {
	const n = 5000
	var s script
	s.WriteString(`C: APPEND "" "s" "" ` + strconv.Itoa(n))
	for i := range n {
		s.WriteString(" " + strconv.Itoa(i+1))
	}
	s.add("")
	s.add(`S: APPENDED <%d>`, n)
	s.query(`"s" "" ""`, 1, n)
	s.query(`"s" <254> <258>`, 255, 258)
	s.query(`"s" <4999> <5000>`, n, n)
	return s.String()
}

func manyBroadcasts() string {
	var s script
	s.publish("s", 200)
	for i := range 200 {
		s.add(`B: "s" <%d> "%d"`, i+1, i+1)
	}
	return s.String()
}

func manyBounds() string {
	var s script
	s.publish("s", 200)
	s.query(`"s" "" ""`, 1, 200)
	s.query(`"s" <4> ""`, 5, 200)
	s.query(`"s" "" <10>`, 1, 10)
	s.query(`"s" <4> <198>`, 5, 198)
	s.query(`"s" <1> <2>`, 2, 2)
	return s.String()
}

func reversedBounds() string {
	const n = 4
	var s script
	s.publish("s", n)
	for after := 1; after <= n; after++ {
		for upto := 1; upto < after; upto++ {
			s.add(`C: QUERY "s" <%d> <%d>`, after, upto)
			s.add(`S: ERROR BAD-RANGE stream=73 ; …`)
		}
	}
	return s.String()
}
