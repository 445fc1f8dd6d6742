package load

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/wire"
)

// A fake is a daemon that keeps events in memory and can be told to misbehave.
type fake struct {
	Target
	t           *testing.T
	zctx        *zmq.Context
	router, pub *zmq.Socket
	streams     map[string][][]byte
	twist       twist
	mute        uint64 // the id that is not broadcast
	said        int    // replies to PUBLISH, APPEND and QUERY so far
	ended       chan struct{}
}

// A twist changes a fake's n-th reply, from 1.
type twist func(n int, r wire.Reply) wire.Reply

// A verdict is what a twist returns instead of a reply.
type verdict string

func (verdict) Frames() [][]byte { return nil }

const (
	gone   verdict = "the fake goes away"
	silent verdict = "it says nothing"
)

func honest(_ int, r wire.Reply) wire.Reply { return r }

// at changes the n-th reply and no other.
func at(n int, to wire.Reply) twist {
	return func(i int, r wire.Reply) wire.Reply {
		if i == n {
			return to
		}
		return r
	}
}

// newFake starts a fake that broadcasts all ids but mute.
func newFake(t *testing.T, w twist, mute uint64) *fake {
	t.Helper()
	f := &fake{t: t, twist: w, mute: mute, streams: make(map[string][][]byte), ended: make(chan struct{})}
	f.Dir, f.Timeout = t.TempDir(), time.Minute // a busy machine is not a daemon that is gone
	var errs [8]error
	f.zctx, errs[0] = zmq.NewContext()
	f.router, errs[1] = f.zctx.NewSocket(zmq.ROUTER)
	f.pub, errs[2] = f.zctx.NewSocket(zmq.PUB)
	errs[3] = errors.Join(f.router.SetLinger(0), f.router.SetSndhwm(0), f.pub.SetLinger(0), f.pub.SetSndhwm(0))
	errs[4], errs[5] = f.router.Bind("tcp://127.0.0.1:*"), f.pub.Bind("tcp://127.0.0.1:*")
	f.Router, errs[6] = f.router.GetLastEndpoint()
	f.Pub, errs[7] = f.pub.GetLastEndpoint()
	if err := errors.Join(errs[:]...); err != nil {
		t.Fatal(err)
	}
	go f.serve() // ends when the context ends or its twist says so
	t.Cleanup(func() {
		if err := f.zctx.Term(); err != nil {
			t.Error(err)
		}
		<-f.ended
	})
	return f
}

func (f *fake) serve() {
	defer close(f.ended)
	defer f.pub.Close()
	defer f.router.Close()
	for {
		frames, err := f.router.RecvMessageBytes(0)
		if err != nil {
			if zmq.AsErrno(err) != zmq.ETERM && zmq.AsErrno(err) != zmq.Errno(syscall.EINTR) {
				f.t.Error(err)
			}
			return
		}
		request, refused := wire.ParseRequest(frames[1:])
		if refused != nil {
			f.t.Error(refused)
			return
		}
		if !f.answer(frames[0], request) {
			return
		}
	}
}

// answer reports whether the fake is still there.
func (f *fake) answer(id []byte, request wire.Request) bool {
	switch r := request.(type) {
	case wire.Ping:
		return f.send(id, wire.Pong{})
	case wire.Publish:
		stream := string(r.Stream)
		f.streams[stream] = append(f.streams[stream], r.Data)
		n := uint64(len(f.streams[stream]))
		if !f.say(id, wire.Published{ID: n}) {
			return false
		}
		if n == f.mute {
			return true
		}
		_, err := f.pub.SendMessage(wire.Broadcast{Stream: r.Stream, ID: n, Data: r.Data}.Frames())
		return err == nil
	case wire.Append:
		var ids []uint64
		for _, g := range r.Groups {
			stream := string(g.Stream)
			f.streams[stream] = append(f.streams[stream], g.Events...)
			ids = append(ids, uint64(len(f.streams[stream])))
		}
		return f.say(id, wire.Appended{IDs: ids})
	case wire.Query:
		for i, data := range f.streams[string(r.Stream)] {
			if !f.say(id, wire.Event{ID: uint64(i + 1), Data: data}) {
				return false
			}
		}
		return f.say(id, wire.End{})
	}
	f.t.Errorf("unexpected request %v", request)
	return false
}

func (f *fake) say(id []byte, r wire.Reply) bool {
	f.said++
	r = f.twist(f.said, r)
	return r == silent || r != gone && f.send(id, r)
}

func (f *fake) send(id []byte, r wire.Reply) bool {
	_, err := f.router.SendMessage(append([][]byte{id}, r.Frames()...))
	return err == nil
}

// events is how many the workloads of tests have.
const events = 200

func tiny(name string) Workload {
	for _, w := range Workloads(Options{Events: events, Clients: 3, InFlight: 20}) {
		if w.Name == name {
			w.Batch = min(w.Batch, 30) // which does not divide events
			return w
		}
	}
	panic(name)
}

func TestPass(t *testing.T) {
	f := newFake(t, honest, 0)
	told := make(map[string]bool)
	f.Progress = func(name string, done, of int) {
		told[name] = told[name] || done > 0 && done <= of
	}
	workloads := Workloads(Options{Events: events, Clients: 3, InFlight: 20})
	floors, results, err := Pass(t.Context(), f.Target, workloads)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]float64{"fdatasync": floors.Fdatasync, "round trip": floors.RoundTrip,
		"echo": floors.Echo, "echo of large": floors.EchoLarge, "stream": floors.Stream} {
		if v <= 0 {
			t.Errorf("%s: %v", name, v)
		}
	}
	if len(results) != len(workloads) {
		t.Fatalf("want %d results, have %d", len(workloads), len(results))
	}
	for i, r := range results {
		w := workloads[i]
		if r.Workload != w.Name || r.Events != w.Count*max(1, w.Subscribers) || r.Lost != 0 || r.Rate <= 0 || r.Seconds <= 0 || r.MB <= 0 {
			t.Errorf("%+v", r)
		}
		if w.Name != "replay" && (r.P50 <= 0 || r.P99 < r.P50 || r.P999 < r.P99 || r.Max < r.P999) {
			t.Errorf("latencies: %+v", r)
		}
		if (r.Ratio > 0) != (w.floor != toNothing) || (r.Floor == "") != (w.floor == toNothing) {
			t.Errorf("floor: %+v", r)
		}
		if !told[w.Name] {
			t.Errorf("%s: no progress was told", w.Name)
		}
	}
}

const silence = "no answer from the daemon"

// TestMisbehaviour: whatever is not as promised ends a workload with an error
// that says so, within the target's timeout.
func TestMisbehaviour(t *testing.T) {
	const half = events / 2
	refusal := wire.Errorf(wire.Damaged, "restore a backup", "the disk is gone")
	for name, c := range map[string]struct {
		workload string
		twist    twist
		want     string
	}{
		"ERROR":               {"pipelined", at(half, refusal), "the disk is gone; restore a backup"},
		"ERROR to one of":     {"clients", at(half, refusal), "the disk is gone"},
		"ERROR, batches":      {"batches", at(3, refusal), "the disk is gone"},
		"ERROR, large":        {"large", at(half, refusal), "the disk is gone"},
		"ERROR, fan-out":      {"fanout-10", at(half, refusal), "the disk is gone"},
		"ERROR, mixed":        {"mixed", at(3*half, refusal), "the disk is gone"},
		"ERROR in replay":     {"replay", at(events+half, refusal), "the disk is gone"},
		"ERROR to replays":    {"mixed", func(_ int, r wire.Reply) wire.Reply { return orRefusal(r, refusal) }, "the disk is gone"},
		"wrong id":            {"single", at(half, wire.Published{ID: half + 1}), "wrong id: want 100, have 101"},
		"an id again":         {"pipelined", at(half, wire.Published{ID: half - 1}), "wrong id: want 100, have 99"},
		"other answer":        {"pipelined", at(half, wire.Pong{}), `unexpected answer: "PONG"`},
		"gone":                {"pipelined", at(half, gone), silence + " for 300ms"},
		"gone, one in flight": {"clients-single", at(half, gone), silence},
		"gone, fan-out":       {"fanout-1", at(half, gone), silence},
		"gone in replay":      {"replay", at(events+half, gone), silence},
		"replay with a gap":   {"replay", at(events+half, wire.Event{ID: half + 1, Data: make([]byte, 100)}), "wrong id: want 100, have 101"},
		"replay cut short":    {"replay", at(events+half, wire.End{}), "want 200, have 99"},
		"wrong id of many":    {"streams", at(half, wire.Published{ID: 9999}), "have 9999"},
		"wrong id of a batch": {"batches", at(7, wire.Appended{IDs: []uint64{180}}), "wrong id: want 200, have 180"},
		"batch as an event":   {"batches", at(2, wire.Published{ID: 60}), `unexpected answer: "PUBLISHED"`},
		"replay of others":    {"replay", at(events+half, wire.Event{ID: half, Data: []byte("?")}), "want 100 bytes, have 1"},
	} {
		t.Run(name, func(t *testing.T) {
			begun := time.Now()
			f := newFake(t, c.twist, 0)
			if strings.HasPrefix(c.want, silence) {
				f.Timeout = 300 * time.Millisecond
			}
			_, err := tiny(c.workload).Run(t.Context(), f.Target)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("want %q, have %v", c.want, err)
			}
			if e := new(wire.Error); strings.HasPrefix(name, "ERROR") && !(errors.As(err, &e) && e.Code == wire.Damaged) {
				t.Errorf("not a wire.Error: %#v", err)
			}
			if took := time.Since(begun); took > 10*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// orRefusal lets everything pass but events.
func orRefusal(r wire.Reply, refusal wire.Reply) wire.Reply {
	if _, ok := r.(wire.Event); ok {
		return refusal
	}
	return r
}

// TestLostBroadcasts: what PUB drops is counted, in the middle and at the end.
func TestLostBroadcasts(t *testing.T) {
	w := tiny("fanout-10")
	for _, lost := range []int{2, w.Count / 2, w.Count} { // probes have the id 1
		f := newFake(t, honest, uint64(lost))
		f.Timeout = 3 * time.Second // of which the last one takes all
		r, err := w.Run(t.Context(), f.Target)
		if err != nil {
			t.Fatal(err)
		}
		if r.Lost != 10 || r.Events != 10*(w.Count-1) {
			t.Errorf("without event %d: %+v", lost, r)
		}
	}
}

// TestNoBroadcasts: a PUB that says nothing is told from one that drops.
func TestNoBroadcasts(t *testing.T) {
	f := newFake(t, honest, 1) // the id of every probe
	f.Timeout = 300 * time.Millisecond
	_, err := tiny("fanout-1").Run(t.Context(), f.Target)
	if err == nil || !strings.Contains(err.Error(), "no broadcast came") {
		t.Error(err)
	}
}

func TestCancel(t *testing.T) {
	cause := errors.New("the user has had enough")
	for _, w := range Workloads(Options{Events: events, Clients: 3, InFlight: 20}) {
		t.Run(w.Name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			f := newFake(t, func(n int, r wire.Reply) wire.Reply {
				if n == 5 {
					cancel(cause)
				}
				if n >= 5 {
					return silent
				}
				return r
			}, 0)
			if _, err := tiny(w.Name).Run(ctx, f.Target); !errors.Is(err, cause) {
				t.Errorf("want %v, have %v", cause, err)
			}
		})
	}
}

// TestPace: a client with a pace takes the time that it says.
func TestPace(t *testing.T) {
	f := newFake(t, honest, 0)
	r, err := publishTo(t.Context(), f.Target, tiny("pipelined"), newStream(), time.Millisecond)
	if least := .001 * (events - 1); err != nil || r.Seconds < least {
		t.Errorf("want at least %v s, have %+v, %v", least, r, err)
	}
}

func TestHistogram(t *testing.T) {
	var h Histogram
	if h.Quantile(.5) != 0 || h.Count() != 0 || h.Max() != 0 {
		t.Error("it is not empty")
	}
	values := make([]time.Duration, 10_000)
	for i := range values {
		values[i] = time.Duration(rand.Uint64() >> (2 + rand.UintN(62)))
		h.record(values[i])
	}
	slices.Sort(values)
	for _, q := range []float64{0, .1, .5, .99, .999, 1} {
		want, have := float64(values[max(0, int(q*10_000)-1)]), float64(h.Quantile(q))
		if have < want*.99-1 || have > want*1.01+1 {
			t.Errorf("quantile %v: want %v, have %v", q, want, have)
		}
	}
	if h.Count() != 10_000 || h.Max() != values[9_999] {
		t.Errorf("%d values, at most %v", h.Count(), h.Max())
	}
}

func TestMedian(t *testing.T) {
	m := Median([]Result{{Rate: 3, Lost: 0}, {Rate: 1, Lost: 7}, {Rate: 2, Lost: 9}})
	if m.Rate != 2 || m.Lost != 7 {
		t.Errorf("%+v", m)
	}
	if f := MedianFloors([]Floors{{Echo: 4}, {Echo: 1}}); f.Echo != 1 {
		t.Errorf("%+v", f)
	}
}

func TestBadTarget(t *testing.T) {
	_, err := tiny("single").Run(t.Context(), Target{Router: "nonsense"})
	for _, err := range []error{err, CheckEndpoint("nonsense")} {
		if err == nil || !strings.Contains(err.Error(), `"nonsense"`) || !strings.Contains(err.Error(), "tcp://") {
			t.Error(err)
		}
	}
	if err := CheckEndpoint("tcp://127.0.0.1:1"); err != nil {
		t.Errorf("where nobody is, somebody may come: %v", err)
	}
}
