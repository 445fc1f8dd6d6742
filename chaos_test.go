package main

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
	length, err := time.ParseDuration(os.Getenv("TORTURE"))
	if err != nil {
		length = 8 * time.Second // its end, when all followers are to have everything, takes a few more
	}
	ctx, cancel := context.WithTimeout(context.Background(), length+3*time.Minute)
	defer cancel()
	c := &chaos{
		t: t, ctx: ctx, cancel: cancel, r: r, seed: seed, dir: t.TempDir(), began: time.Now(), counts: make(map[string]int),
		router: unused(t, r), second: unused(t, r), pub: unused(t, r), ipc: "ipc://" + filepath.Join(t.TempDir(), "router"),
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

	d       *daemon
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
	cmd := exec.Command(binary(), args...)
	cmd.Env = append(os.Environ(), "GOREWIND_LOG_FORMAT="+pick("text", "json"))
	if c.r.IntN(2) == 0 {
		cmd.Env = append(cmd.Env, "GOGC="+pick("10", "100", "400"), "GOMAXPROCS="+pick("1", "2", "8"))
	}
	c.d = startCommand(c.t, cmd)
	c.serving.Store(&endpoints)
}

// end ends the daemon, mostly without asking.
func (c *chaos) end(kill bool) {
	// Of where the next one serves only this is known.
	c.serving.Store(&[]string{c.router})
	if kill {
		c.d.kill()
		c.kills++
	} else {
		c.d.stop(c.t, syscall.SIGTERM)
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
	for patience := time.Now().Add(20 * time.Second); ; {
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
		if time.Now().After(patience) {
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
	chase        *chase // of its followers
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
	e.chase = &chase{t: c.t, ctx: c.ctx, seed: c.seed + uint64(c.eras), length: length, router: c.router, pub: c.pub, clients: c.clients}

	var acting, following sync.WaitGroup
	for i := range 8 {
		a := &actor{era: e, number: i, r: e.chase.rand(i), by: &itself{chaos: c, r: e.chase.rand(100 + i)}}
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
	e.chase.calm.Store(true)
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
		f := &follower{chase: e.chase, number: n, r: e.chase.rand(200 + n), later: of.later, stream: of.stream}
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
	if e.do(throughClient{e.chaos, e.clients[0], nil}, o); o.fate != acknowledged {
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

// An asker asks a daemon, and puts what it answers into the operation.
type asker interface {
	ask(*operation) error
	close()
}

// errBroken: no answer came from a daemon that has ended.
var errBroken = errors.New("the daemon ended")

// do has an operation done, and takes note of it.
func (e *era) do(by asker, o *operation) {
	e.trace.add(o)
	o.call = e.now()
	e.settle(o, by.ask(o), false)
}

// settle takes note of what became of an operation, or of a later try of it: a
// refusal leaves open whether the first took effect.
func (e *era) settle(o *operation, err error, later bool) {
	o.end = e.now()
	var told *wire.Error
	what := "ok"
	switch {
	case err == nil:
		o.fate = acknowledged
	case errors.As(err, &told):
		o.refusal, what = told, string(told.Code)
		if told.Code != wire.OutcomeUnknown && !later && !errors.As(err, new(retried)) {
			o.fate = refused
		}
	case errors.Is(err, errBroken), errors.Is(err, context.DeadlineExceeded) && lasts(o.request):
		what = "open"
	default:
		e.t.Errorf("%v: %v", o, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.learn(o)
	e.chaos.mu.Lock()
	defer e.chaos.mu.Unlock()
	e.counts[fmt.Sprintf("%s %s", o.request.Frames()[0], what)]++
}

// lasts reports whether it is the client who ends a request.
func lasts(r wire.Request) bool {
	q, isQuery := r.(wire.Query)
	_, isWait := r.(wire.Wait)
	return isWait || isQuery && q.Follow
}

// learn keeps what later operations can be about.
func (e *era) learn(o *operation) {
	for g, id := range o.ids {
		stream := string(o.groups()[g].Stream)
		e.ids[stream] = max(e.ids[stream], id)
	}
	for _, s := range o.events {
		e.ids[s.Stream] = max(e.ids[s.Stream], s.ID)
		e.position = max(e.position, s.Position)
	}
	switch r := o.request.(type) {
	case wire.Commit:
		if o.fate == acknowledged {
			e.cursors[cursorName{string(r.Consumer), string(r.Stream)}] = r.ID
		}
	case wire.Cursor:
		e.cursors[cursorName{string(r.Consumer), string(r.Stream)}] = o.value
	case wire.Info:
		e.position = max(e.position, o.value)
	}
}

// told takes note of which store a daemon says it has: it is always the same.
func (c *chaos) told(store string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.store == "" {
		c.store = store
	}
	if store != c.store {
		c.t.Errorf("the store is %s, and was %s", store, c.store)
	}
}

// addEvent adds an event that came, having looked at all of its data.
func (o *operation) addEvent(e client.Event) error {
	token, err := tokenOf(e.Data)
	e.Data = []byte(token)
	o.events = append(o.events, e)
	return err
}

// throughClient asks through package client.
type throughClient struct {
	*chaos
	conn *client.Client
	log  *[]client.Event // where events are kept with their data, if not nil
}

// close implements asker. Who dialled closes the client.
func (throughClient) close() {}

// ask implements asker.
func (p throughClient) ask(o *operation) (err error) {
	ctx, cancel := patience()
	defer cancel()
	if lasts(o.request) {
		ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
	}
	switch r := o.request.(type) {
	case wire.Query:
		return p.query(ctx, o, r)
	case wire.Streams:
		for s, err := range p.conn.Streams(ctx, string(r.Prefix), string(r.After)) {
			if err != nil {
				return err
			}
			o.streams = append(o.streams, s)
			if uint64(len(o.streams)) == r.Limit {
				break
			}
		}
	case wire.Cursor:
		o.value, err = p.conn.Cursor(ctx, string(r.Consumer), string(r.Stream))
	case wire.Wait:
		o.value, err = p.conn.Wait(ctx, string(r.Consumer), string(r.Stream), r.ID)
	case wire.Info:
		var i client.Info
		if i, err = p.conn.Info(ctx); err == nil {
			p.told(i.StoreID())
			o.value = i.Position
		}
	case wire.Ping:
		return p.conn.Ping(ctx)
	default:
		var ids []uint64
		if ids, err = (&remote{c: p.conn}).call(r); err == nil {
			o.ids = ids
		}
		return p.again(r, err)
	}
	return err
}

// again returns what an error says, given that the client asks again by itself: of
// what was stored when the answer was lost, a later daemon may say that it takes
// no event of that size, and another cursor's owner may have gone on meanwhile.
func (throughClient) again(r wire.Request, err error) error {
	a, isAppend := r.(wire.Append)
	c, isCommit := r.(wire.Commit)
	if isAppend && len(a.Key) > 0 && client.IsCode(err, wire.TooLarge) || isCommit && !c.Rewind && client.IsCode(err, wire.Behind) {
		return retried{err}
	}
	return err
}

// retried is a refusal of what may have been stored before.
type retried struct{ error }

// Unwrap returns the refusal.
func (r retried) Unwrap() error { return r.error }

func (p throughClient) query(ctx context.Context, o *operation, q wire.Query) error {
	options := client.QueryOptions{
		After: q.After.ID, UpTo: q.UpTo, Limit: q.Limit, Desc: q.Desc, Since: q.Since, Until: q.Until,
		Nearest: q.Nearest, Consumer: string(q.Consumer), Meta: q.Meta, Match: q.Match,
	}
	for _, glob := range q.Also {
		options.Also = append(options.Also, string(glob))
	}
	ask := p.conn.Query
	if q.Follow {
		ask = p.conn.Follow
	}
	for e, err := range ask(ctx, string(q.Stream), options) {
		if err != nil {
			return err
		}
		if p.log != nil {
			*p.log = append(*p.log, e)
		}
		if err := o.addEvent(e); err != nil {
			return err
		}
	}
	return nil
}

// An itself speaks the protocol itself, over one connection to each daemon.
type itself struct {
	*chaos
	r     *rand.Rand
	peer  *peer
	round int64 // of the daemon that it is connected to
}

// close implements asker.
func (p *itself) close() {
	if p.peer != nil {
		p.peer.Close()
		p.peer = nil
	}
}

// connect connects to this daemon or, where that has ended, to the next.
func (p *itself) connect() {
	if p.peer != nil && p.round == p.chaos.round.Load() {
		return
	}
	p.close()
	p.round = p.chaos.round.Load()
	endpoints := *p.serving.Load()
	p.peer = dial(p.t, endpoints[p.r.IntN(len(endpoints))])
	if err := p.peer.SetRcvtimeo(50 * time.Millisecond); err != nil {
		p.t.Error(err)
	}
}

// ask implements asker.
func (p *itself) ask(o *operation) error {
	p.connect()
	p.peer.send(o.request)
	return p.answer(o)
}

// answer waits for the answer to what was sent.
func (p *itself) answer(o *operation) error {
	if p.peer == nil {
		return errBroken
	}
	if w, ok := o.request.(wire.Wait); ok && w.Timeout == wire.MaxWait {
		p.peer.send(wire.Cancel{})
	}
	for patience, cancelled := time.Now().Add(20*time.Second), false; ; {
		reply, err := p.peer.receive()
		switch {
		case err == nil:
		case zmq.AsErrno(err) != zmq.Errno(syscall.EAGAIN):
			p.close()
			return err
		case p.chaos.round.Load() != p.round:
			p.close()
			return errBroken
		case time.Now().After(patience):
			p.close()
			return fmt.Errorf("no answer in 20 s: %w", err)
		default:
			continue
		}
		if done, err := p.take(o, reply); done || err != nil {
			return err
		}
		if _, live := reply.(wire.Live); live && !cancelled {
			p.peer.send(wire.Cancel{})
			cancelled = true
		}
	}
}

// take takes a part of an answer, and reports whether it was the last.
func (p *itself) take(o *operation, reply wire.Reply) (done bool, err error) {
	if refused, ok := reply.(*wire.Error); ok {
		return true, refused
	}
	switch r := o.request.(type) {
	case wire.Query:
		switch a := reply.(type) {
		case wire.Event:
			return false, o.addEvent(eventOf(r, a))
		case wire.Live:
			return false, nil
		case wire.End:
			return true, nil
		}
	case wire.Streams:
		switch a := reply.(type) {
		case wire.StreamReply:
			o.streams = append(o.streams, client.Stream{Name: string(a.Name), Last: a.Last})
			return false, nil
		case wire.End:
			return true, nil
		}
	case wire.Cursor:
		a, ok := reply.(wire.CursorReply)
		o.value = a.ID
		return ok, mismatch(ok, o, reply)
	case wire.Wait:
		a, ok := reply.(wire.Reached)
		o.value = a.Cursor
		return ok, mismatch(ok, o, reply)
	case wire.Info:
		a, ok := reply.(wire.InfoReply)
		facts := make(map[string]string)
		for _, f := range a.Facts {
			facts[f.Name] = f.Value
		}
		p.told(facts["store"] + "." + facts["generation"])
		_, err := fmt.Sscan(facts["position"], &o.value)
		return ok, errors.Join(err, mismatch(ok, o, reply))
	case wire.Ping:
		a, ok := reply.(wire.Pong)
		ok = ok && slices.EqualFunc(a.Payload, r.Payload, slices.Equal)
		return ok, mismatch(ok, o, reply)
	default:
		o.ids, err = outcome(r, reply)
		return true, err
	}
	return true, mismatch(false, o, reply)
}

func mismatch(ok bool, o *operation, reply wire.Reply) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%v is answered by %q", o, reply.Frames())
}

// eventOf returns an event of an answer.
func eventOf(q wire.Query, a wire.Event) client.Event {
	if a.Meta == nil {
		return client.Event{Stream: string(q.Stream), ID: a.ID, Data: a.Data}
	}
	return client.Event{Stream: string(a.Meta.Stream), ID: a.Meta.ID, Position: a.Meta.Position, Time: a.Meta.Time, Data: a.Data}
}

// An actor is a client who does one thing after the other, at random.
type actor struct {
	*era
	number int
	r      *rand.Rand
	by     asker
	made   int          // how many data
	keyed  []*operation // acknowledged, with a key
}

func (a *actor) run() {
	defer a.by.close()
	for !a.chase.calm.Load() && !a.t.Failed() {
		a.act()
		<-time.After(time.Duration(a.r.IntN(3000)) * time.Microsecond)
	}
}

// act does something.
func (a *actor) act() {
	self, isItself := a.by.(*itself)
	switch n := a.r.IntN(100); {
	case n < 6:
		a.do(a.by, &operation{request: a.follow()})
	case n < 11:
		a.do(a.by, &operation{request: a.wait()})
	case n < 35:
		a.appendKeyed()
	case n < 45 && isItself:
		a.burst(self)
	default:
		a.do(a.by, &operation{request: a.brief()})
	}
}

// brief returns a request that is answered soon.
func (a *actor) brief() wire.Request {
	switch n := a.r.IntN(90); {
	case n < 20:
		return a.publish()
	case n < 30:
		return a.append()
	case n < 53:
		return a.query()
	case n < 58:
		return a.streams()
	case n < 66:
		return a.replace()
	case n < 69:
		return a.delete()
	case n < 79:
		return a.commit()
	case n < 85:
		return a.cursor()
	case n < 88:
		return wire.Info{}
	}
	return a.ping()
}

// burst asks for several things at once.
func (a *actor) burst(self *itself) {
	self.connect()
	all := make([]*operation, 2+a.r.IntN(10))
	var before *operation
	for i := range all {
		o := &operation{request: a.brief(), after: before}
		a.trace.add(o)
		o.call = a.now()
		self.peer.send(o.request)
		all[i], before = o, o
	}
	for _, o := range all {
		a.settle(o, self.answer(o), false)
	}
}

// one returns one of several.
func (a *actor) one(of ...[]string) string {
	all := slices.Concat(of...)
	return all[a.r.IntN(len(all))]
}

// data returns data that nothing else has.
func (a *actor) data() []byte {
	a.made++
	size := a.r.IntN(40)
	if a.r.IntN(100) == 0 {
		size = a.r.IntN(20_000)
	}
	return datum(fmt.Sprint(a.number, ".", a.made), size)
}

// id returns about the last id of a stream, or with spread one before it, or 0.
func (a *actor) id(stream string, spread uint64) uint64 {
	a.era.mu.Lock()
	defer a.era.mu.Unlock()
	last := a.ids[stream]
	return last - min(last, a.r.Uint64N(spread+1))
}

// at returns about the last position, or with spread one before it.
func (a *actor) at(spread uint64) uint64 {
	a.era.mu.Lock()
	defer a.era.mu.Unlock()
	return a.position - min(a.position, a.r.Uint64N(spread+1))
}

func (a *actor) publish() wire.Request {
	return wire.Publish{Stream: []byte(a.one(a.kept, a.erased)), Data: a.data()}
}

// expected returns what a writer may expect: mostly what is right, if nobody else
// was faster.
func (a *actor) expected(stream string) wire.Bound {
	switch a.r.IntN(8) {
	case 0:
		return client.Some(0)
	case 1:
		return client.Some(a.id(stream, 5))
	case 2, 3, 4:
		return client.Some(a.id(stream, 0))
	}
	return wire.Bound{}
}

func (a *actor) append() wire.Append {
	var r wire.Append
	used := make(map[string]bool)
	for range 1 + a.r.IntN(3) {
		stream := a.one(a.kept, a.erased)
		g := wire.Group{Stream: []byte(stream)}
		if !used[stream] {
			g.Expected = a.expected(stream)
		}
		used[stream] = true
		for range 1 + a.r.IntN(3) {
			g.Events = append(g.Events, a.data())
		}
		r.Groups = append(r.Groups, g)
	}
	return r
}

// appendKeyed appends under a key, several times over if need be: until it is
// answered, and perhaps once more long after.
func (a *actor) appendKeyed() {
	if len(a.keyed) > 0 && a.r.IntN(4) == 0 {
		a.repeat(a.keyed[a.r.IntN(len(a.keyed))])
		return
	}
	r := a.append()
	r.Key = fmt.Append(nil, a.number, ".", a.made)
	if a.r.IntN(30) == 0 && len(a.keyed) > 0 { // another's
		old := a.keyed[a.r.IntN(len(a.keyed))].request.(wire.Append)
		r.Key, r.Groups[0].Stream = old.Key, old.Groups[0].Stream
		r.Groups = r.Groups[:1]
	}
	o := &operation{request: r}
	a.do(a.by, o)
	for tries := 0; o.fate == open && tries < 3; tries++ {
		a.settle(o, a.by.ask(o), true)
	}
	if o.fate == acknowledged {
		a.keyed = append(a.keyed, o)
	}
}

// repeat asks again what was acknowledged, and must get the same answer.
func (a *actor) repeat(o *operation) {
	again := &operation{request: o.request}
	err := a.by.ask(again)
	var told *wire.Error
	switch {
	case err == nil && !slices.Equal(again.ids, o.ids):
		a.t.Errorf("%v is answered again by %d", o, again.ids)
	case err == nil, errors.Is(err, errBroken):
	case errors.As(err, &told) && (told.Code == wire.Stopping || told.Code == wire.TooLarge):
	default:
		a.t.Errorf("%v is answered again by %v", o, err)
	}
}

// selection makes a query one of several streams.
func (a *actor) selection(q *wire.Query) {
	q.Match, q.Stream = wire.MatchPrefix, []byte(a.trace.kept)
	others := fmt.Append(nil, erasedPrefix, a.name, "/*")
	switch a.r.IntN(4) {
	case 0:
		q.Also = [][]byte{others}
	case 1:
		q.Match, q.Stream = wire.MatchGlob, others
		q.Also = [][]byte{fmt.Append(nil, "*/", a.name, "/", a.r.IntN(6))}
	}
}

func (a *actor) query() wire.Request {
	stream := a.one(a.kept, a.erased)
	q := wire.Query{Stream: []byte(stream), Meta: a.r.IntN(2) == 0}
	id := func(spread uint64) uint64 { return a.id(stream, spread) }
	if a.r.IntN(3) == 0 {
		a.selection(&q)
		id = a.at
	}
	switch a.r.IntN(6) {
	case 0, 1:
		if n := id(50); n > 0 {
			q.After = client.Some(n)
		}
	case 2:
		q.Consumer = []byte(a.consumer())
	}
	if a.r.IntN(5) == 0 {
		q.UpTo = client.Some(max(id(50), q.After.ID))
	}
	if q.Match == wire.MatchName && q.After.Given && !q.UpTo.Given && a.r.IntN(5) == 0 {
		q.After.ID += 3 // it may not have been given yet
	}
	q.Nearest = a.r.IntN(3) == 0
	q.Desc = a.r.IntN(3) == 0
	if a.r.IntN(3) == 0 {
		q.Limit = 1 + a.r.Uint64N(10)
	}
	ago := func() time.Time { return time.Now().Add(-time.Duration(a.r.Int64N(3e9))).Truncate(time.Microsecond) }
	if a.r.IntN(6) == 0 {
		q.Since = ago()
	}
	if a.r.IntN(6) == 0 {
		q.Until = ago()
	}
	return q
}

// follow returns a follower that is soon ended.
func (a *actor) follow() wire.Request {
	stream := a.one(a.kept, a.erased)
	q := wire.Query{Stream: []byte(stream), Follow: true, Nearest: true}
	if n := a.id(stream, 10); n > 0 {
		q.After = client.Some(n)
	}
	if a.r.IntN(3) == 0 {
		a.selection(&q)
		q.After = client.Some(a.at(50))
	}
	if a.r.IntN(2) == 0 {
		q.Limit = 1 + a.r.Uint64N(10)
	}
	return q
}

func (a *actor) streams() wire.Request {
	r := wire.Streams{Prefix: []byte(a.trace.kept)}
	if a.r.IntN(3) == 0 {
		r.Prefix = fmt.Append(nil, erasedPrefix, a.name, "/")
	}
	if a.r.IntN(2) == 0 {
		r.After = fmt.Append(nil, r.Prefix, a.r.IntN(5))
	}
	r.Limit = a.r.Uint64N(4)
	return r
}

func (a *actor) replace() wire.Request {
	stream := a.one(a.erased)
	return wire.Replace{Stream: []byte(stream), ID: max(1, a.id(stream, 6)), Data: a.data()}
}

func (a *actor) delete() wire.Request {
	stream := a.one(a.erased)
	d := wire.Delete{Stream: []byte(stream)}
	if a.r.IntN(4) > 0 {
		d.UpTo = client.Some(a.id(stream, 10))
	}
	if a.r.IntN(4) == 0 {
		d.Expected = a.expected(stream)
	}
	return d
}

// consumer returns a name. The last one's cursors go back, too.
func (a *actor) consumer() string {
	return fmt.Sprint(a.name, a.one([]string{" forward", " onward", backward}))
}

const backward = " backward"

// cursorOf returns the name of a cursor, and about where it is.
func (a *actor) cursorOf() (name cursorName, at uint64) {
	name = cursorName{a.consumer(), a.one(a.kept[:2], a.erased[:1], []string{""})}
	a.era.mu.Lock()
	defer a.era.mu.Unlock()
	return name, a.cursors[name]
}

func (a *actor) commit() wire.Request {
	name, at := a.cursorOf()
	last := a.at(0)
	if name.stream != "" {
		last = a.id(name.stream, 0)
	}
	c := wire.Commit{Consumer: []byte(name.consumer), Stream: []byte(name.stream)}
	c.ID = max(1, min(at+a.r.Uint64N(12), last)) // perhaps behind by now
	switch n := a.r.Uint64N(8); {
	case n == 0 && name.stream != "":
		c.ID = last + 1 // perhaps not given yet
	case n == 1:
		c.ID = max(1, at-min(at, 5))
	}
	if strings.HasSuffix(name.consumer, backward) && a.r.IntN(2) == 0 {
		c.Rewind, c.ID = true, a.r.Uint64N(min(c.ID, last)+1)
	}
	return c
}

func (a *actor) cursor() wire.Request {
	name, _ := a.cursorOf()
	return wire.Cursor{Consumer: []byte(name.consumer), Stream: []byte(name.stream)}
}

func (a *actor) wait() wire.Request {
	name, at := a.cursorOf()
	w := wire.Wait{Consumer: []byte(name.consumer), Stream: []byte(name.stream), ID: at + a.r.Uint64N(10)}
	w.Timeout = time.Duration(a.r.IntN(100)) * time.Millisecond
	if a.r.IntN(3) == 0 {
		w.Timeout = wire.MaxWait // it is cancelled
	}
	return w
}

func (a *actor) ping() wire.Request {
	return wire.Ping{Payload: [][]byte{a.data(), nil}}
}
