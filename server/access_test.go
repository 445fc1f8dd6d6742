package server

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"gorewind/server/internal/auth"
	"gorewind/server/internal/zsock"
	"gorewind/store"
	"gorewind/wire"
)

// newCurve returns a new pair of keys.
func newCurve(t testing.TB) Curve {
	t.Helper()
	public, secret, err := zmq.NewCurveKeypair()
	if err != nil {
		t.Fatal(err)
	}
	return Curve{public, secret}
}

// globs returns a selection by globs. Without one, it selects nothing.
func globs(t testing.TB, patterns ...string) *store.Selection {
	t.Helper()
	s := new(store.Selection)
	for _, p := range patterns {
		if err := s.Also(wire.DefaultSeparator, []byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// A securedServer is a server with CURVE, and the keys of its clients.
type securedServer struct {
	*daemon
	server Curve
	keys   map[string]Curve
}

// rules are the globs for which a client has each right.
type rules struct{ read, write, admin []string }

// access returns an Access for clients. It generates keys for new ones.
func (c *securedServer) access(t testing.TB, of map[string]rules) *Access {
	t.Helper()
	var clients []Principal
	for name, r := range of {
		if _, ok := c.keys[name]; !ok {
			c.keys[name] = newCurve(t)
		}
		clients = append(clients, Principal{
			Name: name, Key: c.keys[name].Public,
			Read: globs(t, r.read...), Write: globs(t, r.write...), Admin: globs(t, r.admin...),
		})
	}
	a, err := NewAccess(clients)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// serveSecured starts a server with CURVE for clients.
func serveSecured(t *testing.T, of map[string]rules, o Options) *securedServer {
	t.Helper()
	c := &securedServer{server: newCurve(t), keys: make(map[string]Curve)}
	o.Curve, o.Access = &c.server, c.access(t, of)
	c.daemon = serveOptions(t, o)
	return c
}

// as makes a socket use a client's key.
func (c *securedServer) as(name string) func(*zmq.Socket) error {
	return c.with(c.keys[name])
}

func (c *securedServer) with(k Curve) func(*zmq.Socket) error {
	return func(z *zmq.Socket) error { return z.ClientAuthCurve(c.server.Public, k.Public, k.Secret) }
}

func (c *securedServer) dial(t testing.TB, name string, options ...func(*zmq.Socket) error) *client {
	t.Helper()
	return dial(t, zmq.DEALER, c.router(), append(options, c.as(name))...)
}

// A logBuffer collects the log of a test.
type logBuffer struct{ strings.Builder }

func logTo(s *logBuffer) *slog.Logger {
	return slog.New(slog.NewTextHandler(s, nil))
}

// TestRightsAreThoseOfTheRules: both packages name the rights alike.
func TestRightsAreThoseOfTheRules(t *testing.T) {
	for have, want := range map[Right]auth.Right{Read: auth.Read, Write: auth.Write, Admin: auth.Admin} {
		if string(have) != string(want) {
			t.Errorf("want %s, have %s", want, have)
		}
	}
}

// TestRights sends every command as clients with every right, on streams they have it
// for and on others.
func TestRights(t *testing.T) {
	in := []string{"a/*"}
	c := serveSecured(t, map[string]rules{
		"reader": {read: in}, "writer": {write: in}, "admin": {admin: in},
		"reads all": {read: []string{"**"}}, "writes all": {write: []string{"**"}}, "admins all": {admin: []string{"**"}},
		"nobody": {},
	}, Options{})
	fill(t, c.store, "a/1", 100, 1)
	fill(t, c.store, "b/1", 100, 1)
	everybody := make(map[string]*client)
	for name := range c.keys {
		everybody[name] = c.dial(t, name)
	}
	const read, write, admin = "reader,reads all", "writer,writes all", "admin,admins all"
	for _, x := range []struct {
		request string // frames, separated by spaces; _ is an empty frame, @ an id
		who     string // clients that may do it
	}{
		{"PUBLISH a/1 x", write},
		{"PUBLISH b/1 x", "writes all"},
		{"APPEND _ a/1 _ 1 x", write},
		{"APPEND _ a/1 _ 1 x a/2 _ 1 x", write},
		{"APPEND _ a/1 _ 1 x b/1 _ 1 x", "writes all"},
		{"QUERY a/1 _ _ limit=1", read},
		{"QUERY b/1 _ _ limit=1", "reads all"},
		{"QUERY a/1 _ _ consumer=c limit=1", read},
		{"QUERY a/* _ _ match=glob limit=1", read},
		{"QUERY a/1* _ _ match=glob limit=1", read},
		{"QUERY a/1* _ _ match=glob also=b/* limit=1", "reads all"},
		{"QUERY ** _ _ match=glob limit=1", "reads all"},
		{"QUERY _ _ _ match=prefix limit=1", "reads all"},
		{"QUERY a/ _ _ match=prefix limit=1", "reads all"}, // also a/1/x
		{"QUERY a/* _ _ match=glob consumer=c limit=1", "reads all"},
		{"STREAMS _ _ limit=1", "reads all"},
		{"STREAMS a/ _ limit=1", "reads all"},
		{"COMMIT c a/1 @", read},
		{"COMMIT c b/1 @", "reads all"},
		{"COMMIT c _ @", "reads all"},
		{"CURSOR c a/1", read},
		{"CURSOR c b/1", "reads all"},
		{"CURSOR c _", "reads all"},
		{"WAIT c a/1 @ 0", read},
		{"WAIT c b/1 @ 0", "reads all"},
		{"WAIT c _ @ 0", "reads all"},
		{"REPLACE a/1 @ x", admin},
		{"REPLACE b/1 @ x", "admins all"},
		{"DELETE a/1 @ _", admin},
		{"DELETE b/1 @ _", "admins all"},
		{"LOG _ limit=1", "admins all"},
		{"PING", "everybody"},
		{"INFO", "everybody"},
	} {
		frames := strings.Split(x.request, " ")
		for i, f := range frames {
			switch f {
			case "_":
				frames[i] = ""
			case "@":
				frames[i] = id(1)
			}
		}
		for name, z := range everybody {
			z.send(append([]string{"for " + x.request, ""}, frames...)...)
			answer := ""
			for answer == "" || answer == "EVENT" || answer == "STREAM" || answer == "STORE" || answer == "ENTRY" {
				r := z.recv()
				if len(r.frames) < 3 || r.frames[0] != "for "+x.request {
					t.Fatalf("%s as %s: %q", x.request, name, r.frames)
				}
				answer = r.frames[2]
			}
			allowed := x.who == "everybody"
			for _, who := range strings.Split(x.who, ",") {
				allowed = allowed || who == name
			}
			if denied := strings.HasPrefix(answer, "ERROR DENIED command="+frames[0]+" right="); denied == allowed {
				t.Errorf("%s as %s: have %q", x.request, name, answer)
			}
			if bad := strings.HasPrefix(answer, "ERROR ") && !strings.HasPrefix(answer, "ERROR DENIED "); bad && frames[0] != "REPLACE" {
				t.Errorf("%s as %s: have %q", x.request, name, answer) // REPLACE may come after DELETE
			}
		}
	}
	denied := make(map[string]uint64)
	for command, n := range c.Stats.Denied.All() {
		denied[command] = n
	}
	for _, command := range guarded {
		if denied[command] == 0 {
			t.Errorf("want a count of denied %s, have none", command)
		}
	}
	if denied["PUBLISH"] != 5+6 {
		t.Errorf("want 11 denied PUBLISHes, have %d", denied["PUBLISH"])
	}
}

// TestDeniedIsInOrder: a denied request is answered in its turn, and the rest of the
// pipeline goes on.
func TestDeniedIsInOrder(t *testing.T) {
	c := serveSecured(t, map[string]rules{"writer": {write: []string{"a"}}}, Options{})
	z := c.dial(t, "writer")
	for range 100 {
		z.send("PUBLISH", "a", "x")
		z.send("PUBLISH", "b", "x")
		z.send("PING")
	}
	for i := range 100 {
		z.recv().want("PUBLISHED", id(i+1))
		z.recv().wantError(wire.Denied)
		z.recv().want("PONG")
	}
	if n := c.last(t, "b"); n != 0 {
		t.Errorf("%d events were stored that were denied", n)
	}
}

// TestRightsAreNotTakenOver: a peer that connects with the routing id that another had
// gets its own rights.
func TestRightsAreNotTakenOver(t *testing.T) {
	for _, name := range []string{"fast", "plain"} {
		t.Run(name, func(t *testing.T) {
			if name == "plain" {
				fast = func() bool { return false }
				defer func() { fast = zsock.Fast }()
			}
			c := serveSecured(t, map[string]rules{"master": {write: []string{"**"}}, "reader": {read: []string{"**"}}}, Options{})
			for _, routing := range []string{"shared", "\x00made"} { // the second looks like one of libzmq's
				for range 10 {
					c.publishAs(t, "master", routing).want("PUBLISHED")
					c.publishAs(t, "reader", routing).wantError(wire.Denied)
				}
			}
		})
	}
}

// publishAs publishes as a client with a routing id, and returns the first frame of the
// answer. It tries again while libzmq ignores it, because another connection has the
// routing id.
func (c *securedServer) publishAs(t testing.TB, name, routing string) reply {
	t.Helper()
	for range 200 {
		z := c.dial(t, name, named(routing))
		z.SetRcvtimeo(maxWait / 200)
		z.send("PUBLISH", "s", "x")
		z.send("PUBLISH", "s", "x")
		frames, err := z.RecvMessage(0)
		z.close()
		if err == nil {
			return reply{z, frames[:1]}
		}
	}
	t.Fatalf("%s gets no answer as %q", name, routing)
	return reply{}
}

// TestManyKeysAtOnce: messages of many keys arrive mixed, and each gets the rights of
// its own key.
func TestManyKeysAtOnce(t *testing.T) {
	of := make(map[string]rules)
	for i := range 20 {
		of[fmt.Sprint(i)] = rules{write: []string{fmt.Sprintf("s/%d", i)}}
	}
	c := serveSecured(t, of, Options{})
	var all []*client
	for i := range 20 {
		all = append(all, c.dial(t, fmt.Sprint(i)))
	}
	const rounds = 200
	for n := range rounds {
		for i, z := range all {
			z.send("PUBLISH", fmt.Sprintf("s/%d", (i+n%2)%20), "x")
		}
	}
	for n := range rounds {
		for _, z := range all {
			if r := z.recv(); n%2 == 0 {
				r.want("PUBLISHED", id(n/2+1))
			} else {
				r.wantError(wire.Denied)
			}
		}
	}
}
