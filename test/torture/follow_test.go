package torture

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/client"
	"gorewind/store"
	"gorewind/store/storetest"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// TestFollow stops and kills the daemon at random moments, for 10 s or for as long
// as TORTURE says, under writers and under followers that stall, leave and come
// back, and checks P1, P2, P5 and P8: what every follower saw is the log, and the
// log holds what was acknowledged.
func TestFollow(t *testing.T) {
	r, seed := storetest.Rand(t)
	t.Logf("SEED=%d", seed)
	length := daemontest.Length(10 * time.Second)
	ctx, cancel := context.WithTimeout(context.Background(), length+3*time.Minute)
	defer cancel()
	c := &followRun{t: t, ctx: ctx, seed: seed, length: length, router: daemontest.FreeEndpoint(t, r), pub: daemontest.FreeEndpoint(t, r)}
	dir := t.TempDir()
	d := c.serve(dir)
	for range 4 {
		conn, err := client.Dial(ctx, client.Options{Endpoint: d.Router})
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		c.clients = append(c.clients, conn)
	}

	var writing, following sync.WaitGroup
	writers := make([]*writer, 6)
	for i := range writers {
		w := &writer{followRun: c, number: i, r: c.rand(100 + i), client: c.clients[i%2]}
		writers[i] = w
		writing.Go(w.run)
	}
	writing.Go(c.erase)
	followers := c.followers()
	for _, f := range followers {
		following.Go(f.run)
	}

	kills, stops := 0, 0
	for until := time.Now().Add(length); time.Now().Before(until) && !t.Failed(); {
		up := time.Duration(r.IntN(2000)) * time.Millisecond
		if r.IntN(8) == 0 {
			up *= 5
		}
		<-time.After(min(up, time.Until(until)))
		if r.IntN(2) == 0 {
			d.Kill()
			kills++
		} else {
			d.Stop(t, syscall.SIGTERM)
			stops++
		}
		<-time.After(time.Duration(r.IntN(300)) * time.Millisecond)
		d = c.serve(dir)
	}
	c.calm.Store(true)
	writing.Wait()
	c.mark()
	following.Wait()

	log := c.log()
	for _, f := range followers {
		if err := f.check(log); err != nil {
			t.Errorf("%s: %v", f, err)
		}
	}
	if err := checkWritten(writers, log); err != nil {
		t.Error(err)
	}
	t.Logf("%d kills, %d stops, %d events, %d erasures, %d followers that saw %d events, %d stalls, %d departures",
		kills, stops, len(log), c.erasures, len(followers), seenBy(followers), c.stalls.Load(), c.departures.Load())
}

// A followRun is one run of TestFollow.
type followRun struct {
	t           *testing.T
	ctx         context.Context
	seed        uint64
	length      time.Duration
	router, pub string // the same for every daemon
	clients     []*client.Client

	calm               atomic.Bool // it is to end: nobody begins to write or to stall
	stalls, departures atomic.Int64
	erasures           int
}

// rand returns the random numbers of one goroutine.
func (c *followRun) rand(number int) *rand.Rand { return rand.New(rand.NewPCG(c.seed, uint64(number))) }

func (c *followRun) serve(dir string) *daemontest.Daemon {
	c.t.Helper()
	return daemontest.StartCommand(c.t, exec.Command(daemontest.Binary(), "serve", "--router", c.router, "--pub", c.pub, "--data-dir", dir))
}

const (
	erasedPrefix = "erased/" // of the streams that erase changes
	endMark      = "end"     // the last event of each stream
)

// followStreams are all that there are: those that stay as they are, then the others.
var followStreams, erasedStreams = func() (all, erased []string) {
	for i := range 45 {
		all = append(all, fmt.Sprintf("%s/%d", []string{"a", "b/x", "b/y"}[i%3], i))
	}
	for i := range 5 {
		erased = append(erased, fmt.Sprint(erasedPrefix, i))
	}
	return append(all, erased...), erased
}()

// keptStreams are those whose events stay as they are.
var keptStreams = followStreams[:len(followStreams)-len(erasedStreams)]

// A writer publishes and appends, and keeps what became of it.
type writer struct {
	*followRun
	number int
	r      *rand.Rand
	client *client.Client
	sent   []*sent
}

// A sent is one request of a writer.
type sent struct {
	events  []written
	outcome outcome
}

// A written is an event of a request.
type written struct {
	stream string
	id     uint64 // if it was acknowledged
	found  bool   // in the log
}

type outcome int

const (
	unknown outcome = iota // the answer was lost
	acknowledged
	refused
)

func (w *writer) run() {
	for !w.calm.Load() {
		s := new(sent)
		w.sent = append(w.sent, s)
		var err error
		if w.r.IntN(2) == 0 {
			err = w.publish(s)
		} else {
			err = w.append(s)
		}
		switch {
		case err == nil:
			s.outcome = acknowledged
		case client.IsCode(err, wire.Stopping), client.IsCode(err, wire.Conflict):
			s.outcome = refused
		case !client.IsCode(err, wire.OutcomeUnknown):
			w.t.Errorf("writer %d: %v", w.number, err)
			return
		}
		<-time.After(time.Duration(w.r.IntN(8000)) * time.Microsecond)
	}
}

// data returns the next event of a request, which no other has.
func (w *writer) data(s *sent, stream string) []byte {
	s.events = append(s.events, written{stream: stream})
	size := w.r.IntN(50)
	if w.r.IntN(100) == 0 {
		size = w.r.IntN(20_000)
	}
	return fmt.Appendf(nil, "%d.%d.%d.%s", w.number, len(w.sent)-1, len(s.events)-1, strings.Repeat("x", size))
}

func (w *writer) publish(s *sent) (err error) {
	stream := keptStreams[w.r.IntN(len(keptStreams))]
	data := w.data(s, stream)
	s.events[0].id, err = w.client.Publish(w.ctx, stream, data)
	return err
}

func (w *writer) append(s *sent) error {
	var a client.Append
	if w.r.IntN(2) == 0 {
		a.Key = fmt.Sprint(w.number, ".", len(w.sent))
	}
	for range 1 + w.r.IntN(4) {
		g := client.Group{Stream: keptStreams[w.r.IntN(len(keptStreams))]}
		for range 1 + w.r.IntN(3) {
			g.Events = append(g.Events, w.data(s, g.Stream))
		}
		a.Groups = append(a.Groups, g)
	}
	if w.r.IntN(10) == 0 {
		a.Groups[0].Expected = client.Some(w.r.Uint64N(20)) // mostly in vain
	}
	ids, err := w.client.Append(w.ctx, a)
	if err != nil {
		return err
	}
	events := s.events
	for i, g := range a.Groups {
		for k := range g.Events {
			events[k].id = ids[i] - uint64(len(g.Events)-1-k)
		}
		events = events[len(g.Events):]
	}
	return nil
}

// erase writes, replaces and deletes in streams of its own.
func (c *followRun) erase() {
	r, conn := c.rand(0), c.clients[2]
	last := map[string]uint64{}
	for !c.calm.Load() {
		stream := erasedStreams[r.IntN(len(erasedStreams))]
		var err error
		switch n := last[stream]; {
		case r.IntN(2) == 0 || n == 0:
			var id uint64
			if id, err = conn.Publish(c.ctx, stream, fmt.Append(nil, r.Uint64())); err == nil {
				last[stream] = id
			}
		case r.IntN(10) == 0:
			err = conn.Delete(c.ctx, client.Delete{Stream: stream, UpTo: client.Some(n - r.Uint64N(min(n, 10)))})
			c.erasures++
		default:
			err = conn.Replace(c.ctx, stream, n-r.Uint64N(min(n, 20)), fmt.Append(nil, r.Uint64()))
			c.erasures++
		}
		// What is to be replaced may be deleted.
		if err != nil && !client.IsCode(err, wire.Stopping) && !client.IsCode(err, wire.OutcomeUnknown) && !client.IsCode(err, wire.UnknownID) {
			c.t.Errorf("erase: %v", err)
			return
		}
		<-time.After(time.Duration(r.IntN(20)) * time.Millisecond)
	}
}

// mark writes the last event of every stream.
func (c *followRun) mark() {
	a := client.Append{Key: endMark}
	for _, stream := range followStreams {
		a.Groups = append(a.Groups, client.Group{Stream: stream, Events: [][]byte{[]byte(endMark)}})
	}
	if _, err := c.clients[0].Append(c.ctx, a); err != nil {
		c.t.Error(err)
	}
}

// A follower follows, and keeps what it saw.
type follower struct {
	*followRun
	number int
	r      *rand.Rand
	client *client.Client // nil: it speaks the protocol itself
	stream string
	o      client.QueryOptions // After is how far it is
	from   uint64              // where it began
	later  bool                // it begins in the middle
	sees   *store.Selection
	marks  int       // that are yet to come
	next   time.Time // when it is to stall or to leave
	seen   []seen
}

// A seen is an event that a follower saw, or one of the log that it ought to.
type seen struct {
	at  uint64 // its position, or of a single stream its id
	sum uint32 // of stream, id and data, without the data where it may be replaced
	may bool   // it may be erased
}

func newSeen(at uint64, stream string, id uint64, data []byte) seen {
	sum := crc32.ChecksumIEEE(fmt.Append(nil, stream, " ", id))
	may := strings.HasPrefix(stream, erasedPrefix)
	if !may {
		sum = crc32.Update(sum, crc32.IEEETable, data)
	}
	return seen{at, sum, may}
}

func (f *follower) String() string {
	return fmt.Sprintf("follower %d of %q %+v, from %d, itself %v", f.number, f.stream, f.o, f.from, f.client == nil)
}

// followers returns followers of all kinds, each kind from the start and from
// later on, through a client and without.
func (c *followRun) followers() (all []*follower) {
	for _, of := range []struct {
		stream string
		match  client.Match
		also   []string
	}{
		{keptStreams[0], client.MatchName, nil},
		{keptStreams[20], client.MatchName, nil},
		{"", client.MatchPrefix, nil},
		{"a/", client.MatchPrefix, []string{erasedPrefix + "*", "*/x/*1"}},
		{"b/**", client.MatchGlob, nil},
		{"*/*3", client.MatchGlob, []string{"b/y/*"}},
	} {
		for kind := range 4 {
			n := len(all)
			f := &follower{followRun: c, number: n, r: c.rand(200 + n), later: kind/2 == 1, stream: of.stream}
			f.o = client.QueryOptions{Match: of.match, Also: of.also}
			if kind%2 == 0 {
				f.client = c.clients[1+n%3]
			}
			f.sees = selectionOf(of.stream, f.o)
			for _, stream := range followStreams {
				if f.sees.Matches([]byte(stream)) {
					f.marks++
				}
			}
			all = append(all, f)
		}
	}
	return all
}

// selectionOf returns what a follower selects. A name of the followRun's is a glob, too.
func selectionOf(stream string, o client.QueryOptions) *store.Selection {
	s := store.Prefix([]byte(stream))
	globs := o.Also
	if o.Match != client.MatchPrefix {
		s = new(store.Selection)
		globs = append([]string{stream}, globs...)
	}
	for _, glob := range globs {
		if err := s.Also('/', []byte(glob)); err != nil {
			panic(err)
		}
	}
	return s
}

func (f *follower) run() {
	if f.later {
		select {
		case <-time.After(time.Duration(f.r.Int64N(int64(f.length / 2)))):
		case <-f.ctx.Done():
		}
		if err := f.begin(); err != nil {
			f.t.Errorf("%s: %v", f, err)
			return
		}
	}
	f.plan()
	for f.marks > 0 {
		follow := f.follow
		if f.client == nil {
			follow = f.followItself
		}
		if err := errors.Join(follow(), f.ctx.Err()); err != nil {
			f.t.Errorf("%s: after %d events, %d before the end: %v", f, len(f.seen), f.marks, err)
			return
		}
	}
}

// begin chooses where it begins.
func (f *follower) begin() error {
	last := uint64(0)
	if f.o.Match == client.MatchName {
		for e, err := range f.clients[3].Query(f.ctx, f.stream, client.QueryOptions{Desc: true, Limit: 1}) {
			if err != nil {
				return err
			}
			last = e.ID
		}
	} else {
		info, err := f.clients[3].Info(f.ctx)
		if err != nil {
			return err
		}
		last = info.Position
	}
	f.from = f.r.Uint64N(last + 1)
	f.o.After = f.from
	return nil
}

// plan sets when it is to stall or to leave.
func (f *follower) plan() {
	f.next = time.Now().Add(time.Second + time.Duration(f.r.Int64N(int64(8*time.Second))))
}

// pause stalls, if it is time to, or reports that it is time to leave.
func (f *follower) pause() (leave bool) {
	if f.calm.Load() || time.Now().Before(f.next) {
		return false
	}
	defer f.plan()
	if f.r.IntN(3) == 0 {
		f.departures.Add(1)
		return true
	}
	f.stalls.Add(1)
	<-time.After(time.Second + time.Duration(f.r.Int64N(int64(max(2*time.Second, f.length/20)))))
	return false
}

// take takes an event, and reports whether it wants more.
func (f *follower) take(at uint64, stream string, id uint64, data []byte) (more bool, err error) {
	if at <= f.o.After || f.o.Match == client.MatchName && at != f.o.After+1 {
		return false, fmt.Errorf("%d of %q comes after %d", at, stream, f.o.After)
	}
	f.o.After = at
	f.seen = append(f.seen, newSeen(at, stream, id, data))
	if string(data) == endMark {
		f.marks--
	}
	return f.marks > 0 && !f.pause(), nil
}

// follow follows through the client, which resumes by itself.
func (f *follower) follow() error {
	for e, err := range f.client.Follow(f.ctx, f.stream, f.o) {
		if err != nil {
			return err
		}
		at := e.ID
		if f.o.Match != client.MatchName {
			at = e.Position
		}
		if more, err := f.take(at, e.Stream, e.ID, e.Data); err != nil || !more {
			return err
		}
	}
	return errors.New("a Follow ended")
}

// followItself follows over one connection, until nothing more comes.
func (f *follower) followItself() error {
	s, err := zmq.NewSocket(zmq.DEALER)
	if err != nil {
		return err
	}
	defer s.Close()
	q := wire.Query{Stream: []byte(f.stream), Follow: true, Match: f.o.Match}
	for _, glob := range f.o.Also {
		q.Also = append(q.Also, []byte(glob))
	}
	if f.o.After > 0 {
		q.After = client.Some(f.o.After)
	}
	const few, idle = 50, time.Second // what it misses is to wait in the daemon
	if err := errors.Join(s.SetLinger(0), s.SetRcvhwm(few), s.SetRcvtimeo(idle), s.Connect(f.router)); err != nil {
		return err
	}
	if _, err := s.SendMessage(q.Frames()); err != nil {
		return err
	}
	for {
		frames, err := s.RecvMessageBytes(0)
		if err != nil {
			if zmq.AsErrno(err) == zmq.Errno(syscall.EAGAIN) {
				return nil
			}
			return err
		}
		reply, err := wire.ParseReply(frames)
		if err != nil {
			return err
		}
		switch r := reply.(type) {
		case wire.Event:
			stream, id := f.stream, r.ID
			if r.Meta != nil {
				stream, id = string(r.Meta.Stream), r.Meta.ID
			}
			if more, err := f.take(r.ID, stream, id, r.Data); err != nil || !more {
				return err
			}
		case wire.Live:
		default:
			if client.IsCode(asError(r), wire.Stopping) {
				return nil
			}
			return fmt.Errorf("%v", r)
		}
	}
}

// asError returns the error that a reply is, if it is one.
func asError(r wire.Reply) error {
	if refused, ok := r.(*wire.Error); ok {
		return refused
	}
	return nil
}

// log returns all that there is.
func (c *followRun) log() (events []client.Event) {
	for e, err := range c.clients[0].Query(c.ctx, "", client.QueryOptions{Match: client.MatchPrefix}) {
		if err != nil {
			c.t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

// check compares what it saw with the log. It may have seen what was erased since.
func (f *follower) check(log []client.Event) error {
	rest := f.seen
	for _, e := range log {
		at := e.Position
		if f.o.Match == client.MatchName {
			at = e.ID
		}
		if at <= f.from || !f.sees.Matches([]byte(e.Stream)) {
			continue
		}
		for len(rest) > 0 && rest[0].may && rest[0].at < at {
			rest = rest[1:]
		}
		if len(rest) == 0 {
			return fmt.Errorf("%d of %q was not seen, nor what came after it", e.ID, e.Stream)
		}
		if want := newSeen(at, e.Stream, e.ID, e.Data); rest[0] != want {
			return fmt.Errorf("want %d of %q, %+v, have %+v", e.ID, e.Stream, want, rest[0])
		}
		rest = rest[1:]
	}
	if len(rest) > 0 {
		return fmt.Errorf("%d events more than there are", len(rest))
	}
	return nil
}

func seenBy(followers []*follower) (n int) {
	for _, f := range followers {
		n += len(f.seen)
	}
	return n
}

// checkWritten checks that the log holds what was acknowledged, once, nothing that
// was refused, and of no request a part.
func checkWritten(writers []*writer, log []client.Event) error {
	for _, e := range log {
		if strings.HasPrefix(e.Stream, erasedPrefix) || string(e.Data) == endMark {
			continue
		}
		var w, n, i int
		if _, err := fmt.Sscanf(string(e.Data), "%d.%d.%d.", &w, &n, &i); err != nil {
			return fmt.Errorf("%d of %q is %.50q: %w", e.ID, e.Stream, e.Data, err)
		}
		s := writers[w].sent[n]
		event := &s.events[i]
		if event.found || event.stream != e.Stream || s.outcome == refused || s.outcome == acknowledged && event.id != e.ID {
			return fmt.Errorf("request %d of writer %d, event %d, outcome %d, %+v, is %d of %q", n, w, i, s.outcome, *event, e.ID, e.Stream)
		}
		event.found = true
	}
	for w := range writers {
		for n, s := range writers[w].sent {
			found := 0
			for _, event := range s.events {
				if event.found {
					found++
				}
			}
			if found < len(s.events) && (found > 0 || s.outcome == acknowledged) {
				return fmt.Errorf("request %d of writer %d, outcome %d, has %d events and %d are there", n, w, s.outcome, len(s.events), found)
			}
		}
	}
	return nil
}
