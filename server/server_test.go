package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/store"
	"gorewind/store/leveldb"
	"gorewind/store/storetest"
	"gorewind/wire"
)

// maxWait is how long a test waits for something that must happen.
const maxWait = 20 * time.Second

// eventually polls until ok reports true, and fails the test after maxWait.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(maxWait)
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %s", maxWait, what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// A daemon is a running Server.
type daemon struct {
	*Server
	t     testing.TB
	store store.Store
	stop  func() // tells Run to end
	ended func() error
}

// serve runs a server on a store in memory until the end of the test. It then checks
// that the server ended without an error and left no goroutine or descriptor behind.
func serve(t *testing.T) *daemon {
	t.Helper()
	return serveOptions(t, Options{})
}

// serveOptions does so with the given options.
func serveOptions(t *testing.T, o Options) *daemon {
	t.Helper()
	warmUp(t)
	checkLeaks(t)
	s, err := leveldb.OpenMemory(leveldb.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	return serveWith(t, s, o)
}

func serveStore(t testing.TB, s store.Store) *daemon {
	t.Helper()
	return serveWith(t, s, Options{})
}

// serveWith runs a server on a store, with default endpoints unless o has some.
func serveWith(t testing.TB, s store.Store, o Options) *daemon {
	t.Helper()
	if o.Router == nil {
		o.Router = []string{"tcp://127.0.0.1:*"}
	}
	if o.Pub == nil {
		o.Pub = []string{"tcp://127.0.0.1:*"}
	}
	o.Version = "test"
	srv, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	result := make(chan error, 1)
	go func() { result <- srv.Run(ctx, s) }() // ends when ctx is done
	d := &daemon{Server: srv, t: t, store: s, stop: cancel}
	d.ended = sync.OnceValue(func() error {
		select {
		case err := <-result:
			return err
		case <-time.After(maxWait):
			return errors.New("Run does not return")
		}
	})
	t.Cleanup(func() {
		cancel()
		if err := d.ended(); err != nil {
			t.Errorf("Run: want nil, have %v", err)
		}
	})
	return d
}

// warmUp starts what lives until the process ends, so that it does not count as a leak:
// pebbe's context and Go's poller.
var warmUp = func() func(testing.TB) {
	var once sync.Once
	return func(t testing.TB) {
		once.Do(func() {
			z, err := zmq.NewSocket(zmq.DEALER)
			if err != nil {
				t.Fatal(err)
			}
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err := errors.Join(err, z.Close(), l.Close()); err != nil {
				t.Fatal(err)
			}
		})
	}
}()

// checkLeaks compares goroutines and descriptors at the end of the test with those now.
func checkLeaks(t *testing.T) {
	goroutines, fds := runtime.NumGoroutine(), len(descriptors())
	t.Cleanup(func() {
		if t.Failed() {
			return
		}
		eventually(t, "goroutines or descriptors are left", func() bool {
			runtime.GC() // ends the pipes that net keeps for io.Copy
			return runtime.NumGoroutine() <= goroutines && len(descriptors()) <= fds
		})
	})
}

func descriptors() []os.DirEntry {
	entries, _ := os.ReadDir("/proc/self/fd")
	return entries
}

// on runs f on the loop, where it may read everything.
func (d *daemon) on(f func(l *loop)) {
	done := make(chan struct{})
	d.loop.out.post(func() { f(d.loop); close(done) })
	select {
	case <-done:
	case <-time.After(maxWait):
		d.t.Fatal("the loop does not answer")
	}
}

// is reports whether a condition holds on the loop.
func (d *daemon) is(f func(l *loop) bool) (ok bool) {
	d.on(func(l *loop) { ok = f(l) })
	return ok
}

// last returns the id of a stream's last event.
func (d *daemon) last(t testing.TB, stream string) uint64 {
	t.Helper()
	r, err := d.store.Resolve(context.Background(), store.Range{Stream: []byte(stream)})
	if err != nil {
		t.Fatal(err)
	}
	return r.UpTo.N
}

func (d *daemon) router() string { return d.RouterAddrs()[0] }

// alive checks that the daemon still serves a new client.
func (d *daemon) alive(t testing.TB) {
	t.Helper()
	alive(t, d.router())
}

func alive(t testing.TB, router string) {
	t.Helper()
	c := dial(t, zmq.REQ, router)
	c.ask("PING", "alive").want("PONG", "alive")
	c.close()
}

// fill stores n events of size bytes in a stream. Each begins with its id in decimal.
func fill(t testing.TB, s store.Store, stream string, n, size int) {
	t.Helper()
	for at := 0; at < n; {
		var events [][]byte
		for total := 0; at < n && len(events) < 10_000 && total+size <= store.MaxCommitBytes; total += size {
			at++
			events = append(events, datum(at, size))
		}
		done := make(chan store.Result, 1)
		s.Append([]store.Append{{Groups: []store.Group{{Stream: []byte(stream), Events: events}}}}, func(r []store.Result) { done <- r[0] })
		if r := <-done; r.Err != nil || r.IDs[0] != uint64(at) {
			t.Fatalf("fill: %+v", r)
		}
	}
}

// datum is the event that fill stores under an id.
func datum(id, size int) []byte {
	b := strconv.AppendInt(make([]byte, 0, size+20), int64(id), 10)
	return append(b, bytes.Repeat([]byte{'.'}, max(0, size-len(b)))...)
}

// A client is a socket that fails its test when it receives nothing within maxWait.
type client struct {
	*zmq.Socket
	t      testing.TB
	closed bool
}

// dial connects a socket, after applying the options.
func dial(t testing.TB, kind zmq.Type, addr string, options ...func(*zmq.Socket) error) *client {
	t.Helper()
	z, err := zmq.NewSocket(kind)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{Socket: z, t: t}
	t.Cleanup(c.close)
	errs := []error{z.SetLinger(0), z.SetRcvtimeo(maxWait), z.SetSndtimeo(maxWait)}
	for _, o := range options {
		errs = append(errs, o(z))
	}
	if err := errors.Join(append(errs, z.Connect(addr))...); err != nil {
		t.Fatalf("connect to %s: %v", addr, err)
	}
	return c
}

// Options of dial.
func noMark(z *zmq.Socket) error { return errors.Join(z.SetRcvhwm(0), z.SetSndhwm(0)) }

// tiny makes a client take next to nothing before the test receives from it.
func tiny(z *zmq.Socket) error {
	return errors.Join(z.SetRcvhwm(1), z.SetRcvbuf(4096), z.SetSndhwm(0))
}

func named(id string) func(*zmq.Socket) error {
	return func(z *zmq.Socket) error { return z.SetIdentity(id) }
}

func (c *client) close() {
	if !c.closed {
		c.closed = true
		if err := c.Close(); err != nil {
			c.t.Errorf("close: %v", err)
		}
	}
}

func (c *client) send(frames ...string) {
	c.t.Helper()
	if _, err := c.SendMessage(frames); err != nil {
		c.t.Fatalf("send %.60q: %v", frames, err)
	}
}

// A reply is the frames that a client received.
type reply struct {
	c      *client
	frames []string
}

func (c *client) recv() reply {
	c.t.Helper()
	frames, err := c.RecvMessage(0)
	if err != nil {
		c.t.Fatalf("receive: %v", err)
	}
	return reply{c, frames}
}

// try receives without waiting.
func (c *client) try() (reply, bool) {
	frames, err := c.RecvMessage(zmq.DONTWAIT)
	return reply{c, frames}, err == nil
}

func (c *client) ask(frames ...string) reply {
	c.t.Helper()
	c.send(frames...)
	return c.recv()
}

func (r reply) want(frames ...string) {
	r.c.t.Helper()
	if !slices.Equal(r.frames, frames) {
		r.c.t.Fatalf("want %.200q\nhave %.200q", frames, r.frames)
	}
}

// wantError checks that the reply is one frame with an ERROR.
func (r reply) wantError(code wire.Code) {
	r.c.t.Helper()
	if len(r.frames) != 1 || !strings.HasPrefix(r.frames[0], "ERROR "+string(code)+" ") {
		r.c.t.Fatalf("want one frame ERROR %s, have %.300q", code, r.frames)
	}
	for _, b := range []byte(r.frames[0]) {
		if b < ' ' || b > '~' {
			r.c.t.Fatalf("an ERROR is not ASCII: %q", r.frames[0])
		}
	}
}

func id(n int) string { return string(wire.ID(uint64(n))) }

func number(frame []byte) int {
	n, _ := wire.ParseID(frame)
	return int(n)
}

// wantEvents receives the events from first to last that fill has stored, after an
// envelope, and then END.
func (c *client) wantEvents(envelope []string, first, last, size int) {
	c.t.Helper()
	for i := first; i <= last; i++ {
		c.wantEvent(envelope, i, size)
	}
	c.recv().want(append(slices.Clone(envelope), "END")...)
}

func (c *client) wantEvent(envelope []string, i, size int) {
	c.t.Helper()
	r := c.recvBytes()
	n := len(envelope)
	if len(r) != n+3 || string(r[n]) != "EVENT" || number(r[n+1]) != i || !bytes.Equal(r[n+2], datum(i, size)) {
		c.t.Fatalf("want event %d of %d bytes after %q, have %.100q", i, size, envelope, r)
	}
	for k, e := range envelope {
		if string(r[k]) != e {
			c.t.Fatalf("want the envelope %q, have %.100q", envelope, r)
		}
	}
}

func (c *client) recvBytes() [][]byte {
	c.t.Helper()
	r, err := c.RecvMessageBytes(0)
	if err != nil {
		c.t.Fatalf("receive: %v", err)
	}
	return r
}

func TestEnvelopes(t *testing.T) {
	d := serve(t)
	many := slices.Repeat([]string{"frame"}, 15)
	long := []string{strings.Repeat("x", 1024), ""}
	for name, c := range map[string]struct {
		kind     zmq.Type
		envelope []string
	}{
		"DEALER without delimiter": {zmq.DEALER, nil},
		"DEALER with delimiter":    {zmq.DEALER, []string{""}},
		"REQ":                      {zmq.REQ, nil},
		"own frame":                {zmq.DEALER, []string{"7", ""}},
		"own frames of any bytes":  {zmq.DEALER, []string{"\x00", "\xff\xfe", "ab", ""}},
		"two capitals":             {zmq.DEALER, []string{"AB", ""}},
		"thirteen capitals":        {zmq.DEALER, []string{"ABCDEFGHIJKLM", ""}},
		"as many as may be":        {zmq.DEALER, append(many, "")},
		"as long as may be":        {zmq.DEALER, long},
	} {
		t.Run(name, func(t *testing.T) {
			z := dial(t, c.kind, d.router())
			with := func(frames ...string) []string { return append(slices.Clone(c.envelope), frames...) }
			z.ask(with("PING", "a", "", "b")...).want(with("PONG", "a", "", "b")...)
			z.ask(with("PUBLISH", name, "one")...).want(with("PUBLISHED", id(1))...)
			z.ask(with("PUBLISH", name, "")...).want(with("PUBLISHED", id(2))...)
			z.ask(with("QUERY", name, "", "")...).want(with("EVENT", id(1), "one")...)
			if c.kind == zmq.REQ {
				return // REQ takes one answer for each request
			}
			z.recv().want(with("EVENT", id(2), "")...)
			z.recv().want(with("END")...)
			if r := z.ask(with("FROBNICATE")...); len(r.frames) != len(c.envelope)+1 || !strings.HasPrefix(r.frames[len(c.envelope)], "ERROR UNKNOWN-COMMAND ") {
				t.Errorf("want ERROR UNKNOWN-COMMAND in the same envelope, have %.200q", r.frames)
			}
		})
	}
}

func TestInfo(t *testing.T) {
	d := serve(t)
	fill(t, d.store, "s", 3, 1)
	r := dial(t, zmq.REQ, d.router()).ask("INFO")
	for _, want := range []string{"INFO", "protocol=1", "version=test", "store=" + d.store.Info().ID, "position=3", "max-event-bytes=1048576"} {
		if !slices.Contains(r.frames, want) {
			t.Errorf("want %q, have %q", want, r.frames)
		}
	}
}

// TestOrderOfAnEnvelope: pipelined requests take effect and are answered one after the
// other; each query sees exactly the writes before it.
func TestOrderOfAnEnvelope(t *testing.T) {
	for _, envelope := range [][]string{nil, {""}, {"mine", ""}} {
		t.Run(fmt.Sprint(len(envelope)), func(t *testing.T) {
			d := serve(t)
			c := dial(t, zmq.DEALER, d.router(), noMark)
			with := func(frames ...string) []string { return append(slices.Clone(envelope), frames...) }
			const rounds = 100
			for i := range rounds {
				c.send(with("PUBLISH", "s", "a")...)
				c.send(with("QUERY", "s", "", "")...)
				c.send(with("PUBLISH", "s", "b")...)
				c.send(with("INFO")...)
				c.send(with("PING", strconv.Itoa(i))...)
				c.send(with("FROBNICATE")...)
			}
			for i := range rounds {
				c.recv().want(with("PUBLISHED", id(2*i+1))...)
				for k := 1; k <= 2*i+1; k++ {
					c.recv().want(with("EVENT", id(k), string("ba"[k%2]))...)
				}
				c.recv().want(with("END")...)
				c.recv().want(with("PUBLISHED", id(2*i+2))...)
				if r := c.recv(); !slices.Contains(r.frames, "position="+strconv.Itoa(2*i+2)) {
					t.Fatalf("INFO after %d events: %q", 2*i+2, r.frames)
				}
				c.recv().want(with("PONG", strconv.Itoa(i))...)
				if r := c.recv(); !strings.HasPrefix(r.frames[len(envelope)], "ERROR UNKNOWN-COMMAND") {
					t.Fatalf("want ERROR UNKNOWN-COMMAND, have %q", r.frames)
				}
			}
			eventually(t, "lanes are left", func() bool {
				return d.is(func(l *loop) bool {
					for _, c := range l.conns {
						if len(c.lanes) > 0 || c.waiting != 0 || c.waitingBytes != 0 || c.running != 0 {
							return false
						}
					}
					return l.unread == 0 && l.inHand.Load() == 0 && l.queued == 0 && l.queuedBytes == 0
				})
			})
		})
	}
}

// TestManyEnvelopesAtOnce compares random pipelines in many envelopes of several peers
// with a model of each envelope.
func TestManyEnvelopesAtOnce(t *testing.T) {
	d := serve(t)
	r, _ := storetest.Rand(t)
	type expectation struct{ frames []string }
	for peer := range 3 {
		c := dial(t, zmq.DEALER, d.router(), noMark)
		due := map[string][]expectation{}
		counts := map[string]int{}
		left := 0
		for range 2000 {
			e := "e" + strconv.Itoa(r.IntN(20))
			stream := fmt.Sprint(peer, e)
			expect := func(frames ...string) { due[e] = append(due[e], expectation{frames}); left++ }
			switch n := r.IntN(10); {
			case n < 6:
				counts[e]++
				data := strconv.Itoa(counts[e])
				c.send(e, "", "PUBLISH", stream, data)
				expect("PUBLISHED", id(counts[e]))
			case n < 8:
				after := max(0, counts[e]-r.IntN(10))
				c.send(e, "", "QUERY", stream, id(after), "")
				for k := after + 1; k <= counts[e]; k++ {
					expect("EVENT", id(k), strconv.Itoa(k))
				}
				expect("END")
			default:
				c.send(e, "", "PING", data(left))
				expect("PONG", data(left))
			}
		}
		for range left {
			m := c.recv()
			e := m.frames[0]
			if len(due[e]) == 0 || m.frames[1] != "" || !slices.Equal(m.frames[2:], due[e][0].frames) {
				t.Fatalf("envelope %q: want %q\nhave %.200q", e, due[e], m.frames)
			}
			due[e] = due[e][1:]
		}
	}
}

func data(n int) string { return strings.Repeat("p", n%7) }

func TestMalformedIsAnsweredAndTheDaemonLives(t *testing.T) {
	d := serve(t)
	fill(t, d.store, "s", 3, 1)
	big := strings.Repeat("x", DefaultMaxEvent+1)
	for name, c := range map[string]struct {
		frames []string
		code   wire.Code
	}{
		"one empty frame":              {[]string{""}, wire.Malformed},
		"one byte":                     {[]string{"x"}, wire.Malformed},
		"no delimiter":                 {[]string{"publish", "s", "d"}, wire.Malformed},
		"17 frames without delimiter":  {slices.Repeat([]string{"x"}, 17), wire.Malformed},
		"8,191 frames":                 {slices.Repeat([]string{"x"}, 8191), wire.Malformed},
		"8,192 frames":                 {slices.Repeat([]string{"x"}, 8192), wire.Malformed},
		"8,193 frames":                 {slices.Repeat([]string{"x"}, 8193), wire.Malformed},
		"16,383 frames":                {slices.Repeat([]string{"x"}, 16383), wire.Malformed},
		"16,385 frames":                {slices.Repeat([]string{"x"}, 16385), wire.TooLarge},
		"too many frames of a command": {append([]string{"PING"}, slices.Repeat([]string{"x"}, 20_000)...), wire.TooLarge},
		"ten MiB of a command":         {append([]string{"PING"}, slices.Repeat([]string{big}, 10)...), wire.TooLarge},
		"unknown command":              {[]string{"FROBNICATE", "x"}, wire.UnknownCommand},
		"command in lower case":        {[]string{"", "publish", "s", "d"}, wire.Malformed},
		"empty command":                {[]string{"", "", "s", "d"}, wire.Malformed},
		"PUBLISH":                      {[]string{"PUBLISH"}, wire.Malformed},
		"PUBLISH stream":               {[]string{"PUBLISH", "s"}, wire.Malformed},
		"PUBLISH, one frame more":      {[]string{"PUBLISH", "s", "d", "x"}, wire.BadOption},
		"PUBLISH, one empty frame more": {
			[]string{"PUBLISH", "s", "d", ""}, wire.BadOption},
		"PUBLISH, no name":       {[]string{"PUBLISH", "", "d"}, wire.Malformed},
		"PUBLISH, name too long": {[]string{"PUBLISH", strings.Repeat("s", 256), "d"}, wire.TooLarge},
		"PUBLISH, event too big": {[]string{"PUBLISH", "s", big}, wire.TooLarge},
		"QUERY":                  {[]string{"QUERY"}, wire.Malformed},
		"QUERY stream":           {[]string{"QUERY", "s"}, wire.Malformed},
		"QUERY stream after":     {[]string{"QUERY", "s", ""}, wire.Malformed},
		"QUERY, no name":         {[]string{"QUERY", "", "", ""}, wire.Malformed},
		"QUERY, name too long":   {[]string{"QUERY", strings.Repeat("s", 256), "", ""}, wire.TooLarge},
		"QUERY, bound of 7":      {[]string{"QUERY", "s", id(1)[1:], ""}, wire.Malformed},
		"QUERY, bound of 9":      {[]string{"QUERY", "s", "", id(1) + "x"}, wire.Malformed},
		"QUERY, one frame more":  {[]string{"QUERY", "s", "", "", "frobnicate"}, wire.BadOption},
		"QUERY, not ASCII":       {[]string{"QUERY", "s", "", "", "\x00\xff\n;"}, wire.BadOption},
		"QUERY, 1 MiB of option": {[]string{"QUERY", "s", "", "", big}, wire.BadOption},
		"QUERY, unknown id":      {[]string{"QUERY", "s", id(4), ""}, wire.UnknownID},
		"INFO, one frame more":   {[]string{"INFO", "x"}, wire.BadOption},
		"an answer as a request": {[]string{"PUBLISHED", id(1)}, wire.UnknownCommand},
		"twelve capitals":        {[]string{"ABCDEFGHIJKL"}, wire.UnknownCommand},
		"CANCEL, one frame more": {[]string{"CANCEL", "x"}, wire.BadOption},
	} {
		t.Run(name, func(t *testing.T) {
			z := dial(t, zmq.DEALER, d.router())
			if c.frames[0] == "" && len(c.frames) > 1 {
				r := z.ask(c.frames...)
				if r.frames[0] != "" {
					t.Fatalf("want the delimiter back, have %.200q", r.frames)
				}
				reply{z, r.frames[1:]}.wantError(c.code)
			} else if len(c.frames) == 1 && c.frames[0] == "" {
				r := z.ask("")
				reply{z, r.frames[len(r.frames)-1:]}.wantError(c.code)
			} else {
				z.ask(c.frames...).wantError(c.code)
			}
			z.ask("PING", "still").want("PONG", "still")
			d.alive(t)
		})
	}
	z := dial(t, zmq.DEALER, d.router())
	z.ask("QUERY", "s", "", "").want("EVENT", id(1), string(datum(1, 1)))
}

// TestEnvelopeTooLongIsDropped: without a valid envelope, no answer can be sent.
func TestEnvelopeTooLongIsDropped(t *testing.T) {
	d := serve(t)
	for i, envelope := range [][]string{
		slices.Repeat([]string{"x"}, 16),
		{strings.Repeat("x", 1025)},
		slices.Repeat([]string{strings.Repeat("x", 100)}, 11),
	} {
		z := dial(t, zmq.DEALER, d.router())
		z.send(append(envelope, "", "PUBLISH", "s", "d")...)
		z.ask("PING").want("PONG")
		if want, have := uint64(i+1), d.Stats.Dropped.Load(); want != have {
			t.Errorf("dropped: want %d, have %d", want, have)
		}
	}
	if have := d.store.Info().LastPosition; have != 0 {
		t.Errorf("want nothing stored, have position %d", have)
	}
}

func TestLargestRequests(t *testing.T) {
	d := serve(t)
	z := dial(t, zmq.DEALER, d.router())
	name, data := strings.Repeat("\xff", 255), strings.Repeat("x", DefaultMaxEvent)
	for i := range 12 {
		z.ask("PUBLISH", name, data).want("PUBLISHED", id(i+1))
	}
	z.send("QUERY", name, "", "")
	for i := range 12 {
		z.recv().want("EVENT", id(i+1), data)
	}
	z.recv().want("END")
	pong := append([]string{"PONG"}, slices.Repeat([]string{"y"}, 16_000)...)
	z.ask(append([]string{"PING"}, pong[1:]...)...).want(pong...)
	pong = append([]string{"PONG"}, slices.Repeat([]string{data}, 8)...)
	z.ask(append([]string{"PING"}, pong[1:]...)...).want(pong...)
}

func TestQueryBounds(t *testing.T) {
	d := serve(t)
	fill(t, d.store, "s", 5, 1)
	fill(t, d.store, "t", 9, 1)
	z := dial(t, zmq.DEALER, d.router())
	zero, none, huge := id(0), "", strings.Repeat("\xff", 8)
	for _, c := range []struct {
		stream, after, upto string
		first, last         int // 0: no event
		code                wire.Code
	}{
		{"s", none, none, 1, 5, ""},
		{"s", zero, none, 1, 5, ""},
		{"s", zero, id(5), 1, 5, ""},
		{"s", none, id(3), 1, 3, ""},
		{"s", id(2), none, 3, 5, ""},
		{"s", id(2), id(4), 3, 4, ""},
		{"s", id(4), id(5), 5, 5, ""},
		{"s", id(5), none, 0, 0, ""},
		{"s", id(5), id(5), 0, 0, ""},
		{"s", id(2), id(2), 0, 0, ""},
		{"s", none, zero, 0, 0, ""},
		{"s", zero, zero, 0, 0, ""},
		{"s", id(4), id(3), 0, 0, wire.BadRange},
		{"s", id(6), none, 0, 0, wire.UnknownID},
		{"s", none, id(6), 0, 0, wire.UnknownID},
		{"s", id(6), id(6), 0, 0, wire.UnknownID},
		{"s", huge, none, 0, 0, wire.UnknownID},
		{"s", none, huge, 0, 0, wire.UnknownID},
		{"s", huge, zero, 0, 0, wire.UnknownID},
		{"never", none, none, 0, 0, ""},
		{"never", zero, none, 0, 0, ""},
		{"never", zero, zero, 0, 0, ""},
		{"never", none, zero, 0, 0, ""},
		{"never", id(1), none, 0, 0, wire.UnknownID},
		{"never", none, id(1), 0, 0, wire.UnknownID},
	} {
		t.Run(fmt.Sprintf("%s %x %x", c.stream, c.after, c.upto), func(t *testing.T) {
			z.t = t
			z.send("QUERY", c.stream, c.after, c.upto)
			if c.code != "" {
				z.recv().wantError(c.code)
				return
			}
			if c.first == 0 {
				c.first = 1
			}
			z.wantEvents(nil, c.first, c.last, 1)
		})
	}
	z.t = t
}

// TestUptoZeroStillLooksUpAfter: an upto of zero answers END, but an unknown after is
// still an ERROR.
func TestUptoZeroStillLooksUpAfter(t *testing.T) {
	d := serve(t)
	fill(t, d.store, "s", 5, 1)
	z := dial(t, zmq.DEALER, d.router())
	z.ask("QUERY", "s", id(3), id(0)).want("END")
	z.ask("QUERY", "s", id(6), id(0)).wantError(wire.UnknownID)
}

// TestOtherAnswersAreNotHeldUpByALongQuery: neither those of other envelopes of the
// same peer, nor those of another peer.
func TestOtherAnswersAreNotHeldUpByALongQuery(t *testing.T) {
	d := serve(t)
	const n = 200_000
	fill(t, d.store, "s", n, 100)
	z := dial(t, zmq.DEALER, d.router())
	other := dial(t, zmq.DEALER, d.router())
	z.send("long", "", "QUERY", "s", "", "")
	z.wantEvent([]string{"long", ""}, 1, 100)
	asked := 1
	z.send("short", "", "PING")
	next, pongs := 2, 0
	for {
		if next%1000 == 0 {
			other.ask("PUBLISH", "t", "x").want("PUBLISHED", id(next/1000))
		}
		r := z.recvBytes()
		if string(r[0]) == "short" {
			reply{z, []string{string(r[0]), string(r[1]), string(r[2])}}.want("short", "", "PONG")
			// Events that libzmq and the kernel already hold may come first.
			if ahead := next - asked; ahead > n/2 {
				t.Errorf("a PONG came %d events after its PING", ahead)
			}
			pongs++
			continue
		}
		if string(r[2]) == "END" {
			break
		}
		if number(r[3]) != next {
			t.Fatalf("want event %d, have %d", next, number(r[3]))
		}
		next++
	}
	if next != n+1 || pongs != 1 {
		t.Errorf("want %d events and 1 PONG, have %d and %d", n, next-1, pongs)
	}
}

// subscribe connects a SUB and waits until its subscriptions have taken effect.
func subscribe(t testing.TB, d *daemon, prefixes ...string) *client {
	t.Helper()
	sub := dial(t, zmq.SUB, d.PubAddrs()[0], noMark)
	const hello = "\x00hello"
	for _, p := range append(prefixes, hello) {
		if err := sub.SetSubscribe(p); err != nil {
			t.Fatal(err)
		}
	}
	z := dial(t, zmq.REQ, d.router())
	eventually(t, "the subscriber receives nothing", func() bool {
		z.ask("PUBLISH", hello, "")
		_, ok := sub.try()
		return ok
	})
	z.close()
	if err := sub.SetUnsubscribe(hello); err != nil {
		t.Fatal(err)
	}
	return sub
}

// next receives a broadcast, except those of subscribe.
func (c *client) next() []string {
	c.t.Helper()
	for {
		if r := c.recv(); r.frames[0] != "\x00hello" {
			return r.frames
		}
	}
}

// TestBroadcasts (P6): a broadcast has three frames; broadcasts come in commit order;
// each event can be queried by then.
func TestBroadcasts(t *testing.T) {
	d := serve(t)
	sub := subscribe(t, d, "")
	few := subscribe(t, d, "s1")
	z := dial(t, zmq.DEALER, d.router(), noMark)
	q := dial(t, zmq.DEALER, d.router())
	const n = 500
	for i := range n {
		z.send("PUBLISH", "s"+strconv.Itoa(i%20), strconv.Itoa(i))
	}
	for i := range n {
		stream := "s" + strconv.Itoa(i%20)
		have := sub.next()
		if want := []string{stream, id(i/20 + 1), strconv.Itoa(i)}; !slices.Equal(want, have) {
			t.Fatalf("broadcast %d: want %q, have %q", i, want, have)
		}
		q.ask("QUERY", stream, id(i/20), id(i/20+1)).want("EVENT", have[1], have[2])
		q.recv().want("END")
	}
	for i := range n {
		if s := strconv.Itoa(i % 20); s[0] == '1' {
			if have := few.next(); have[0] != "s"+s || have[2] != strconv.Itoa(i) {
				t.Fatalf("want broadcast %d, have %q", i, have)
			}
		}
	}
}

// TestBurstReachesAReadingSubscriber: with libzmq's default high-water mark of 1,000,
// most of a burst was lost.
func TestBurstReachesAReadingSubscriber(t *testing.T) {
	d := serve(t)
	sub := subscribe(t, d, "s")
	const n = 10_000
	fill(t, d.store, "s", n, 100) // as one commit
	z := dial(t, zmq.DEALER, d.router(), noMark)
	for range n {
		z.send("PUBLISH", "s", "x")
	}
	for i := range 2 * n {
		if have := sub.next(); have[0] != "s" || have[1] != id(i+1) {
			t.Fatalf("want id %d, have %.60q", i+1, have)
		}
	}
}

// TestStopAnswersWhatWasTaken: after a stop, the store holds exactly what was
// acknowledged, and PUB has sent it.
func TestStopAnswersWhatWasTaken(t *testing.T) {
	d := serve(t)
	sub := subscribe(t, d, "s")
	z := dial(t, zmq.DEALER, d.router(), noMark)
	for range 30_000 {
		z.send("PUBLISH", "s", strings.Repeat("x", 100))
	}
	z.recv().want("PUBLISHED", id(1))
	d.stop()
	if err := d.ended(); err != nil {
		t.Fatal(err)
	}
	last := d.last(t, "s")
	for i := uint64(2); i <= last; i++ {
		z.recv().want("PUBLISHED", id(int(i)))
	}
	if r, ok := z.try(); ok {
		t.Errorf("want %d answers, have one more: %q", last, r.frames)
	}
	for i := uint64(1); i <= last; i++ {
		if have := sub.next(); have[1] != id(int(i)) {
			t.Fatalf("want broadcast %d, have %.60q", i, have)
		}
	}
	t.Logf("%d of 30,000 were taken", last)
}

// TestStopEndsQueries (P7): a query that a stop interrupts has sent its events in order
// and without a hole, and ends with an ERROR instead of END.
func TestStopEndsQueries(t *testing.T) {
	d := serve(t)
	fill(t, d.store, "s", 100_000, 500)
	z := dial(t, zmq.DEALER, d.router())
	for _, e := range []string{"a", "b"} {
		z.send(e, "", "QUERY", "s", "", "")
		z.send(e, "", "PUBLISH", "t", e)
		z.send(e, "", "QUERY", "t", "", "")
	}
	last := map[string]int{}
	take := func() (more bool) {
		r := z.recv()
		e, r := r.frames[0], reply{z, r.frames[2:]}
		switch r.frames[0] {
		case "EVENT":
			last[e]++
			if number([]byte(r.frames[1])) != last[e] {
				t.Fatalf("envelope %s: want event %d, have %d", e, last[e], number([]byte(r.frames[1])))
			}
			return true
		case "PUBLISHED":
			last[e] = -1
			return true
		}
		r.wantError(wire.Stopping)
		return last[e] >= 0
	}
	take()
	d.stop()
	for stopped := 0; stopped < 2; {
		if !take() {
			stopped++
		}
	}
	if err := d.ended(); err != nil {
		t.Fatal(err)
	}
	if n := d.last(t, "t"); n != 2 {
		t.Errorf("want both writes that waited behind the queries, have %d", n)
	}
}

// TestStopDoesNotWaitForAPeerThatDoesNotRead: it stops after grace.
func TestStopDoesNotWaitForAPeerThatDoesNotRead(t *testing.T) {
	d := serve(t)
	fill(t, d.store, "s", 30, 1<<20)
	z := dial(t, zmq.DEALER, d.router(), tiny)
	z.send("QUERY", "s", "", "")
	z.send("PING")
	eventually(t, "the peer is not blocked", func() bool { return d.Stats.Blocked.Load() == 1 })
	began := time.Now()
	d.stop()
	if err := d.ended(); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > grace+linger+2*time.Second {
		t.Errorf("stopping took %v", took)
	}
}

// TestStopTakesNobodyNew: while a slow peer delays the stop, new clients wait for the
// next server. Before, a request could be taken and never answered, and its client
// waited for all of its timeout.
func TestStopTakesNobodyNew(t *testing.T) {
	d := serve(t)
	fill(t, d.store, "s", 30, 1<<20)
	z := dial(t, zmq.DEALER, d.router(), tiny)
	z.send("QUERY", "s", "", "")
	z.send("PING")
	eventually(t, "the peer is not blocked", func() bool { return d.Stats.Blocked.Load() == 1 })
	ended := make(chan error, 1)
	d.stop()
	go func() { ended <- d.ended() }() // ends when the server does
	eventually(t, "it takes connections", func() bool {
		c, err := net.DialTimeout("tcp", strings.TrimPrefix(d.router(), "tcp://"), 200*time.Millisecond)
		if err == nil {
			c.Close()
		}
		return errors.Is(err, os.ErrDeadlineExceeded)
	})
	select {
	case err := <-ended:
		t.Errorf("it ended before: %v", err)
	default:
	}
}

// TestGivenUp: a peer that sends requests without reading is given up at the limit. The
// answers that it then reads are the first ones, without a hole. After reconnecting it
// is served again.
func TestGivenUp(t *testing.T) {
	d := serve(t)
	for _, identity := range []string{"", "chosen"} {
		t.Run("identity "+identity, func(t *testing.T) {
			options := []func(*zmq.Socket) error{tiny}
			if identity != "" {
				options = append(options, named(identity))
			}
			z := dial(t, zmq.DEALER, d.router(), options...)
			load := strings.Repeat("x", 1000)
			before := d.Stats.GivenUp.Load()
			sent := 0
			eventually(t, "the peer was not given up", func() bool {
				for range 1000 {
					z.send("PING", strconv.Itoa(sent), load)
					sent++
				}
				return d.Stats.GivenUp.Load() == before+1
			})
			z.send("PUBLISH", "s", "must not take effect")
			d.alive(t)
			eventually(t, "messages are left", func() bool { return d.Stats.Received.Load() >= uint64(sent) })
			got := 0
			for quiet := time.Now().Add(time.Second); time.Now().Before(quiet); {
				if r, ok := z.try(); ok {
					r.want("PONG", strconv.Itoa(got), load)
					got++
					quiet = time.Now().Add(time.Second)
				}
			}
			if got == 0 || got >= sent {
				t.Errorf("%d answers to %d requests", got, sent)
			}
			if n := d.store.Info().LastPosition; n != 0 {
				t.Errorf("a request took effect after the peer was given up")
			}
			if d.is(func(l *loop) bool { return l.unread != 0 }) {
				t.Error("answers to a peer that was given up are kept")
			}
			z.close()
			eventually(t, "the connection is not gone", func() bool { return d.is(func(l *loop) bool { return len(l.conns) == 0 }) })
			z = dial(t, zmq.DEALER, d.router(), options...)
			z.ask("PING", "back").want("PONG", "back")
			z.close()
			eventually(t, "a connection is left", func() bool {
				return d.Stats.Connections.Load() == 0 && d.is(func(l *loop) bool { return len(l.conns) == 0 && len(l.byFD) == 0 })
			})
		})
	}
}

// TestMoreQueriesThanMayRun: all queries are answered, those beyond the limit later.
func TestMoreQueriesThanMayRun(t *testing.T) {
	d := serve(t)
	const n = maxRunning + 1000
	fill(t, d.store, "s", 2, 4096)
	z := dial(t, zmq.DEALER, d.router(), tiny)
	for i := range n {
		z.send(strconv.Itoa(i), "", "QUERY", "s", "", "")
	}
	eventually(t, "too few queries wait", func() bool {
		return d.Stats.Queries.Load() == n && d.Stats.QueriesRunning.Load() > maxRunning/2
	})
	t.Logf("%d queries were under way at once", d.Stats.QueriesRunning.Load())
	state := make([]int, n)
	for range 3 * n {
		r := z.recvBytes()
		i, _ := strconv.Atoi(string(r[0]))
		if state[i]++; state[i] == 3 {
			reply{z, []string{string(r[2])}}.want("END")
		} else if number(r[3]) != state[i] {
			t.Fatalf("query %d: want event %d, have %.60q", i, state[i], r)
		}
	}
	eventually(t, "queries are left", func() bool { return d.Stats.QueriesRunning.Load() == 0 })
}

// TestChunksAreGivenBack: a reader that stalls for longer than a second costs no
// memory. When it reads on, it gets everything in order.
func TestChunksAreGivenBack(t *testing.T) {
	d := serve(t)
	const n = 20_000
	fill(t, d.store, "s", n, 300)
	z := dial(t, zmq.DEALER, d.router(), tiny)
	envelopes := []string{"a", "b", "c", "d", "e", "f"}
	for _, e := range envelopes {
		z.send(e, "", "QUERY", "s", "", "")
	}
	last := map[string]int{}
	ended := 0
	take := func() {
		r := z.recvBytes()
		e := string(r[0])
		if string(r[2]) == "END" && last[e] == n {
			ended++
			return
		}
		if last[e]++; number(r[3]) != last[e] || !bytes.Equal(r[4], datum(last[e], 300)) {
			t.Fatalf("envelope %s: want event %d, have %.60q", e, last[e], r)
		}
	}
	for range 3 {
		eventually(t, "chunks are kept", func() bool {
			return d.is(func(l *loop) bool { return l.inHand.Load() == 0 && l.reading == 0 && l.stats.Blocked.Load() == 1 })
		})
		for range n / 2 {
			take()
		}
	}
	for ended < len(envelopes) {
		take()
	}
	eventually(t, "memory is charged", func() bool { return d.is(func(l *loop) bool { return l.inHand.Load() == 0 && l.unread == 0 }) })
}

// TestAnswersBehindQueriesOfASlowReader: a peer is slow for a moment, with two queries
// and much that waits behind one of them. When it reads, it gets everything: a peer
// that reads must not be given up.
func TestAnswersBehindQueriesOfASlowReader(t *testing.T) {
	d := serve(t)
	const size = 1 << 20
	fill(t, d.store, "s", 40, size)
	load := strings.Repeat("x", 2<<20-100)
	for n := 6; n <= 20; n++ {
		z := dial(t, zmq.DEALER, d.router(), tiny)
		for _, e := range []string{"a", "b"} {
			z.send(e, "", "QUERY", "s", "", id(n))
		}
		for range 6 {
			z.send("a", "", "PING", load)
		}
		z.send("b", "", "PING", "b")
		eventually(t, "not blocked", func() bool { return d.Stats.Blocked.Load() == 1 })
		last, pongs := map[string]int{}, map[string]int{}
		for pongs["a"] < 6 || pongs["b"] < 1 {
			r := z.recvBytes()
			e := string(r[0])
			switch {
			case string(r[2]) == "PONG":
				pongs[e]++
			case string(r[2]) == "END" && last[e] == n:
			case string(r[2]) == "EVENT" && number(r[3]) == last[e]+1:
				last[e]++
			default:
				t.Fatalf("envelope %s after event %d: %.100q", e, last[e], r)
			}
		}
		z.close()
		eventually(t, "connection is left", func() bool { return d.Stats.Connections.Load() == 0 })
	}
	if have := d.Stats.GivenUp.Load(); have != 0 {
		t.Errorf("%d connections were given up", have)
	}
}

// TestNewRefusesWhatItCannotBind: New returns an error and leaves nothing open.
func TestNewRefusesWhatItCannotBind(t *testing.T) {
	d := serve(t)
	before := len(descriptors())
	for _, o := range []Options{
		{},
		{Router: []string{"tcp://127.0.0.1:*"}},
		{Router: []string{d.router()}, Pub: []string{"tcp://127.0.0.1:*"}},
		{Router: []string{"tcp://127.0.0.1:*"}, Pub: d.PubAddrs()},
		{Router: []string{"nonsense"}, Pub: []string{"tcp://127.0.0.1:*"}},
		{Router: []string{"tcp://127.0.0.1:*"}, Pub: []string{"tcp://127.0.0.1:*"}, MaxEvent: store.MaxEvent + 1},
		{Router: []string{"tcp://127.0.0.1:*"}, Pub: []string{"tcp://127.0.0.1:*"}, MaxEvent: -1},
	} {
		if s, err := New(o); err == nil {
			s.Close()
			t.Errorf("want an error for %+v", o)
		}
	}
	eventually(t, "descriptors are left", func() bool { return len(descriptors()) <= before })
	d.alive(t)
}
