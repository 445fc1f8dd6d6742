package server

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"gorewind/store"
)

// TestEveryWordIsCounted: every command and every code of the protocol has a counter.
func TestEveryWordIsCounted(t *testing.T) {
	var listed []string
	for _, code := range codes {
		listed = append(listed, string(code))
	}
	for _, c := range []struct {
		file, pattern string
		listed        []string
	}{
		{"../wire/request.go", `(?m)^\t[A-Z]+ += "([A-Z]+)"$`, commands[:unknown]},
		{"../wire/error.go", `Code = "([A-Z-]+)"`, listed},
	} {
		text, err := os.ReadFile(c.file)
		if err != nil {
			t.Fatal(err)
		}
		var want []string
		for _, m := range regexp.MustCompile(c.pattern).FindAllSubmatch(text, -1) {
			want = append(want, string(m[1]))
		}
		if !slices.Equal(want, c.listed) {
			t.Errorf("%s: want %q, have %q", c.file, want, c.listed)
		}
	}
}

// counted returns the counts that are not zero.
func counted(of func(func(string, uint64) bool)) map[string]uint64 {
	found := make(map[string]uint64)
	for word, n := range of {
		if n > 0 {
			found[word] = n
		}
	}
	return found
}

// TestRefusalsAreCounted: every way by which an ERROR reaches a peer counts it.
func TestRefusalsAreCounted(t *testing.T) {
	d := serve(t)
	z := dial(t, zmq.DEALER, d.router())
	for _, c := range []struct {
		code    string
		request []string
	}{
		{"MALFORMED", []string{"PUBLISH"}},
		{"UNKNOWN-COMMAND", []string{"FROBNICATE"}},
		{"CONFLICT", []string{"APPEND", "", "s", id(7), "1", "x"}},    // the store's, of a batch
		{"UNKNOWN-ID", []string{"REPLACE", "s", id(7), "x"}},          // the store's, of a change
		{"UNKNOWN-ID", []string{"QUERY", "s", id(1), ""}},             // a reader's
		{"TIMEOUT", []string{"WAIT", "consumer", "s", id(1), "1"}},    // the loop's own
		{"OTHER-STORE", []string{"QUERY", "s", "", "", "store=00.1"}}, // a reader's
	} {
		before := counted(d.Stats.Refused())
		r := z.ask(c.request...)
		code := regexp.MustCompile(`^ERROR ([A-Z-]+)`).FindStringSubmatch(r.frames[0])
		if code == nil {
			t.Fatalf("%q: want an ERROR, have %q", c.request, r.frames)
		}
		if code[1] != c.code {
			t.Errorf("%q: want %s, have %s", c.request, c.code, code[1])
		}
		// The ERROR of a task is counted after it was sent.
		eventually(t, fmt.Sprintf("%q is not counted once as %s", c.request, code[1]), func() bool {
			return counted(d.Stats.Refused())[code[1]] == before[code[1]]+1
		})
	}
}

// TestFollowersAreSeen: the number of followers, and how far a follower that reads
// nothing is behind, for a stream and for a selection.
func TestFollowersAreSeen(t *testing.T) {
	for name, options := range map[string][]string{
		"stream":    {"QUERY", "s", "", "", "follow"},
		"selection": {"QUERY", "s", "", "", "match=prefix", "follow"},
	} {
		t.Run(name, func(t *testing.T) {
			d := serve(t)
			z := dial(t, zmq.DEALER, d.router(), func(z *zmq.Socket) error { return z.SetRcvhwm(1) })
			z.send(options...)
			seen := func() Followers { return d.Server.Followers(d.store.Info().LastPosition) }
			eventually(t, "it does not follow", func() bool { return d.is(func(l *loop) bool { return l.parked.len == 1 }) })
			if have := seen(); have != (Followers{Count: 1}) {
				t.Errorf("want one that has everything, have %+v", have)
			}
			large := make([]byte, 1<<20)
			for !d.is(func(l *loop) bool { return l.stats.Blocked.Load() == 1 }) {
				store.Await(func(done func([]store.Result)) {
					d.store.Append([]store.Append{{Groups: []store.Group{{Stream: []byte("s"), Events: [][]byte{large}}}}}, done)
				})
			}
			const more = 20
			for range more {
				store.Await(func(done func([]store.Result)) {
					d.store.Append([]store.Append{{Groups: []store.Group{{Stream: []byte("s"), Events: [][]byte{nil}}}}}, done)
				})
			}
			eventually(t, "it is not behind", func() bool {
				have := seen()
				return have.Count == 1 && have.Events+have.Positions >= more
			})
			for range d.last(t, "s") + 1 { // and LIVE
				z.recv()
			}
			eventually(t, "it is behind", func() bool { return seen() == Followers{Count: 1} })
			z.Close()
			eventually(t, "it is there", func() bool { return seen() == Followers{} })
		})
	}
}
