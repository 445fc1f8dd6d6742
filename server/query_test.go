package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/wire"
)

// TestQueryOptions uses ten events at the positions 1 to 10, five each in a and b/x, in
// turn.
func TestQueryOptions(t *testing.T) {
	d := serve(t)
	w := dial(t, zmq.DEALER, d.router())
	var times []string
	for i := range 10 {
		w.ask("PUBLISH", []string{"a", "b/x"}[i%2], fmt.Sprint(i+1)).want("PUBLISHED", id(i/2+1))
	}
	w.send("QUERY", "", "", "", "match=prefix")
	for range 10 {
		times = append(times, w.recv().frames[6])
	}
	w.recv().want("END")
	i := d.store.Info()
	name := fmt.Sprintf("store=%s.%d", i.ID, i.Generation)
	w.ask("COMMIT", "c", "a", id(3)).want("COMMITTED", id(3))
	w.ask("COMMIT", "c", "", id(7)).want("COMMITTED", id(7))
	none := ""
	for _, c := range []struct {
		query string // stream, after, upto and options, separated by spaces; - is an empty frame
		want  string // data of the events
		code  wire.Code
	}{
		{query: "a - -", want: "1 3 5 7 9"},
		{query: "a - - limit=2", want: "1 3"},
		{query: "a - - limit=5", want: "1 3 5 7 9"},
		{query: "a - - limit=6", want: "1 3 5 7 9"},
		{query: "a 2 4 limit=9", want: "5 7"},
		{query: "a - - order=desc", want: "9 7 5 3 1"},
		{query: "a 2 - order=desc limit=2", want: "9 7"},
		{query: "a 1 3 order=desc", want: "5 3"},
		{query: "a - 0 order=desc"},
		{query: "a 9 -", code: wire.UnknownID},
		{query: "a 9 - nearest"},
		{query: "a 4 9 nearest", want: "9"},
		{query: "a 4 2 nearest"},
		{query: "a 4 2", code: wire.BadRange},
		{query: "a - - consumer=c", want: "7 9"},
		{query: "a - - consumer=d", want: "1 3 5 7 9"},
		{query: "a 1 - consumer=c", code: wire.BadOption},
		{query: "a - - since=" + times[4] + " until=" + times[8], want: "5 7"},
		{query: "a 3 - since=" + times[2], want: "7 9"},
		{query: "a - - " + name, want: "1 3 5 7 9"},
		{query: "a - - store=" + i.ID + ".99", code: wire.OtherStore},
		{query: "- - - match=prefix", want: "1 2 3 4 5 6 7 8 9 10"},
		{query: "b - - match=prefix", want: "2 4 6 8 10"},
		{query: "b 4 8 match=prefix", want: "6 8"},
		{query: "b 4 8 match=prefix order=desc", want: "8 6"},
		{query: "- 5 - match=prefix limit=2", want: "6 7"},
		{query: "- - - match=prefix order=desc limit=3", want: "10 9 8"},
		{query: "- - - match=prefix consumer=c", want: "8 9 10"},
		{query: "- 99 - match=prefix", code: wire.UnknownID},
		{query: "- 99 - match=prefix nearest"},
		{query: "* - - match=glob", want: "1 3 5 7 9"},
		{query: "b/* - - match=glob also=a limit=3", want: "1 2 3"},
		{query: "* - - match=glob separator=x", want: "1 3 5 7 9"},
		{query: `a\ - - match=glob`, code: wire.BadOption},
		{query: `a - - match=glob also=b\`, code: wire.BadOption},
		{query: "a - - match=regexp", code: wire.BadOption},
		{query: "a - - follow order=desc", code: wire.BadOption},
		{query: "a 9 - follow", code: wire.UnknownID},
		{query: "a 3 - follow limit=2", want: "7 9"},
		{query: "- 7 - match=prefix follow limit=3", want: "8 9 10"},
	} {
		t.Run(c.query, func(t *testing.T) {
			w.t = t
			words := strings.Fields(c.query)
			for k, word := range words {
				if n := 0; word == "-" {
					words[k] = none
				} else if _, err := fmt.Sscan(word, &n); err == nil && k > 0 && k < 3 {
					words[k] = id(n)
				}
			}
			w.send(append([]string{"QUERY"}, words...)...)
			var have []string
			for {
				r := w.recv()
				if c.code != "" {
					r.wantError(c.code)
					return
				}
				if r.frames[0] == "END" {
					break
				}
				if selects := strings.Contains(c.query, "match="); selects != (len(r.frames) == 7) || selects && r.frames[1] != r.frames[5] {
					t.Fatalf("have %q", r.frames)
				}
				have = append(have, r.frames[2])
			}
			if want := strings.Fields(c.want); !slices.Equal(want, have) {
				t.Errorf("want %v, have %v", want, have)
			}
		})
	}
	w.t = t
}

// TestGivenBackWithOptions: a peer that stalls and reads on gets exactly what its
// options select.
func TestGivenBackWithOptions(t *testing.T) {
	d := serve(t)
	const n, size, limit = 40_000, 300, 35_000
	fill(t, d.store, "s", n, size)
	for _, options := range []string{"", "order=desc", "match=prefix", "match=prefix order=desc", "meta"} {
		t.Run(options, func(t *testing.T) {
			z := dial(t, zmq.DEALER, d.router(), tiny)
			ask := append([]string{"QUERY", "s", "", "", fmt.Sprint("limit=", limit)}, strings.Fields(options)...)
			z.send(ask...)
			for k := range limit {
				if k == 0 || k == 8000 {
					eventually(t, "a chunk is kept", func() bool {
						return d.is(func(l *loop) bool { return l.inHand.Load() == 0 && l.stats.Blocked.Load() == 1 })
					})
				}
				want := k + 1
				if strings.Contains(options, "desc") {
					want = n - k
				}
				if m := z.recvBytes(); eventID(m) != want {
					t.Fatalf("want event %d, have %d", want, eventID(m))
				}
			}
			z.recv().want("END")
			z.close()
			eventually(t, "a connection is left", func() bool { return d.Stats.Connections.Load() == 0 })
		})
	}
}

// TestStopAfterACommit: a stop does not wait for the broadcast of a position without an
// event.
func TestStopAfterACommit(t *testing.T) {
	d := serve(t)
	sub := subscribe(t, d, "s")
	z := dial(t, zmq.DEALER, d.router())
	z.send("PUBLISH", "s", "x")
	z.send("COMMIT", "c", "s", id(1))
	z.send("REPLACE", "s", id(1), "y")
	for range 3 {
		z.recv()
	}
	began := time.Now()
	d.stop()
	if err := d.ended(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > grace {
		t.Errorf("stopping took %v", took)
	}
	if have := sub.next(); have[1] != id(1) {
		t.Errorf("broadcast: have %q", have)
	}
}
