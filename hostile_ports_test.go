package main

import (
	"bytes"
	"context"
	order "encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/store/storetest"
	"gorewind/wire"
)

const (
	hostileEvent  = 64 << 10         // largest event of the daemon that is attacked
	hostileFrame  = 2 * hostileEvent // largest frame that it receives
	hostileFrames = 16_384           // most of a message

	strangersAtOnce = 8
	floodedAtOnce   = 500 // connections that floods hold open

	// What may be resident beyond what was at the start, in MiB: the store's caches,
	// what queries have in memory, and as much again that is free, but that Go and
	// glibc keep.
	mostGrowth = 400

	mostThreads = 24 // beyond those at the start: Go keeps the threads that it had for calls into the system
)

// TestHostilePorts attacks both doors of a daemon for 6 s, or for as long as
// TORTURE says, with strangers that speak ZMTP and the protocol badly, several at
// once, and checks P10 beside them: good clients are served and get right answers,
// strangers get whole ones, and when they have gone, nothing of theirs is left.
func TestHostilePorts(t *testing.T) {
	_, seed := storetest.Rand(t)
	t.Logf("SEED=%d", seed)
	length, err := time.ParseDuration(os.Getenv("TORTURE"))
	if err != nil {
		length = 6 * time.Second
	}
	s := &siege{
		t: t, seed: seed, d: start(t, "--max-event-bytes", strconv.Itoa(hostileEvent)),
		room: make(chan struct{}, floodedAtOnce), calm: make(chan struct{}),
	}
	c := s.citizens()
	s.before = s.holdings()
	rounds := 0
	for until := time.Now().Add(length); rounds == 0 || time.Now().Before(until) && !t.Failed(); rounds++ {
		s.round(rounds)
		s.aftermath(c)
	}
	c.rest()
	c.check()
	s.end(rounds)
	t.Logf("%d rounds: %d strangers sent %d messages and had %d answers, %d of them ERROR; %d raw streams had %d messages back; %d floods; "+
		"%d good events, %d of them not broadcast", rounds, s.strangers.Load(), s.messages.Load(), s.answers.Load(),
		s.refusals.Load(), s.streams.Load(), s.heard.Load(), s.floods.Load(), c.events(), c.gaps.Load())
	t.Logf("PING: %v", &c.pings)
	if s.heard.Load() == 0 || s.refusals.Load() == 0 {
		t.Error("the strangers were not answered: the attack is not what it should be")
	}
}

// A siege is one run of TestHostilePorts.
type siege struct {
	t        *testing.T
	seed     uint64
	d        *daemon
	before   holdings
	room     chan struct{} // a token for each connection that a flood holds
	calm     chan struct{} // closed when the citizens are to end
	stopping atomic.Bool   // the daemon was told to stop

	strangers, messages, answers, refusals, streams, heard, floods atomic.Int64
}

// round has strangers attack for about two seconds. When one has had enough,
// another takes its place.
func (s *siege) round(number int) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for slot := range strangersAtOnce {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				s.stranger(ctx, uint64(number)<<32|uint64(slot)<<24|uint64(n))
			}
		})
	}
	wg.Wait()
}

// stranger is one attack, which its number and the seed make.
func (s *siege) stranger(ctx context.Context, number uint64) {
	x := &stranger{siege: s, ctx: ctx, r: rand.New(rand.NewPCG(s.seed, number))}
	s.strangers.Add(1)
	var err error
	kind := "raw"
	switch n := x.r.IntN(20); {
	case n < 9:
		err = x.raw()
	case n < 12:
		kind = "socket"
		err = x.misfit()
	case n < 19:
		kind = "dealer"
		err = x.dealer()
	default:
		kind = "flood"
		x.flood()
	}
	if err != nil {
		s.t.Errorf("stranger %#x, %s: %v", number, kind, err)
	}
}

// aftermath checks that a round has left nothing.
func (s *siege) aftermath(c *citizens) {
	s.t.Helper()
	select {
	case <-s.d.ended:
		s.t.Fatalf("the daemon is gone:\n%s", s.d.log)
	default:
	}
	s.within(30*time.Second, "descriptors are left", func() bool { return s.holdings().descriptors <= s.before.descriptors })
	now := s.holdings()
	if now.threads > s.before.threads+mostThreads {
		s.t.Errorf("threads: %d before, %d now", s.before.threads, now.threads)
	}
	if now.peak > s.before.resident+mostGrowth {
		s.t.Errorf("memory: %d MiB before, %d now, %d at the peak", s.before.resident, now.resident, now.peak)
	}
	p := dial(s.t, s.d.router)
	defer p.Close()
	if r := p.ask(wire.Ping{}); fmt.Sprint(r) != fmt.Sprint(wire.Pong{}) {
		s.t.Errorf("want PONG, have %v", r)
	}
	for i := range hostileStreams { // so that a long run fits on the disk
		if r := p.ask(wire.Delete{Stream: fmt.Appendf(nil, "h/%d", i)}); r != any(wire.Deleted{}) {
			s.t.Errorf("want DELETED, have %v", r)
		}
	}
	for _, w := range c.writers {
		last := w.last.Load()
		s.within(10*time.Second, "the subscriber and the follower are not served", func() bool {
			return w.broadcast.Load() >= last && w.followed.Load() >= last
		})
	}
}

// end stops the daemon in the middle of an attack, and has its store verified.
func (s *siege) end(rounds int) {
	s.t.Helper()
	now := s.holdings()
	s.t.Logf("%+v before, %+v after", s.before, now)
	var wg sync.WaitGroup
	wg.Go(func() { s.round(rounds) })
	<-time.After(time.Second)
	s.stopping.Store(true)
	began := time.Now()
	log := s.d.stop(s.t, syscall.SIGTERM)
	if took := time.Since(began); took > 15*time.Second {
		s.t.Errorf("stopping took %v", took)
	}
	wg.Wait()
	for _, bad := range []string{"panic", "level=ERROR", "INTERNAL", "Assertion"} {
		if strings.Contains(log, bad) {
			s.t.Errorf("the log has %q:\n%s", bad, log)
		}
	}
	out, errs, status := gorewind(s.d.cmd.Dir, "verify", "--data-dir", "data")
	if status != 0 || !strings.Contains(out, "whole:") {
		s.t.Errorf("verify: status %d\n%s%s", status, out, errs)
	}
}

// within waits until ok.
func (s *siege) within(limit time.Duration, what string, ok func() bool) {
	s.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(limit); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			s.t.Fatalf("%s after %v: %+v before, %+v now", what, limit, s.before, s.holdings())
		}
	}
}

// A holdings is what the daemon takes of the system.
type holdings struct {
	descriptors    int // save the store's files
	threads        int
	resident, peak int // MiB
}

func (s *siege) holdings() (u holdings) {
	proc := fmt.Sprintf("/proc/%d/", s.d.cmd.Process.Pid)
	links, _ := filepath.Glob(proc + "fd/*")
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && !strings.HasPrefix(to, s.d.cmd.Dir) {
			u.descriptors++
		}
	}
	status, _ := os.ReadFile(proc + "status")
	field := func(name string) int {
		_, rest, _ := strings.Cut(string(status), "\n"+name+":")
		n, _ := strconv.Atoi(strings.Fields(rest + " 0")[0])
		return n
	}
	u.threads, u.resident, u.peak = field("Threads"), field("VmRSS")>>10, field("VmHWM")>>10
	return u
}

// Citizens are good clients. They must not feel that there are strangers.
type citizens struct {
	*siege
	wg      sync.WaitGroup
	resting sync.Once
	writers []*citizen
	gaps    atomic.Int64 // broadcasts that were missed, which is no fault
	pings   delays
}

// A citizen publishes to a stream of its own, which others read.
type citizen struct {
	stream                    string
	last, broadcast, followed atomic.Uint64
}

const citizenPrefix = "citizen "

// datum returns the event that has the id.
func (w *citizen) datum(id uint64) []byte {
	d := fmt.Appendf(nil, "%s/%d/", w.stream, id)
	return append(d, bytes.Repeat([]byte{'.'}, int(id*id%1999))...)
}

// next checks that an event is the one after last.
func (w *citizen) next(last *atomic.Uint64, id uint64, data []byte) error {
	if want := last.Load() + 1; id != want || !bytes.Equal(data, w.datum(id)) {
		return fmt.Errorf("%s: want event %d, have %d %.60q", w.stream, want, id, data)
	}
	last.Store(id)
	return nil
}

// citizens begins to serve good clients until calm.
func (s *siege) citizens() *citizens {
	c := &citizens{siege: s}
	s.t.Cleanup(c.rest)
	for i := range 2 {
		w := &citizen{stream: fmt.Sprint(citizenPrefix, i)}
		c.writers = append(c.writers, w)
		c.client(zmq.DEALER, s.d.router, func(z *zmq.Socket) error { return c.write(w, z) })
		c.client(zmq.DEALER, s.d.router, func(z *zmq.Socket) error { return c.follow(w, z) })
	}
	c.client(zmq.SUB, s.d.pub, c.subscribe)
	c.client(zmq.DEALER, s.d.router, c.ping)
	for _, w := range c.writers { // all are connected and served
		s.within(20*time.Second, "no citizen is served", func() bool { return w.broadcast.Load() > 0 && w.followed.Load() > 0 })
	}
	return c
}

// client runs a good client whose patience is 10 s.
func (c *citizens) client(kind zmq.Type, endpoint string, run func(*zmq.Socket) error) {
	c.t.Helper()
	z, err := zmq.NewSocket(kind)
	if err == nil {
		err = errors.Join(z.SetLinger(0), z.SetRcvhwm(0), z.SetSndhwm(0), z.SetRcvtimeo(10*time.Second), z.Connect(endpoint))
	}
	if err != nil {
		c.t.Fatal(err)
	}
	c.wg.Go(func() {
		defer z.Close()
		if err := run(z); err != nil {
			c.t.Errorf("a good client: %v", err)
		}
	})
}

// rest has the citizens end.
func (c *citizens) rest() {
	c.resting.Do(func() { close(c.calm) })
	c.wg.Wait()
}

// calmed reports whether the citizens are to end.
func (c *citizens) calmed() bool {
	select {
	case <-c.calm:
		return true
	default:
		return false
	}
}

// ask sends a request and returns the next answer.
func ask(z *zmq.Socket, r wire.Request) (wire.Reply, error) {
	if _, err := z.SendMessage(r.Frames()); err != nil {
		return nil, err
	}
	return answerOf(z)
}

func answerOf(z *zmq.Socket) (wire.Reply, error) {
	frames, err := z.RecvMessageBytes(0)
	if err != nil {
		return nil, err
	}
	return wire.ParseReply(frames)
}

// write publishes and appends in small windows, and reads back what it wrote.
func (c *citizens) write(w *citizen, z *zmq.Socket) error {
	pace := time.NewTicker(20 * time.Millisecond)
	defer pace.Stop()
	for n := 0; !c.calmed(); n++ {
		last := w.last.Load()
		var want []wire.Reply
		for i := range uint64(5) {
			id, data := last+i+1, w.datum(last+i+1)
			var r wire.Request = wire.Publish{Stream: []byte(w.stream), Data: data}
			want = append(want, wire.Published{ID: id})
			if i == 4 {
				expected := wire.Bound{ID: id - 1, Given: true}
				r = wire.Append{Key: wire.ID(id), Groups: []wire.Group{{Stream: []byte(w.stream), Expected: expected, Events: [][]byte{data}}}}
				want[i] = wire.Appended{IDs: []uint64{id}}
			}
			if _, err := z.SendMessage(r.Frames()); err != nil {
				return err
			}
		}
		for _, want := range want {
			if r, err := answerOf(z); err != nil || fmt.Sprint(r) != fmt.Sprint(want) {
				return fmt.Errorf("%s: want %v, have %v, %v", w.stream, want, r, err)
			}
		}
		w.last.Store(last + 5)
		if n%20 == 19 {
			if err := w.readBack(z, w.last.Load()-min(200, w.last.Load())); err != nil {
				return err
			}
		}
		<-pace.C
	}
	return nil
}

// readBack checks the events after an id, to the last.
func (w *citizen) readBack(z *zmq.Socket, after uint64) error {
	var at atomic.Uint64
	at.Store(after)
	r, err := ask(z, wire.Query{Stream: []byte(w.stream), After: wire.Bound{ID: after, Given: true}})
	for ; err == nil; r, err = answerOf(z) {
		e, ok := r.(wire.Event)
		if !ok {
			break
		}
		if err := w.next(&at, e.ID, e.Data); err != nil {
			return err
		}
	}
	if err != nil || r != any(wire.End{}) || at.Load() != w.last.Load() {
		return fmt.Errorf("%s: want END after %d, have %v after %d, %v", w.stream, w.last.Load(), r, at.Load(), err)
	}
	return nil
}

// follow has each event of a stream once, in order (P8).
func (c *citizens) follow(w *citizen, z *zmq.Socket) error {
	follow := wire.Query{Stream: []byte(w.stream), Follow: true}
	if _, err := z.SendMessage(follow.Frames()); err != nil {
		return err
	}
	return c.hear(z, func(frames [][]byte) error {
		r, err := wire.ParseReply(frames)
		if err != nil || r == any(wire.Live{}) {
			return err
		}
		e, ok := r.(wire.Event)
		if !ok {
			return fmt.Errorf("want EVENT, have %v", r)
		}
		return w.next(&w.followed, e.ID, e.Data)
	})
}

// hear receives until it is calm. That what is expected does come, aftermath checks.
func (c *citizens) hear(z *zmq.Socket, take func(frames [][]byte) error) error {
	err := z.SetRcvtimeo(100 * time.Millisecond)
	for err == nil && !c.calmed() {
		frames, failed := z.RecvMessageBytes(0)
		if zmq.AsErrno(failed) == zmq.Errno(syscall.EAGAIN) {
			continue
		}
		if err = failed; err == nil {
			err = take(frames)
		}
	}
	return err
}

// subscribe has broadcasts of the citizens, each at most once, in order.
func (c *citizens) subscribe(z *zmq.Socket) error {
	if err := z.SetSubscribe(citizenPrefix); err != nil {
		return err
	}
	return c.hear(z, func(frames [][]byte) error {
		b, ok := wire.ParseBroadcast(frames)
		if !ok {
			return fmt.Errorf("want a broadcast, have %.60q", frames)
		}
		i := slices.IndexFunc(c.writers, func(w *citizen) bool { return w.stream == string(b.Stream) })
		if i < 0 {
			return fmt.Errorf("nobody publishes to %.60q", b.Stream)
		}
		w := c.writers[i]
		last := w.broadcast.Load()
		if b.ID <= last || !bytes.Equal(b.Data, w.datum(b.ID)) {
			return fmt.Errorf("%s: event %d after %d: %.60q", w.stream, b.ID, last, b.Data)
		}
		if last > 0 {
			c.gaps.Add(int64(b.ID - last - 1))
		}
		w.broadcast.Store(b.ID)
		return nil
	})
}

// ping is answered within 10 s, however loud the strangers are.
func (c *citizens) ping(z *zmq.Socket) error {
	pace := time.NewTicker(2 * time.Millisecond)
	defer pace.Stop()
	for n := uint64(0); !c.calmed(); n++ {
		began := time.Now()
		r, err := ask(z, wire.Ping{Payload: [][]byte{wire.ID(n)}})
		if pong, ok := r.(wire.Pong); err != nil || !ok || len(pong.Payload) != 1 || !bytes.Equal(pong.Payload[0], wire.ID(n)) {
			return fmt.Errorf("want PONG %d, have %v after %v, %v", n, r, time.Since(began), err)
		}
		c.pings.add(time.Since(began))
		<-pace.C
	}
	return nil
}

// check reads all that the citizens wrote.
func (c *citizens) check() {
	c.t.Helper()
	z := dial(c.t, c.d.router)
	for _, w := range c.writers {
		if err := w.readBack(z.Socket, 0); err != nil {
			c.t.Error(err)
		}
	}
}

func (c *citizens) events() (n uint64) {
	for _, w := range c.writers {
		n += w.last.Load()
	}
	return n
}

// Delays counts durations by powers of two of microseconds.
type delays [40]int

func (h *delays) add(d time.Duration) { h[bits.Len64(uint64(d.Microseconds()))]++ }

func (h *delays) String() string {
	var b strings.Builder
	for i, n := range h {
		if n > 0 {
			fmt.Fprintf(&b, "%d below %v, ", n, time.Duration(1<<i)*time.Microsecond)
		}
	}
	return strings.TrimSuffix(b.String(), ", ")
}

// A stranger means no good, or does not know better. All that it does follows from
// r, save when it is interrupted.
type stranger struct {
	*siege
	ctx context.Context // ends with the round
	r   *rand.Rand
}

// chance is true once in n times.
func (x *stranger) chance(n int) bool { return x.r.IntN(n) == 0 }

// linger waits at most so long, or until the round is over.
func (x *stranger) linger(most time.Duration) {
	select {
	case <-time.After(time.Duration(x.r.Int64N(int64(most)))):
	case <-x.ctx.Done():
	}
}

func (x *stranger) octets(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(x.r.Uint32())
	}
	return b
}

// door returns one of the two endpoints, the ROUTER's more often.
func (x *stranger) door() string {
	if x.chance(3) {
		return x.d.pub
	}
	return x.d.router
}

// connect returns a TCP connection to a door, nil when it gets none.
func (x *stranger) connect(door string) *net.TCPConn {
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(door, "tcp://"), 5*time.Second)
	if err != nil {
		return nil // the daemon ends, or the kernel has enough of the floods
	}
	return c.(*net.TCPConn)
}

// flood opens many connections, some to hang up at once and some to stay.
func (x *stranger) flood() {
	x.floods.Add(1)
	var held []net.Conn
	defer func() {
		for _, c := range held {
			c.Close()
			<-x.room
		}
	}()
	for range 50 + x.r.IntN(floodedAtOnce) {
		select {
		case x.room <- struct{}{}:
		default: // other floods hold all that there may be
			return
		}
		c := x.connect(x.door())
		if c == nil || x.chance(3) {
			if c != nil {
				c.Close()
			}
			<-x.room
			continue
		}
		held = append(held, c)
		whole := slices.Concat(greeting(), ready("DEALER", nil))
		_, _ = c.Write(whole[:x.r.IntN(len(whole)+1)]) // the daemon may have ended
	}
	x.linger(time.Second)
}

// raw speaks ZMTP itself. What comes back must be whole, for as long as its own
// greeting was right.
func (x *stranger) raw() error {
	x.streams.Add(1)
	door := x.door()
	c := x.connect(door)
	if c == nil {
		return nil
	}
	defer c.Close()
	hello, rest, sound := x.stream(door == x.d.pub)
	if x.chance(3) {
		_ = c.SetLinger(0) // it ends with a reset
	}
	e := &ear{answered: make(chan struct{})}
	deaf := make(chan struct{})
	go func() { // until the connection ends
		defer close(deaf)
		const most = 4 << 20
		_, _ = io.CopyN(e, c, most)
	}()
	x.utter(c, hello)
	if !x.chance(10) { // libzmq hangs up on who does not wait for its READY
		select {
		case <-e.answered:
		case <-deaf:
		case <-time.After(50 * time.Millisecond):
		}
	}
	x.utter(c, rest)
	if x.chance(2) {
		x.linger(300 * time.Millisecond)
	}
	if x.chance(4) {
		_ = c.CloseWrite()
		x.linger(100 * time.Millisecond)
	}
	c.Close()
	<-deaf
	if !sound {
		return nil
	}
	messages, err := unframe(e.heard)
	if err != nil {
		return fmt.Errorf("%w in %.200q", err, e.heard)
	}
	for _, m := range messages {
		if err := x.whole(m, door == x.d.pub); err != nil {
			return err
		}
	}
	x.heard.Add(int64(len(messages)))
	return nil
}

// An ear keeps what was heard.
type ear struct {
	heard    []byte
	answered chan struct{} // closed when more than a greeting has come
}

func (e *ear) Write(b []byte) (int, error) {
	before := len(e.heard)
	e.heard = append(e.heard, b...)
	if before <= greetingSize && len(e.heard) > greetingSize {
		close(e.answered)
	}
	return len(b), nil
}

// utter sends octets in pieces.
func (x *stranger) utter(c *net.TCPConn, octets []byte) {
	for len(octets) > 0 && x.ctx.Err() == nil {
		n := len(octets)
		if x.chance(2) {
			n = 1 + x.r.IntN(n)
		}
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		if _, err := c.Write(octets[:n]); err != nil {
			return // the daemon has hung up
		}
		octets = octets[n:]
		x.linger(5 * time.Millisecond)
	}
}

// whole checks a message that a stranger received: a broadcast, or one answer of
// the protocol, perhaps in an envelope.
func (x *stranger) whole(m [][]byte, broadcast bool) error {
	if broadcast {
		if b, ok := wire.ParseBroadcast(m); !ok || len(b.Frames()) != len(m) {
			return fmt.Errorf("not a broadcast: %.200q", m)
		}
		return nil
	}
	_, _, err := x.answer(m)
	return err
}

// answer parts a message into an envelope and an answer.
func (x *stranger) answer(m [][]byte) (envelope [][]byte, r wire.Reply, err error) {
	envelope, body, err := wire.Split(m)
	if errors.Is(err, wire.ErrNoDelimiter) { // an ERROR, which is no word
		envelope, body, err = nil, m, nil
	}
	if err == nil {
		r, err = wire.ParseReply(body)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("not an answer: %w: %.200q", err, m)
	}
	x.answers.Add(1)
	if e, ok := r.(*wire.Error); ok {
		x.refusals.Add(1)
		if !slices.Contains(blame, e.Code) && !(e.Code == wire.Stopping && x.stopping.Load()) || len(body) != 1 {
			return nil, nil, fmt.Errorf("not an ERROR that a stranger has earned: %.200q", m)
		}
	}
	return envelope, r, nil
}

// blame are the codes for what is a peer's fault. The others would be the daemon's.
var blame = []wire.Code{
	wire.Malformed, wire.UnknownCommand, wire.BadOption, wire.UnknownID, wire.BadRange, wire.TooLarge, wire.Conflict,
	wire.KeyReused, wire.Behind, wire.Timeout, wire.Cancelled, wire.OtherStore,
}

const greetingSize = 64

// greeting is that of ZMTP 3.0, or of 3.1 where the peer speaks it too.
func greeting() []byte {
	b := make([]byte, greetingSize)
	b[0], b[9], b[10], b[11] = 0xff, 0x7f, 3, 1
	copy(b[12:], "NULL")
	return b
}

// oldGreetings are those of ZMTP 1.0 and of 2.0, whose peers are not asked for
// their types.
var oldGreetings = [][]byte{
	{1, 0}, {5, 0, 'n', 'a', 'm', 'e'},
	{0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, 5, 0, 0}, {0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 0, 0, 1, 0},
}

// Flags of a frame.
const (
	flagMore    = 1
	flagLong    = 2
	flagCommand = 4
)

// frame returns a frame of ZMTP 2.0 or later.
func frame(flags byte, body []byte) []byte {
	if len(body) > 255 {
		return append(order.BigEndian.AppendUint64([]byte{flags | flagLong}, uint64(len(body))), body...)
	}
	return append([]byte{flags, byte(len(body))}, body...)
}

// framed returns a message.
func framed(parts [][]byte) (out []byte) {
	for i, p := range parts {
		flags := byte(flagMore)
		if i == len(parts)-1 {
			flags = 0
		}
		out = append(out, frame(flags, p)...)
	}
	return out
}

// property is one of a READY.
func property(name string, value []byte) []byte {
	b := append([]byte{byte(len(name))}, name...)
	return append(order.BigEndian.AppendUint32(b, uint32(len(value))), value...)
}

// ready is the command that ends a handshake.
func ready(socketType string, identity []byte) []byte {
	body := slices.Concat([]byte("\x05READY"), property("Socket-Type", []byte(socketType)), property("Identity", identity))
	return frame(flagCommand, body)
}

// unframe parts what a peer received into messages. The last may be cut off.
func unframe(b []byte) (messages [][][]byte, err error) {
	if len(b) < greetingSize {
		return nil, nil
	}
	b = b[greetingSize:]
	var m [][]byte
	for len(b) >= 2 {
		flags, size, head := b[0], uint64(b[1]), 2
		if flags&^(flagMore|flagLong|flagCommand) != 0 || flags&flagCommand != 0 && flags&flagMore != 0 {
			return nil, fmt.Errorf("a frame with the flags %#x", flags)
		}
		if flags&flagLong != 0 {
			if head = 9; len(b) < head {
				break
			}
			size = order.BigEndian.Uint64(b[1:])
		}
		if size > uint64(len(b)-head) {
			break
		}
		body := b[head : head+int(size)]
		b = b[head+int(size):]
		if flags&flagCommand != 0 {
			continue
		}
		m = append(m, body)
		if flags&flagMore == 0 {
			messages = append(messages, m)
			m = nil
		}
	}
	return messages, nil
}

// hostileTypes are the socket types that a stranger may say to have.
var hostileTypes = []string{
	"DEALER", "REQ", "ROUTER", "SUB", "XSUB", "PUB", "XPUB", "PAIR", "REP", "PUSH", "PULL", "STREAM", "", "NONSENSE", "dealer",
}

// rightType returns the type of socket that a door expects.
func rightType(pub bool) string {
	if pub {
		return "SUB"
	}
	return "DEALER"
}

// stream returns what to send over a connection, the rest of it after an answer,
// and whether the greeting is such that the answer is in ZMTP 3.
func (x *stranger) stream(pub bool) (hello, rest []byte, sound bool) {
	hello = greeting()
	shaken := append(greeting(), ready(rightType(pub), nil)...)
	switch x.r.IntN(14) {
	case 0:
		return nil, nil, true
	case 1:
		return hello[:x.r.IntN(len(hello))], nil, true
	case 2:
		return x.mutate(hello, 3), x.session(pub), false
	case 3:
		return slices.Clone(oldGreetings[x.r.IntN(len(oldGreetings))]), x.mutate(x.session(pub), x.r.IntN(4)), false
	case 4:
		return nil, x.octets(x.r.IntN(4000)), false
	case 5: // half a handshake, or a wrong one
		return append(hello, x.handshake()...), x.session(pub), true
	case 6:
		hands := x.handshake()
		return append(hello, hands[:x.r.IntN(len(hands)+1)]...), nil, true
	case 7: // a length that nobody can mean, or that is a little too much
		size := []uint64{1<<63 - 1, 1 << 63, 1<<64 - 1, 1 << 32, 1<<31 - 1, hostileFrame + 1, hostileFrame}[x.r.IntN(7)]
		head := order.BigEndian.AppendUint64([]byte{flagLong | byte(x.r.IntN(8))}, size)
		return shaken, slices.Concat(x.session(pub), head, x.octets(x.r.IntN(2000))), true
	case 8: // a message that does not end
		more, n := frame(flagMore, x.octets(x.r.IntN(64))), 4000
		if x.chance(4) {
			more, n = frame(flagMore, make([]byte, hostileFrame-x.r.IntN(2))), 16
		}
		return shaken, bytes.Repeat(more, x.r.IntN(n)), true
	case 9, 10:
		if x.chance(3) {
			shaken = append(hello, ready(rightType(pub), x.routingID())...)
		}
		return shaken, x.session(pub), true
	}
	rest = x.mutate(x.session(pub), 1+x.r.IntN(20))
	return shaken, rest[:x.r.IntN(len(rest)+1)], true
}

// handshake returns a command that should be READY.
func (x *stranger) handshake() []byte {
	switch x.r.IntN(6) {
	case 0:
		return ready(hostileTypes[x.r.IntN(len(hostileTypes))], x.octets(x.r.IntN(300)))
	case 1:
		return frame(flagCommand, append([]byte("\x05ERROR"), append([]byte{byte(x.r.Uint32())}, x.octets(x.r.IntN(100))...)...))
	case 2:
		return x.command()
	case 3:
		return frame(byte(x.r.IntN(4)), x.octets(x.r.IntN(300))) // a message where a command is due
	}
	body := []byte("\x05READY")
	for range x.r.IntN(50) {
		body = append(body, property(string(x.octets(x.r.IntN(256))), x.octets(x.r.IntN(40)))...)
	}
	if x.chance(2) {
		body = append(body, property("Socket-Type", []byte("DEALER"))...)
	}
	return frame(flagCommand, x.mutate(body, x.r.IntN(4)))
}

// command returns a command of ZMTP, which a peer may send at any time.
func (x *stranger) command() []byte {
	name := []string{
		"\x04PING\x00\x0a", "\x04PONG", "\x09SUBSCRIBE", "\x06CANCEL", "\x05READY", "\x05ERROR\x03why", "\x05HELLO", "\x00", "\xff",
	}[x.r.IntN(9)]
	return frame(flagCommand|byte(x.r.IntN(2)*x.r.IntN(2)), append([]byte(name), x.octets(x.r.IntN(40)*x.r.IntN(20))...))
}

// session returns what a client sends after the handshake: each of the project's
// commands, or subscriptions, with commands of ZMTP among them.
func (x *stranger) session(pub bool) (b []byte) {
	for n := x.r.IntN(40); n >= 0; n-- {
		switch {
		case x.chance(12):
			b = append(b, x.command()...)
		case pub != x.chance(10):
			b = append(b, frame(byte(x.r.IntN(20)/19), x.subscription())...)
		default:
			b = append(b, framed(x.message())...)
		}
	}
	return b
}

// subscription returns the frame that begins or ends one.
func (x *stranger) subscription() []byte {
	size := x.r.IntN(4)
	if x.chance(10) {
		size = x.r.IntN(1000)
	}
	return append([]byte{byte(x.r.IntN(3))}, x.octets(size)...)
}

// mutate flips, inserts and deletes octets, n times.
func (x *stranger) mutate(b []byte, n int) []byte {
	for range n {
		if len(b) == 0 {
			return b
		}
		at := x.r.IntN(len(b))
		switch x.r.IntN(5) {
		case 0:
			b[at] ^= 1 << x.r.IntN(8)
		case 1:
			b[at] = byte(x.r.Uint32())
		case 2:
			b = slices.Insert(b, at, x.octets(1+x.r.IntN(9))...)
		case 3:
			b = slices.Delete(b, at, min(at+1+x.r.IntN(9), len(b)))
		case 4: // once more
			b = slices.Insert(b, at, slices.Clone(b[at:min(at+x.r.IntN(200), len(b))])...)
		}
	}
	return b
}

// routingID returns one of a few, so that strangers steal them from each other, or
// one that looks like libzmq's own.
func (x *stranger) routingID() []byte {
	if x.chance(4) {
		return append([]byte{0}, x.octets(4)...)
	}
	return fmt.Appendf(nil, "stranger %d", x.r.IntN(4))
}

// farewell is how long a stranger's socket goes on to send after it was closed.
// With none, libzmq aborts this process where a connection ends in the middle of a
// message while its socket closes.
const farewell = 3 * time.Second

// socket returns a socket that is connected to a door.
func (x *stranger) socket(kind zmq.Type, door string, chosen bool) (*zmq.Socket, error) {
	z, err := zmq.NewSocket(kind)
	if err != nil {
		return nil, err
	}
	err = errors.Join(z.SetLinger(farewell), z.SetSndhwm(1000), z.SetRcvtimeo(100*time.Millisecond), z.SetSndtimeo(0))
	if chosen {
		err = errors.Join(err, z.SetIdentity(fmt.Sprintf("stranger %d", x.r.IntN(4)))) // libzmq refuses others like its own
	}
	if kind == zmq.ROUTER {
		err = errors.Join(err, z.SetConnectRid("daemon"), z.SetProbeRouter(x.r.IntN(2)))
	}
	if kind == zmq.SUB {
		err = errors.Join(err, z.SetSubscribe(""))
	}
	if err = errors.Join(err, z.Connect(door)); err != nil {
		z.Close()
		return nil, err
	}
	return z, nil
}

var misfits = []zmq.Type{zmq.REQ, zmq.REP, zmq.PUSH, zmq.PULL, zmq.SUB, zmq.XSUB, zmq.PUB, zmq.XPUB, zmq.PAIR, zmq.ROUTER, zmq.DEALER}

// misfit sends requests with a socket of any type to any door. Most go nowhere.
func (x *stranger) misfit() error {
	kind, door := misfits[x.r.IntN(len(misfits))], x.door()
	z, err := x.socket(kind, door, x.chance(4))
	if err != nil {
		return err
	}
	defer z.Close()
	for range x.r.IntN(60) {
		m := x.message()
		switch {
		case kind == zmq.ROUTER:
			m = slices.Insert(m, 0, []byte("daemon"))
		case kind == zmq.XSUB && x.chance(2):
			m = [][]byte{x.subscription()}
		}
		if _, err := z.SendMessageDontwait(m); err == nil {
			x.messages.Add(1)
		} else if kind == zmq.REQ || x.chance(8) { // not connected yet, or waiting for an answer
			x.linger(20 * time.Millisecond)
		}
		for n := x.r.IntN(20); n > 0; n-- {
			got, err := z.RecvMessageBytes(zmq.DONTWAIT)
			if err != nil {
				break
			}
			if kind == zmq.ROUTER {
				got = got[1:]
			}
			if err := x.whole(got, door == x.d.pub); err != nil {
				return fmt.Errorf("%v: %w", kind, err)
			}
		}
		if x.ctx.Err() != nil {
			break
		}
	}
	return nil
}

// dealer sends requests, good and bad, and reads the answers now and then, at the
// end, or never. Each has to be one that is due.
func (x *stranger) dealer() error {
	z, err := x.socket(zmq.DEALER, x.d.router, false)
	if err != nil {
		return err
	}
	defer z.Close()
	l := &owed{lanes: make(map[string][]due)}
	reads := !x.chance(4)
	budget := 1 << 20 // octets; what libzmq holds of a peer's has a bound of messages only
	for n := x.r.IntN(300); n > 0 && budget > 0 && x.ctx.Err() == nil; n-- {
		m := x.message()
		for _, f := range m {
			budget -= len(f)
		}
		if _, err := z.SendMessageDontwait(m); err != nil {
			break // it does not take more
		}
		x.messages.Add(1)
		l.enter(m)
		if reads && x.chance(10) {
			if err := x.settle(z, l, zmq.DONTWAIT, x.r.IntN(1000)); err != nil {
				return err
			}
		}
	}
	if !reads {
		x.linger(500 * time.Millisecond)
		return nil
	}
	return x.settle(z, l, 0, 20_000)
}

// settle receives so many answers, if they come, and checks them against what is owed.
func (x *stranger) settle(z *zmq.Socket, l *owed, flags zmq.Flag, most int) error {
	for ; most > 0 && x.ctx.Err() == nil; most-- {
		m, err := z.RecvMessageBytes(flags)
		if err != nil {
			return nil // nothing more has come
		}
		envelope, r, err := x.answer(m)
		if err != nil {
			return err
		}
		if err := l.settle(envelope, r); err != nil {
			return err
		}
	}
	return nil
}

// An owed is what a DEALER is owed: in each envelope, answers to its requests in
// their order.
type owed struct {
	lanes map[string][]due
	lossy bool // the connection has ended, and answers with it
}

// A due is a request that was not answered to the end.
type due struct {
	command string
	refused wire.Code // it is malformed
	payload [][]byte
}

func (d due) String() string {
	return fmt.Sprintf("%s %.300q %s", d.command, fmt.Sprintf("%q", d.payload), d.refused)
}

func laneOf(envelope [][]byte) string { return fmt.Sprintf("%q", envelope) }

// enter takes note of a message that was sent.
func (l *owed) enter(m [][]byte) {
	if slices.ContainsFunc(m, func(f []byte) bool { return len(f) > hostileFrame }) {
		l.lossy = true
		return
	}
	cut := len(m) > hostileFrames
	envelope, body, err := wire.Split(m[:min(len(m), hostileFrames)])
	if errors.Is(err, wire.ErrEnvelope) {
		return
	}
	var d due
	switch {
	case cut:
		d.refused = wire.TooLarge
	case err != nil:
		d.refused = wire.Malformed
	default:
		r, refused := wire.ParseRequest(body)
		if _, cancel := r.(wire.Cancel); cancel && refused == nil {
			return // it has no answer of its own
		}
		if refused != nil {
			d.refused = refused.Code
		}
		if len(body) > 0 {
			d.command, d.payload = string(body[0]), body[1:]
		}
	}
	lane := laneOf(envelope)
	l.lanes[lane] = append(l.lanes[lane], d)
}

// settle takes note of an answer, and returns an error if it is not due.
func (l *owed) settle(envelope [][]byte, r wire.Reply) error {
	lane := laneOf(envelope)
	for len(l.lanes[lane]) > 0 {
		fits, final := l.lanes[lane][0].fits(r)
		if fits && !final {
			return nil
		}
		if !fits && !l.lossy {
			return fmt.Errorf("want an answer to %s, have %.200v", l.lanes[lane][0], r)
		}
		l.lanes[lane] = l.lanes[lane][1:]
		if fits {
			return nil
		}
	}
	return fmt.Errorf("nothing is due in the envelope %.200s, have %.200v", lane, r)
}

// fits reports whether r may answer the request, and whether that is all.
func (d due) fits(r wire.Reply) (fits, final bool) {
	is := func(commands ...string) bool { return d.refused == "" && slices.Contains(commands, d.command) }
	switch r := r.(type) {
	case *wire.Error:
		if d.refused != "" {
			return r.Code == d.refused || r.Code == wire.TooLarge, true
		}
		return r.Code != wire.Malformed && r.Code != wire.UnknownCommand, true
	case wire.Published:
		return is(wire.PUBLISH), true
	case wire.Appended:
		return is(wire.APPEND), true
	case wire.Event, wire.Live:
		return is(wire.QUERY), false
	case wire.StreamReply:
		return is(wire.STREAMS), false
	case wire.End:
		return is(wire.QUERY, wire.STREAMS), true
	case wire.Replaced:
		return is(wire.REPLACE), true
	case wire.Deleted:
		return is(wire.DELETE), true
	case wire.Committed:
		return is(wire.COMMIT), true
	case wire.CursorReply:
		return is(wire.CURSOR), true
	case wire.Reached:
		return is(wire.WAIT), true
	case wire.InfoReply:
		return is(wire.INFO), true
	case wire.Pong:
		return is(wire.PING) && slices.EqualFunc(r.Payload, d.payload, bytes.Equal), true
	}
	return false, false
}

// message returns a request of any command with an envelope or without, as it
// should be or not.
func (x *stranger) message() [][]byte {
	m := x.request()
	if x.chance(2) {
		for range 1 + x.r.IntN(3) {
			m = x.garble(m)
		}
	}
	switch x.r.IntN(6) {
	case 0:
		m = slices.Concat(x.envelope(), m)
	case 1, 2, 3: // one of a few, so that requests wait for each other
		m = slices.Concat([][]byte{fmt.Appendf(nil, "%d", x.r.IntN(5)), {}}, m)
	}
	if len(m) == 0 {
		m = [][]byte{{}}
	}
	if x.chance(500) {
		m = append(m, make([][]byte, hostileFrames+x.r.IntN(4000))...)
	}
	return m
}

// envelope returns 0 to 20 frames, of up to twice as many octets as there may be.
func (x *stranger) envelope() (out [][]byte) {
	most := []int{4, 60, 100, 1100}[x.r.IntN(4)]
	for range x.r.IntN(21) {
		out = append(out, x.octets(x.r.IntN(most)))
	}
	return append(out, []byte{})
}

// garble returns frames with one of them gone, repeated, moved, changed or added.
func (x *stranger) garble(m [][]byte) [][]byte {
	if len(m) == 0 {
		return m
	}
	at, other := x.r.IntN(len(m)), x.r.IntN(len(m))
	switch x.r.IntN(10) {
	case 0:
		return slices.Delete(m, at, at+1)
	case 1:
		return slices.Insert(m, at, m[other])
	case 2:
		m[at], m[other] = m[other], m[at]
	case 3:
		m[at] = x.octets(x.r.IntN(600))
	case 4:
		m[at] = nil
	case 5:
		return slices.Insert(m, at, x.octets(x.r.IntN(20)))
	case 6:
		return append(m, x.option())
	case 7:
		return m[:at+1]
	case 8:
		if x.chance(20) {
			m[at] = make([]byte, hostileEvent+1+x.r.IntN(2*hostileEvent))
		}
	default:
		m[at] = x.mutate(slices.Clone(m[at]), 1+x.r.IntN(3))
	}
	return m
}

const hostileStreams = 10

// name returns that of a stream of the strangers.
func (x *stranger) name() []byte {
	if x.chance(20) {
		return x.octets([]int{1, 10, wire.MaxStream, wire.MaxStream + 1}[x.r.IntN(4)])
	}
	return fmt.Appendf(nil, "h/%d", x.r.IntN(hostileStreams))
}

func (x *stranger) consumer() []byte { return fmt.Appendf(nil, "c%d", x.r.IntN(5)) }

// id returns a small one, so that it is often there.
func (x *stranger) id() []byte {
	if x.chance(10) {
		return wire.ID(x.r.Uint64())
	}
	return wire.ID(uint64(x.r.IntN(20)))
}

// bound returns an id or none.
func (x *stranger) bound() []byte {
	if x.chance(2) {
		return []byte{}
	}
	return x.id()
}

func (x *stranger) data() []byte {
	switch x.r.IntN(60) {
	case 0:
		return make([]byte, x.r.IntN(hostileEvent+1))
	case 1:
		return make([]byte, hostileEvent+1)
	}
	return x.octets(x.r.IntN(200))
}

var hostileOptions = []string{
	"limit=1", "limit=5", "limit=0", "limit=99999999999999999999", "order=desc", "order=asc", "order=", "nearest", "nearest=1", "follow",
	"follow", "meta", "match=prefix", "match=prefix", "match=glob", "match=glob", "match=", "also=h/*", "also=**", "also=\\",
	"also=*a*a*a*a*a*a*a*a*", "separator=/", "separator=", "separator=\x00", "consumer=c1", "consumer=", "store=0.0", "store=x",
	"since=2001-01-01T00:00:00Z", "since=9999-12-31T23:59:59Z", "until=2001-01-01T00:00:00+23:59", "until=tomorrow", "rewind", "=", "", "x=y",
}

func (x *stranger) option() []byte { return []byte(hostileOptions[x.r.IntN(len(hostileOptions))]) }

// options returns some, with a weight on few.
func (x *stranger) options() (out [][]byte) {
	for range x.r.IntN(4) * x.r.IntN(3) {
		out = append(out, x.option())
	}
	return out
}

// request returns the frames of a request, which is mostly good.
func (x *stranger) request() [][]byte {
	word := func(w string, args ...[]byte) [][]byte { return slices.Insert(args, 0, []byte(w)) }
	switch x.r.IntN(14) {
	case 0, 1, 2:
		return word(wire.PUBLISH, x.name(), x.data())
	case 3:
		return x.append()
	case 4:
		return append(word(wire.QUERY, x.name(), x.bound(), x.bound()), x.options()...)
	case 5:
		m := word(wire.QUERY, []byte([]string{"", "h/", "*", "h/*", "**", "h/\\", "citizen *"}[x.r.IntN(7)]), x.bound(), []byte{},
			[]byte([]string{"match=glob", "match=prefix"}[x.r.IntN(2)]))
		return append(m, x.options()...)
	case 6:
		return append(word(wire.STREAMS, x.name()[:x.r.IntN(2)], x.name()), x.options()...)
	case 7:
		return word(wire.CANCEL)
	case 8:
		return word(wire.REPLACE, x.name(), x.id(), x.data())
	case 9:
		return word(wire.DELETE, x.name(), x.id(), x.bound())
	case 10:
		m := word(wire.COMMIT, x.consumer(), x.name(), x.id())
		if x.chance(2) {
			m = append(m, []byte("rewind"))
		}
		return m
	case 11:
		return word(wire.CURSOR, x.consumer(), x.name())
	case 12:
		ms := []string{"0", "10", "500", "86400000", "86400001", "-1"}[x.r.IntN(6)]
		return word(wire.WAIT, x.consumer(), x.name(), x.id(), []byte(ms))
	}
	if x.chance(2) {
		return word(wire.INFO)
	}
	return word(wire.PING, x.octets(x.r.IntN(30)), x.octets(x.r.IntN(300)))
}

// append returns an APPEND with a few groups.
func (x *stranger) append() [][]byte {
	m := [][]byte{[]byte(wire.APPEND), fmt.Appendf(nil, "%d", x.r.IntN(50))}
	if x.chance(2) {
		m[1] = nil
	}
	for range 1 + x.r.IntN(3) {
		n := 1 + x.r.IntN(4)
		expected := []byte{}
		if x.chance(4) {
			expected = x.id()
		}
		m = append(m, x.name(), expected, strconv.AppendInt(nil, int64(n), 10))
		for range n {
			m = append(m, x.octets(x.r.IntN(50)))
		}
	}
	return m
}
