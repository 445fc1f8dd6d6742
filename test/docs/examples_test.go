package docs

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"gorewind/client"
	"gorewind/store/storetest"
	"gorewind/test/daemontest"
)

// TestExamples runs the example of each language that is here, beside another writer
// and with broadcasts of which some are lost, and kills or stops the daemon in each
// of its parts. What it appended is there once, and what it read, in whichever way,
// is the log.
func TestExamples(t *testing.T) {
	r, _ := storetest.Rand(t)
	for name, prepare := range map[string]func(*testing.T) []string{
		"python": func(t *testing.T) []string { return []string{daemontest.Python(t), "examples/python/client.py"} },
		"node":   nodeExample,
		"c":      func(t *testing.T) []string { return built(t, []string{"cc"}, "examples/c/client.c", "-lzmq") },
		"go":     func(t *testing.T) []string { return built(t, []string{"go", "build"}, "./examples/go") },
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.ReadDir("examples/" + name); err != nil { // or go test keeps a result when one changes
				t.Fatal(err)
			}
			program := prepare(t)
			x := newExample(t, name, daemontest.FreeEndpoint(t, r), daemontest.FreeEndpoint(t, r))
			t.Parallel() // with others whose ports are taken by now
			x.run(program)
			x.check()
		})
	}
}

// built compiles an example.
func built(t *testing.T, compiler []string, args ...string) []string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "client")
	args = slices.Concat(compiler[1:], []string{"-o", program}, args)
	if out, err := daemontest.Command(t, compiler[0], args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return []string{program}
}

// nodeExample returns the example in JavaScript, with the package that it takes. Of
// what npm could not get, the test is not to blame.
func nodeExample(t *testing.T) []string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("examples", "node"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := exec.LookPath("node"); err != nil {
		t.Skip("there is no node; install Node.js 18 or newer, with npm")
	}
	if _, err := os.Stat(filepath.Join(dir, "node_modules")); err != nil {
		example := os.DirFS(dir)
		dir = t.TempDir()
		if err := os.CopyFS(dir, example); err != nil {
			t.Fatal(err)
		}
		npm := daemontest.Command(t, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=0")
		npm.Dir = dir
		if out, err := npm.CombinedOutput(); err != nil {
			t.Skipf("npm could not get the package zeromq: %v; run npm ci in examples/node\n%s", err, out)
		}
	}
	load := daemontest.Command(t, "node", "--input-type=module", "--eval", `import "zeromq"`)
	load.Dir = dir
	if out, err := load.CombinedOutput(); err != nil {
		t.Skipf("the npm package zeromq does not load: %v; run npm rebuild zeromq in examples/node\n%s", err, out)
	}
	return []string{"node", filepath.Join(dir, "client.mjs")}
}

// exampleCount is the COUNT of the examples: they append that many events in each of
// three parts.
const exampleCount = 20

// An example is a run of one of them, and what it has printed.
type example struct {
	t            *testing.T
	name, stream string
	dir          string
	router, pub  string // the same for every daemon
	d            *daemontest.Daemon
	requests     *relay
	broadcasts   *gaps

	other   *client.Client // writes to the same stream
	written uint64         // events that it has written
	top     uint64         // id of its last one
	noise   uint64         // id of the last event of the stream beside it

	published []uint64          // ids of what the example appended
	answers   int               // to its APPENDs
	read      map[string]uint64 // the last id that it read, by the word for the way
	printed   map[uint64]string // the data, by id
}

func newExample(t *testing.T, name, router, pub string) *example {
	t.Helper()
	x := &example{
		t: t, name: name, stream: "example/" + name, dir: t.TempDir(), router: router, pub: pub,
		read: make(map[string]uint64), printed: make(map[uint64]string),
	}
	x.serve()
	c, err := client.Dial(t.Context(), client.Options{Endpoint: x.router})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	x.other = c
	x.requests, x.broadcasts = newRelay(t, router), newGaps(t, pub)
	return x
}

func (x *example) serve() {
	x.t.Helper()
	x.d = daemontest.StartCommand(x.t, exec.Command(daemontest.Binary(), "serve", "--router", x.router, "--pub", x.pub, "--data-dir", x.dir))
}

// write has the other writer append up to an id at least, and as much to a stream
// whose broadcasts the example gets and has to ignore.
func (x *example) write(upto uint64) {
	x.t.Helper()
	for x.top < upto {
		x.written++
		x.top = x.append(x.stream, "other", x.written)
		for x.noise < x.top {
			x.noise = x.append(x.stream+"/log", "noise", x.noise+1)
		}
	}
}

func (x *example) append(stream, what string, n uint64) (id uint64) {
	x.t.Helper()
	data := fmt.Sprint(what, " ", n)
	ids, err := x.other.Append(x.t.Context(), client.Append{
		Key: data, Groups: []client.Group{{Stream: stream, Events: [][]byte{[]byte(data)}}},
	})
	if err != nil {
		x.t.Fatal(err)
	}
	return ids[0]
}

// run runs the example to its end. The other writer stays a little ahead of it, and
// in the middle of each part something happens.
func (x *example) run(program []string) {
	const ahead = 5
	x.t.Helper()
	args := append(program[1:], x.requests.endpoint, x.broadcasts.endpoint, x.stream, fmt.Sprint(exampleCount))
	cmd := daemontest.Command(x.t, program[0], args...)
	cmd.Env = append(os.Environ(), "SILENCE=1")
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.StdoutPipe()
	if err != nil {
		x.t.Fatal(err)
	}
	x.write(ahead)
	if err := cmd.Start(); err != nil {
		x.t.Fatal(err)
	}
	lines := make(chan string)
	go func() { // ends with the example or the test
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan() && x.t.Context().Err() == nil; {
			select {
			case lines <- s.Text():
			case <-x.t.Context().Done():
			}
		}
	}()
	for {
		select {
		case line, more := <-lines:
			if more {
				x.write(x.take(line) + ahead)
				continue
			}
			if err := cmd.Wait(); err != nil {
				x.t.Error(err)
			}
			x.t.Logf("it complained:\n%s", &complaints)
			return
		case answer := <-x.requests.appended:
			answer <- x.disturb()
		}
	}
}

// take takes note of a line that the example has printed, and returns the id in it.
func (x *example) take(line string) (id uint64) {
	x.t.Helper()
	verb, rest, _ := strings.Cut(line, " ")
	number, data, _ := strings.Cut(rest, " ")
	id, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		x.t.Errorf("want a word, an id and data, have %q", line)
		return 0
	}
	if was, ok := x.printed[id]; ok && was != data {
		x.t.Errorf("%s %d: it was %q and is %q", verb, id, was, data)
	}
	x.printed[id] = data
	if verb == "published" {
		x.published = append(x.published, id)
		return id
	}
	if want := x.read[verb] + 1; id != want {
		x.t.Errorf("%s: want id %d, have %d", verb, want, id)
	}
	x.read[verb] = id
	return id
}

// disturb is called before the example gets the answer to an APPEND, and does what is
// planned for that moment. It reports whether the answer may go on.
func (x *example) disturb() bool {
	x.t.Helper()
	x.answers++
	switch x.answers { // the answers to part 1 end with 21, since one is lost, then with 42 and 63
	case 10, 30, 50:
		x.d.Kill()
		x.serve()
		return false
	case 36:
		x.d.Stop(x.t, syscall.SIGTERM)
		x.serve()
	case 56: // no later broadcast tells that some are lost
		x.broadcasts.none.Store(true)
	case 58:
		x.broadcasts.none.Store(false)
	}
	return true
}

// check holds what the example has printed beside the log.
func (x *example) check() {
	x.t.Helper()
	log := daemontest.Dial(x.t, x.d.Router).Events(x.stream, 0)
	for id, data := range x.printed {
		if id == 0 || id > uint64(len(log)) || log[id-1] != data {
			x.t.Errorf("it printed %d %q, which the log has not", id, data)
		}
	}
	want := 3 * exampleCount
	if len(x.published) != want || uint64(len(log)) != uint64(want)+x.written {
		x.t.Fatalf("want %d events of it and %d of the other, have %d in a log of %d", want, x.written, len(x.published), len(log))
	}
	for n, id := range x.published {
		if have, want := x.printed[id], fmt.Sprint(x.name, " ", n+1); have != want {
			x.t.Errorf("event %d: want %q, have %q", id, want, have)
		}
	}
	for n, verb := range []string{"queried", "followed", "subscribed"} {
		if last := x.published[(n+1)*exampleCount-1]; x.read[verb] < last {
			x.t.Errorf("%s: want events up to %d at least, have them up to %d", verb, last, x.read[verb])
		}
	}
}
