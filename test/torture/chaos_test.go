package torture

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/client"
	"gorewind/store/storetest"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// TestChaos kills the daemon at random moments, for 8 s or for as long as TORTURE
// says, and starts it again with other flags, under clients that ask for all that
// can be asked, and checks P1 to P8: what they were told is what one store tells
// that does one thing after the other and forgets nothing.
//
// It runs in eras. Each has streams of its own, is checked in full at its end and
// then forgotten, so that a long run needs no more memory than a short one.
func TestChaos(t *testing.T) {
	r, seed := storetest.Rand(t)
	t.Logf("SEED=%d", seed)
	length := daemontest.Length(8 * time.Second) // its end, when all followers are to have everything, takes a few more
	ctx, cancel := context.WithTimeout(context.Background(), length+3*time.Minute)
	defer cancel()
	c := &chaos{
		t: t, ctx: ctx, cancel: cancel, r: r, seed: seed, dir: t.TempDir(), began: time.Now(), counts: make(map[string]int),
		router: daemontest.FreeEndpoint(t, r), second: daemontest.FreeEndpoint(t, r), pub: daemontest.FreeEndpoint(t, r), ipc: "ipc://" + filepath.Join(t.TempDir(), "router"),
	}
	c.serve()
	for range 4 {
		conn, err := client.Dial(ctx, client.Options{Endpoint: c.router})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c.clients = append(c.clients, conn)
	}
	s := c.subscribe()
	defer s.close()
	for until := time.Now().Add(length); time.Now().Before(until) && !t.Failed(); {
		c.era(s, min(8*time.Second, time.Until(until)))
	}
	t.Logf("%d eras, %d kills, %d stops, %d events, %d broadcasts, followers saw %d events", c.eras, c.kills, c.stops, c.events, c.heard, c.followed)
	for _, what := range slices.Sorted(maps.Keys(c.counts)) {
		t.Logf("%7d %s", c.counts[what], what)
	}
}

// A chaos is one run of TestChaos.
type chaos struct {
	t       *testing.T
	ctx     context.Context
	cancel  context.CancelFunc
	r       *rand.Rand
	seed    uint64
	dir     string
	began   time.Time
	clients []*client.Client

	router, pub string // of every daemon
	second, ipc string // of some

	d       *daemontest.Daemon
	serving atomic.Pointer[[]string] // where this daemon, or the next, serves
	round   atomic.Int64             // how many have ended

	// What was checked:
	eras, kills, stops, events, heard, followed int
	last                                        client.Event // the one with the highest position

	mu     sync.Mutex // protects the fields below
	store  string     // as INFO names it
	counts map[string]int
}

// now returns how long the run has lasted.
func (c *chaos) now() time.Duration { return time.Since(c.began) }

// serve starts a daemon with random flags.
func (c *chaos) serve() {
	c.t.Helper()
	pick := func(of ...string) string { return of[c.r.IntN(len(of))] }
	endpoints := []string{c.router}
	for _, e := range []string{c.second, c.ipc} {
		if c.r.IntN(2) == 0 {
			endpoints = append(endpoints, e)
		}
	}
	args := []string{"serve", "--data-dir", c.dir, "--pub", c.pub,
		"--max-event-bytes", pick("1048576", "4194304", "1000"), "--log-level", pick("info", "debug")}
	for _, e := range endpoints {
		args = append(args, "--router", e)
	}
	cmd := exec.Command(daemontest.Binary(), args...)
	cmd.Env = append(os.Environ(), "GOREWIND_LOG_FORMAT="+pick("text", "json"))
	if c.r.IntN(2) == 0 {
		cmd.Env = append(cmd.Env, "GOGC="+pick("10", "100", "400"), "GOMAXPROCS="+pick("1", "2", "8"))
	}
	c.d = daemontest.StartCommand(c.t, cmd)
	c.serving.Store(&endpoints)
}

// end ends the daemon, mostly without asking.
func (c *chaos) end(kill bool) {
	// Of where the next one serves only this is known.
	c.serving.Store(&[]string{c.router})
	if kill {
		c.d.Kill()
		c.kills++
	} else {
		c.d.Stop(c.t, syscall.SIGTERM)
		c.stops++
	}
	c.round.Add(1)
}

// A subscriber hears all broadcasts.
type subscriber struct {
	*chaos
	done, ended chan struct{}

	mu    sync.Mutex // protects the fields below
	heard []broadcast
	beat  string // the last
}

// beatPrefix is of the streams that show that the subscriber hears.
const beatPrefix = "beat/"

func (c *chaos) subscribe() *subscriber {
	c.t.Helper()
	sub, err := zmq.NewSocket(zmq.SUB)
	if err != nil {
		c.t.Fatal(err)
	}
	err = errors.Join(sub.SetLinger(0), sub.SetRcvhwm(0), sub.SetRcvtimeo(100*time.Millisecond),
		sub.SetReconnectIvl(20*time.Millisecond), sub.SetSubscribe(""), sub.Connect(c.pub))
	if err != nil {
		c.t.Fatal(err)
	}
	s := &subscriber{chaos: c, done: make(chan struct{}), ended: make(chan struct{})}
	go func() { // ends at close
		defer close(s.ended)
		defer sub.Close()
		s.run(sub)
	}()
	return s
}

func (s *subscriber) close() {
	close(s.done)
	<-s.ended
}

func (s *subscriber) run(sub *zmq.Socket) {
	for {
		select {
		case <-s.done:
			return
		default:
		}
		frames, err := sub.RecvMessageBytes(0)
		if zmq.AsErrno(err) == zmq.Errno(syscall.EAGAIN) && err != nil {
			continue
		}
		b, ok := wire.ParseBroadcast(frames)
		if err != nil || !ok {
			s.t.Errorf("the subscriber heard %q: %v", frames, err)
			return
		}
		s.take(b)
	}
}

func (s *subscriber) take(b wire.Broadcast) {
	token, err := tokenOf(b.Data)
	if err != nil {
		s.t.Errorf("the subscriber heard %d of %q: %v", b.ID, b.Stream, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if strings.HasPrefix(string(b.Stream), beatPrefix) {
		s.beat = string(b.Stream)
		return
	}
	s.heard = append(s.heard, broadcast{client.Event{Stream: string(b.Stream), ID: b.ID, Data: []byte(token)}, s.now()})
}

// heardAll returns what was heard, once all that was broadcast before has come.
func (s *subscriber) heardAll(stream string) []broadcast {
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err := s.clients[0].Publish(s.ctx, stream, datum("beat", 0)); err != nil {
			s.t.Errorf("beat: %v", err)
		}
		<-time.After(5 * time.Millisecond)
		s.mu.Lock()
		if s.beat == stream {
			defer s.mu.Unlock()
			heard := s.heard
			s.heard = nil
			return heard
		}
		s.mu.Unlock()
		if time.Now().After(deadline) {
			s.t.Errorf("the subscriber hears nothing")
			return nil
		}
	}
}

// An era is a part of a run.
type era struct {
	*chaos
	name         string
	trace        *trace
	followRun    *followRun // of its followers
	kept, erased []string

	mu       sync.Mutex // protects what is known, which need not be true any more
	ids      map[string]uint64
	position uint64
	cursors  map[cursorName]uint64
}

// era lets one pass, and checks it.
func (c *chaos) era(s *subscriber, length time.Duration) {
	e := &era{chaos: c, name: fmt.Sprint(c.eras), ids: make(map[string]uint64), cursors: make(map[cursorName]uint64)}
	c.eras++
	e.trace = &trace{kept: "kept/" + e.name + "/"}
	for i := range 6 {
		e.kept = append(e.kept, fmt.Sprint(e.trace.kept, i))
	}
	for i := range 3 {
		e.erased = append(e.erased, fmt.Sprint(erasedPrefix, e.name, "/", i))
	}
	e.followRun = &followRun{t: c.t, ctx: c.ctx, seed: c.seed + uint64(c.eras), length: length, router: c.router, pub: c.pub, clients: c.clients}

	var acting, following sync.WaitGroup
	for i := range 8 {
		a := &worker{era: e, number: i, r: e.followRun.rand(i), by: &itself{chaos: c, r: e.followRun.rand(100 + i)}}
		if i%2 == 0 {
			a.by = throughClient{c, c.clients[i/2], nil}
		}
		acting.Go(a.run)
	}
	followers := e.followers()
	for _, f := range followers {
		following.Go(f.run)
	}
	for until := time.Now().Add(length); time.Now().Before(until) && !c.t.Failed(); {
		up := time.Duration(c.r.IntN(500)) * time.Millisecond
		if c.r.IntN(8) == 0 {
			up *= 4
		}
		<-time.After(min(up, time.Until(until)))
		c.end(c.r.IntN(8) > 0)
		<-time.After(time.Duration(c.r.IntN(50)) * time.Millisecond)
		c.serve()
	}
	e.followRun.calm.Store(true)
	acting.Wait()
	c.end(true) // what is checked has come through this one, too
	c.serve()
	e.mark()
	if c.t.Failed() {
		c.cancel() // followers need not come to an end
	}
	following.Wait()
	if c.t.Failed() {
		return
	}
	e.trace.broadcasts = s.heardAll(beatPrefix + e.name)
	e.check(followers)
}

// followers returns some of a stream and of selections, through a client and
// without, from the start and from later on.
func (e *era) followers() (all []*follower) {
	others := []string{erasedPrefix + e.name + "/*"}
	for n, of := range []struct {
		stream string
		match  client.Match
		also   []string
		later  bool
	}{
		{e.kept[0], client.MatchName, nil, false},
		{e.kept[1], client.MatchName, nil, true},
		{e.trace.kept, client.MatchPrefix, others, false},
		{e.trace.kept, client.MatchPrefix, others, false},
		{"kept/" + e.name + "/*", client.MatchGlob, nil, true},
		{others[0], client.MatchGlob, []string{"*/" + e.name + "/1"}, false},
	} {
		f := &follower{followRun: e.followRun, number: n, r: e.followRun.rand(200 + n), later: of.later, stream: of.stream}
		f.o = client.QueryOptions{Match: of.match, Also: of.also}
		if n%2 == 0 {
			f.client = e.clients[n/2]
		}
		f.sees = selectionOf(of.stream, f.o)
		for _, stream := range slices.Concat(e.kept, e.erased) {
			if f.sees.Matches([]byte(stream)) {
				f.marks++
			}
		}
		all = append(all, f)
	}
	return all
}

// mark writes the last event of each stream.
func (e *era) mark() {
	a := wire.Append{Key: []byte(endMark + e.name)}
	for _, stream := range slices.Concat(e.kept, e.erased) {
		a.Groups = append(a.Groups, wire.Group{Stream: []byte(stream), Events: [][]byte{[]byte(endMark)}})
	}
	o := &operation{request: a}
	if e.do(throughClient{e.chaos, e.clients[0], nil}, o); o.outcome != acknowledged {
		e.t.Errorf("no end: %v", o)
	}
}

// check checks the era, and forgets it.
func (e *era) check(followers []*follower) {
	all := wire.Query{Stream: []byte(e.trace.kept), Match: wire.MatchPrefix, Also: [][]byte{[]byte(erasedPrefix + e.name + "/*")}}
	var log []client.Event
	e.do(throughClient{e.chaos, e.clients[0], &log}, &operation{request: all})
	self := &itself{chaos: e.chaos, r: e.r}
	defer self.close()
	for _, stream := range slices.Concat(e.kept, e.erased) {
		e.do(self, &operation{request: wire.Query{Stream: []byte(stream)}})
	}
	began := time.Now()
	if err := e.trace.check(); err != nil {
		e.t.Errorf("era %s: %v", e.name, err)
	}
	for _, f := range followers {
		if err := f.check(log); err != nil {
			e.t.Errorf("era %s: %s: %v", e.name, f, err)
		}
	}
	if n := len(log); n > 0 {
		if first := log[0]; first.Position <= e.last.Position || first.Time.Before(e.last.Time) {
			e.t.Errorf("position %d, %v, was given after %d, %v", first.Position, first.Time, e.last.Position, e.last.Time)
		}
		e.last = log[n-1]
		e.events += n
	}
	e.heard += len(e.trace.broadcasts)
	e.followed += seenBy(followers)
	e.t.Logf("era %s: %d operations, %d events, %d broadcasts, checked in %v", e.name, len(e.trace.operations), len(log), len(e.trace.broadcasts), time.Since(began))
}
