package server

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/wire"
)

// handshakes counts the monitors of handshake, to name them.
var handshakes atomic.Int64

// handshake connects a socket and returns how its first handshake ended.
func handshake(t testing.TB, kind zmq.Type, addr string, options ...func(*zmq.Socket) error) (*client, zmq.Event) {
	t.Helper()
	name := fmt.Sprintf("inproc://handshake-%d", handshakes.Add(1))
	watched := func(z *zmq.Socket) error {
		return z.Monitor(name, zmq.EVENT_HANDSHAKE_SUCCEEDED|zmq.EVENT_HANDSHAKE_FAILED_AUTH|
			zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL|zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL)
	}
	z := dial(t, kind, addr, append(options, watched)...)
	monitor := dial(t, zmq.PAIR, name)
	defer monitor.close()
	event, _, _, err := monitor.RecvEvent(0)
	if err != nil {
		t.Fatalf("the handshake does not end: %v", err)
	}
	if err := z.Monitor("", 0); err != nil { // or libzmq would wait for monitor, which is closed
		t.Fatal(err)
	}
	return z, event
}

// TestUnknownPeersAreRefused: a peer without the right keys is refused at both sockets,
// counted and logged. Others are served meanwhile.
func TestUnknownPeersAreRefused(t *testing.T) {
	var log logBuffer
	c := serveSecured(t, map[string]rules{"known": {read: []string{"**"}, write: []string{"**"}}}, Options{Log: logTo(&log)})
	friend := c.dial(t, "known")
	friend.ask("PUBLISH", "s", "x").want("PUBLISHED", id(1))
	other := newCurve(t)
	received := c.Stats.Received.Load()
	for name, x := range map[string]struct {
		with  func(*zmq.Socket) error
		count func() uint64
	}{
		"unknown key": {c.with(other), c.Stats.HandshakesRefused.Load},
		"wrong server key": {func(z *zmq.Socket) error {
			return z.ClientAuthCurve(other.Public, c.keys["known"].Public, c.keys["known"].Secret)
		}, c.Stats.HandshakesBroken.Load},
		"plain client": {func(*zmq.Socket) error { return nil }, c.Stats.HandshakesBroken.Load},
		"another secret": {func(z *zmq.Socket) error {
			return z.ClientAuthCurve(c.server.Public, c.keys["known"].Public, other.Secret)
		}, c.Stats.HandshakesBroken.Load},
	} {
		for kind, addr := range map[zmq.Type]string{zmq.DEALER: c.router(), zmq.SUB: c.PubAddrs()[0]} {
			before := x.count()
			// If the peer closes first, the handshake counts as unfinished.
			eventually(t, name+" is not counted", func() bool {
				z, outcome := handshake(t, kind, addr, x.with)
				defer z.close()
				if outcome == zmq.EVENT_HANDSHAKE_SUCCEEDED {
					t.Fatalf("%s at %s: was let in", name, addr)
				}
				if kind == zmq.DEALER {
					_, _ = z.SendMessageDontwait("PUBLISH", "s", "stolen") // there may be nobody to send it to
				}
				return x.count() > before
			})
		}
	}
	friend.ask("PUBLISH", "s", "x").want("PUBLISHED", id(2))
	if n := c.Stats.Received.Load() - received; n != 1 {
		t.Errorf("want one message since, have %d", n)
	}
	c.stop()
	if err := c.ended(); err != nil {
		t.Error(err)
	}
	for _, want := range []string{other.Public, "does not have this server's public key", "does not use CURVE"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("want %q in the log, have\n%s", want, log.String())
		}
	}
}

// TestFloodOfUnknownPeersIsLoggedOnce: a peer that connects often does not fill the
// log.
func TestFloodOfUnknownPeersIsLoggedOnce(t *testing.T) {
	var log logBuffer
	c := serveSecured(t, nil, Options{Log: logTo(&log)})
	const times = 30
	for range times {
		z, _ := handshake(t, zmq.DEALER, c.router(), c.with(newCurve(t)))
		z.close()
	}
	eventually(t, "not all are counted", func() bool { return c.Stats.HandshakesRefused.Load() == times })
	c.stop()
	c.ended()
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("want one warning, have %d:\n%s", n, log.String())
	}
}

// TestBroadcastsNeedReadOnAllStreams: PUB refuses a key without it, and another key
// gets everything.
func TestBroadcastsNeedReadOnAllStreams(t *testing.T) {
	c := serveSecured(t, map[string]rules{
		"all":  {read: []string{"**"}, write: []string{"**"}},
		"some": {read: []string{"*"}, write: []string{"**"}, admin: []string{"**"}},
	}, Options{})
	if _, outcome := handshake(t, zmq.SUB, c.PubAddrs()[0], c.as("some"), subscribed); outcome != zmq.EVENT_HANDSHAKE_FAILED_AUTH {
		t.Errorf("some: %v", outcome)
	}
	sub, outcome := handshake(t, zmq.SUB, c.PubAddrs()[0], c.as("all"), subscribed)
	if outcome != zmq.EVENT_HANDSHAKE_SUCCEEDED {
		t.Fatalf("all: %v", outcome)
	}
	z := c.dial(t, "some")
	eventually(t, "the subscriber receives nothing", func() bool {
		z.ask("PUBLISH", "s", "x")
		_, ok := sub.try()
		return ok
	})
}

func subscribed(z *zmq.Socket) error { return z.SetSubscribe("") }

// TestAllow: requests that a key has under way and may no longer make end at once.
// Others go on. New requests follow the new rules.
func TestAllow(t *testing.T) {
	of := map[string]rules{
		"changed": {read: []string{"a", "b"}, write: []string{"a"}}, "removed": {read: []string{"**"}},
		"other": {read: []string{"**"}, write: []string{"**"}},
	}
	c := serveSecured(t, of, Options{})
	other, changed, removed := c.dial(t, "other"), c.dial(t, "changed"), c.dial(t, "removed")
	for _, z := range []*client{changed, removed} {
		z.send("1", "", "QUERY", "a", "", "", "follow")
		z.recv().want("1", "", "LIVE")
		z.send("1", "", "PING") // waits behind it
		z.send("1", "", "QUERY", "a", "", "")
		z.send("2", "", "WAIT", "c", "a", id(1), "60000")
		z.send("3", "", "QUERY", "b", "", "", "follow")
		z.recv().want("3", "", "LIVE")
		z.ask("4", "", "PING").want("4", "", "PONG")
	}
	sub, _ := handshake(t, zmq.SUB, c.PubAddrs()[0], c.as("removed"), subscribed)
	eventually(t, "the subscriber receives nothing", func() bool {
		other.ask("PUBLISH", "x", "x")
		_, ok := sub.try()
		return ok
	})

	delete(of, "removed")
	of["changed"] = rules{read: []string{"b"}}
	c.Allow(c.access(t, of))
	for _, z := range []*client{changed, removed} {
		answers := make(map[string][]string)
		want := map[string]int{"1": 3, "2": 1, "3": 1}
		if z == changed {
			delete(want, "3")
		}
		for left := true; left; {
			r := z.recv()
			answers[r.frames[0]] = append(answers[r.frames[0]], strings.SplitN(r.frames[2], " ;", 2)[0])
			left = false
			for envelope, n := range want {
				left = left || len(answers[envelope]) < n
			}
		}
		if a := answers["1"]; !strings.HasPrefix(a[0], "ERROR DENIED") || a[1] != "PONG" || !strings.HasPrefix(a[2], "ERROR DENIED") {
			t.Errorf("a follower, a PING and a QUERY behind it: have %q", a)
		}
		if a := answers["2"]; !strings.HasPrefix(a[0], "ERROR DENIED") {
			t.Errorf("a WAIT: have %q", a)
		}
		if a := answers["3"]; z == removed && !strings.HasPrefix(a[0], "ERROR DENIED") {
			t.Errorf("another follower: have %q", a)
		}
	}
	other.ask("PUBLISH", "b", "for who follows on").want("PUBLISHED", id(1))
	changed.recv().want("3", "", "EVENT", id(1), "for who follows on")
	changed.ask("PUBLISH", "a", "x").wantError(wire.Denied)
	for _, command := range [][]string{{"PING"}, {"INFO"}, {"PUBLISH", "a", "x"}, {"QUERY", "b", "", ""}, {"NONSENSE"}} {
		removed.ask(command...).wantError(wire.Denied)
	}
	if n := c.Stats.QueriesRunning.Load(); n != 1 {
		t.Errorf("want one query to go on, have %d", n)
	}

	// PUB goes on until it reconnects.
	other.ask("PUBLISH", "b", "broadcast").want("PUBLISHED", id(2))
	for r := sub.recv(); r.frames[2] != "broadcast"; r = sub.recv() {
	}
	sub.close()
	if _, outcome := handshake(t, zmq.SUB, c.PubAddrs()[0], c.as("removed"), subscribed); outcome != zmq.EVENT_HANDSHAKE_FAILED_AUTH {
		t.Errorf("reconnecting to PUB: %v", outcome)
	}
	if _, outcome := handshake(t, zmq.DEALER, c.router(), c.as("removed")); outcome != zmq.EVENT_HANDSHAKE_FAILED_AUTH {
		t.Errorf("reconnecting to ROUTER: %v", outcome)
	}
}

// TestDrop: with Drop, a client that loses a right is disconnected at once, at PUB too.
// The others reconnect by themselves.
func TestDrop(t *testing.T) {
	of := map[string]rules{"removed": {read: []string{"**"}}, "other": {read: []string{"**"}, write: []string{"**"}}}
	c := serveSecured(t, of, Options{Drop: true})
	other := c.dial(t, "other")
	var subs []*client
	for _, name := range []string{"removed", "other"} {
		sub := dial(t, zmq.SUB, c.PubAddrs()[0], c.as(name), subscribed)
		eventually(t, "the subscriber receives nothing", func() bool {
			other.ask("PUBLISH", "x", "x")
			_, ok := sub.try()
			return ok
		})
		subs = append(subs, sub)
	}
	of["new"] = rules{}
	c.Allow(c.access(t, of)) // nobody loses anything
	c.alive(t)
	eventually(t, "a connection was dropped", func() bool { return c.Stats.Connections.Load() == 4 })
	refused := c.Stats.HandshakesRefused.Load()
	delete(of, "removed")
	c.Allow(c.access(t, of))
	eventually(t, "a removed key does not come back in vain", func() bool { return c.Stats.HandshakesRefused.Load() > refused })
	again := c.dial(t, "other")
	for subs[0].drained() { // what was under way
	}
	eventually(t, "others do not come back", func() bool {
		again.ask("PUBLISH", "y", "after")
		r, ok := subs[1].try()
		return ok && r.frames[0] == "y"
	})
	if r, ok := subs[0].try(); ok {
		t.Errorf("a removed key receives %q", r.frames)
	}
}

// drained receives a message if there is one, and reports whether there was.
func (c *client) drained() bool {
	_, ok := c.try()
	return ok
}

// alive does what daemon.alive does, with a key.
func (c *securedServer) alive(t testing.TB) {
	t.Helper()
	c.dial(t, "other").ask("PING").want("PONG")
}

// TestConnectionLimit: the limit holds for both sockets together. Connections without a
// handshake do not count, and when a client leaves, another is let in.
func TestConnectionLimit(t *testing.T) {
	for _, name := range []string{"NULL", "CURVE"} {
		t.Run(name, func(t *testing.T) {
			o := Options{MaxConnections: 3, Handshake: 3 * time.Second}
			var d *daemon
			with := func(*zmq.Socket) error { return nil }
			if name == "CURVE" {
				c := serveSecured(t, map[string]rules{"k": {read: []string{"**"}}}, o)
				d, with = c.daemon, c.as("k")
			} else {
				d = serveOptions(t, o)
			}
			for range 10 {
				half, err := net.Dial("tcp", strings.TrimPrefix(d.router(), "tcp://"))
				if err != nil {
					t.Fatal(err)
				}
				defer half.Close()
			}
			for range 5 { // nor do clients that came and went
				z := dial(t, zmq.DEALER, d.router(), with)
				z.ask("PING").want("PONG")
				z.close()
				eventually(t, "it does not go", func() bool { return d.Stats.Connections.Load() == 10 })
			}
			if n := d.Stats.Full.Load(); n > 0 {
				t.Fatalf("%d are refused", n)
			}
			var in []*client
			for range 2 {
				z := dial(t, zmq.DEALER, d.router(), with)
				z.ask("PING").want("PONG")
				in = append(in, z)
			}
			if _, outcome := handshake(t, zmq.SUB, d.PubAddrs()[0], with); outcome != zmq.EVENT_HANDSHAKE_SUCCEEDED {
				t.Fatalf("the third one: %v", outcome)
			}
			fourth := dial(t, zmq.DEALER, d.router(), with)
			fourth.send("PING")
			eventually(t, "a fourth one is not refused", func() bool { return d.Stats.Full.Load() > 0 })
			for _, z := range in {
				z.ask("PING").want("PONG")
			}
			if r, ok := fourth.try(); ok {
				t.Fatalf("the fourth one receives %q", r.frames)
			}
			in[0].close()
			fourth.recv().want("PONG") // its libzmq has come back
		})
	}
}

// TestRequestLimit: a client that sends too many requests gets BUSY in its turn, and no
// other client does. All connections of a key share its limit.
func TestRequestLimit(t *testing.T) {
	const limit = 10
	c := serveSecured(t, map[string]rules{"k": {write: []string{"**"}}, "other": {}}, Options{MaxRequests: limit})
	var of [2]*client
	for i := range of {
		of[i] = c.dial(t, "k")
	}
	const each = 100
	for i := range each {
		for _, z := range of {
			z.send("PUBLISH", "s", "x")
			z.send("CANCEL") // which is not counted, and has no answer
		}
		if i == 0 {
			c.alive(t)
		}
	}
	stored, busy := 0, 0
	for _, z := range of {
		last := 0
		for range each {
			r := z.recv()
			if r.frames[0] != "PUBLISHED" {
				r.wantError(wire.Busy)
				busy++
				continue
			}
			n, _ := wire.ParseID([]byte(r.frames[1]))
			if int(n) <= last {
				t.Fatalf("id %d after %d", n, last)
			}
			last = int(n)
			stored++
		}
	}
	if n := int(c.last(t, "s")); n != stored || busy == 0 || stored < limit {
		t.Errorf("%d were acknowledged, %d refused, %d stored", stored, busy, n)
	}
	if n := int(counted(c.Stats.Refused())["BUSY"]); n != busy {
		t.Errorf("want %d counted, have %d", busy, n)
	}
	eventually(t, "it stays busy", func() bool { return of[0].ask("PUBLISH", "s", "x").frames[0] == "PUBLISHED" })
}

// TestRequestLimitOfConnections: without CURVE, each connection has a limit of its own.
func TestRequestLimitOfConnections(t *testing.T) {
	d := serveOptions(t, Options{MaxRequests: 2})
	for range 5 {
		z := dial(t, zmq.DEALER, d.router())
		for range 50 {
			z.send("PING")
		}
		z.recv().want("PONG")
		z.recv().want("PONG")
		for busy := false; !busy; {
			r := z.recv()
			if busy = r.frames[0] != "PONG"; busy {
				r.wantError(wire.Busy)
			}
		}
	}
}

// TestIPCMode: the files of ipc endpoints have the mode from the beginning, whatever
// the umask is. CURVE works there too.
func TestIPCMode(t *testing.T) {
	defer syscall.Umask(syscall.Umask(0o077))
	dir, err := os.MkdirTemp("", "gw") // a path of a socket has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	router, pub := filepath.Join(dir, "router"), filepath.Join(dir, "pub")
	c := serveSecured(t, map[string]rules{"k": {}}, Options{Router: []string{"ipc://" + router}, Pub: []string{"ipc://" + pub}, IPCMode: 0o660})
	for _, path := range []string{router, pub} {
		if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o660 {
			t.Errorf("%s: want mode 0660, have %v %v", path, fi.Mode(), err)
		}
	}
	if mask := syscall.Umask(0o077); mask != 0o077 {
		t.Errorf("the umask is %o afterwards", mask)
	}
	c.dial(t, "k").ask("PING").want("PONG")
	if _, outcome := handshake(t, zmq.DEALER, c.router()); outcome == zmq.EVENT_HANDSHAKE_SUCCEEDED {
		t.Error("a client without a key was let in")
	}
	if _, outcome := handshake(t, zmq.DEALER, c.router(), c.with(newCurve(t))); outcome != zmq.EVENT_HANDSHAKE_FAILED_AUTH {
		t.Errorf("an unknown key: %v", outcome)
	}
	_, err = New(Options{Router: []string{"ipc://@abstract"}, Pub: []string{"tcp://127.0.0.1:*"}, IPCMode: 0o660})
	if err == nil || !strings.Contains(err.Error(), "no file for IPCMode") {
		t.Errorf("IPCMode with an abstract socket: have %v", err)
	}
}

// TestWarningOfOpenEndpoints: an endpoint that others can reach without CURVE is logged
// as a warning.
func TestWarningOfOpenEndpoints(t *testing.T) {
	k := newCurve(t)
	nobody, err := NewAccess(nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		pub  string
		o    Options
		want bool
	}{
		{"tcp://*:*", Options{}, true},
		{"tcp://0.0.0.0:*", Options{}, true},
		{"tcp://[::]:*", Options{}, true},
		{"tcp://127.0.0.1:*", Options{}, false},
		{"tcp://[::1]:*", Options{}, false},
		{"tcp://*:*", Options{Curve: &k, Access: nobody}, false},
	} {
		var log logBuffer
		x.o.Router, x.o.Pub, x.o.Log = []string{"tcp://127.0.0.1:*"}, []string{x.pub}, logTo(&log)
		s, err := New(x.o)
		if err != nil {
			if strings.Contains(x.pub, "[") {
				continue // no IPv6 here
			}
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if have := strings.Contains(log.String(), "no authentication") && strings.Contains(log.String(), "level=WARN"); have != x.want {
			t.Errorf("%s: want a warning %v, have\n%s", x.pub, x.want, log.String())
		}
	}
}

// TestCurveNeedsAccess: without it, libzmq would accept any key.
func TestCurveNeedsAccess(t *testing.T) {
	k := newCurve(t)
	nobody, err := NewAccess(nil)
	if err != nil {
		t.Fatal(err)
	}
	for want, o := range map[string]Options{
		"Curve needs Access":      {Curve: &k},
		"Access needs Curve":      {Access: nobody},
		"MaxConnections is -1":    {MaxConnections: -1},
		"MaxRequests is -1":       {MaxRequests: -1},
		"Handshake is 1ns":        {Handshake: 1},
		"--handshake-time is 1ns": {Handshake: 1, Names: map[string]string{"Handshake": "--handshake-time"}},
	} {
		o.Router, o.Pub = []string{"tcp://127.0.0.1:*"}, []string{"tcp://127.0.0.1:*"}
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, have %v", want, err)
		}
	}
}

// TestCloseWithoutRun: Close does not wait for a handshake that waits for the loop.
func TestCloseWithoutRun(t *testing.T) {
	warmUp(t)
	checkLeaks(t)
	s, err := New(Options{Router: []string{"tcp://127.0.0.1:*"}, Pub: []string{"tcp://127.0.0.1:*"}, MaxConnections: 1})
	if err != nil {
		t.Fatal(err)
	}
	z := dial(t, zmq.DEALER, s.RouterAddrs()[0])
	z.send("PING")
	ended := make(chan error, 1)
	go func() { ended <- s.Close() }() // ends at once
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(maxWait):
		t.Fatal("Close does not return")
	}
}
