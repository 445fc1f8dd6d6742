package cli

import (
	"fmt"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/internal/exit"
	"gorewind/store/storetest"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// interrupt is what Ctrl-C sends.
const interrupt = syscall.SIGINT

// TestFollowCommand: each event once and in order, at once, over daemons that are
// stopped and killed; a signal is how it ends.
func TestFollowCommand(t *testing.T) {
	t.Parallel()
	r, seed := storetest.Rand(t)
	t.Logf("SEED=%d", seed)
	dir := t.TempDir()
	router, pub := daemontest.FreeEndpoint(t, r), daemontest.FreeEndpoint(t, r)
	serve := func() *daemontest.Daemon {
		return daemontest.StartCommand(t, exec.Command(daemontest.Binary(), "serve", "--router", router, "--pub", pub, "--data-dir", dir))
	}
	d := serve()
	one := daemontest.StartClient(t, d.Command(t, "follow", "s", "--raw", "--timeout", "200ms"))
	all := daemontest.StartClient(t, d.Command(t, "follow", "*", "--glob", "--timeout", "200ms"))
	n := 0
	publish := func() {
		t.Helper()
		p := daemontest.Dial(t, router)
		defer p.Close()
		for range 300 {
			n++
			if reply := p.Ask(wire.Publish{Stream: []byte("s"), Data: fmt.Append(nil, n)}); reply != any(wire.Published{ID: uint64(n)}) {
				t.Fatalf("event %d: %v", n, reply)
			}
		}
		for i := n - 299; i <= n; i++ {
			if have := one.Line(); have != fmt.Sprint(i) {
				t.Fatalf("want event %d, have %q", i, have)
			}
			if have, want := all.Line(), fmt.Sprintf("\t%d\ts\t%d\t%d", i, i, i); !strings.HasSuffix(have, want) {
				t.Fatalf("want %q at the end, have %q", want, have)
			}
		}
	}
	publish()
	for range 2 {
		d.Kill()
		one.Await("waiting for the daemon")
		d = serve()
		publish()
		one.Await("answers again")
		d.Stop(t, syscall.SIGTERM)
		d = serve()
		publish()
	}
	for l, signal := range map[*daemontest.Client]syscall.Signal{one: syscall.SIGINT, all: syscall.SIGTERM} {
		want := exit.OK // SIGTERM is how a follower ends
		if signal == interrupt {
			want = exit.Interrupted
		}
		if rest, status := l.Stop(signal); rest != "" || status != want || strings.Contains(l.Errors(), "stopped") {
			t.Errorf("%v: have %q, status %d\n%s", signal, rest, status, l.Errors())
		}
	}
	daemontest.Shell{D: d}.Want(t, "1\n2\n", "follow", "s", "--limit", "2", "--raw")
	daemontest.Shell{D: d}.Refuse(t, 1, `has no event with id 5000`, "follow", "s", "--after", "5000")
}

// TestFollowNew: what was there is not shown, and what comes is.
func TestFollowNew(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	daemontest.Shell{D: d}.Want(t, "1\n", "publish", "s", "old")
	for i, args := range [][]string{{"--new", "s"}, {"--new", "--prefix"}, {"--new", "never"}, {"--tail", "0", "s"}} {
		l := daemontest.StartClient(t, d.Command(t, append([]string{"follow", "--raw", "--limit", "1"}, args...)...))
		p := daemontest.Dial(t, d.Router)
		// It does not say when it has begun: so there is something new until then.
		ended := make(chan string)
		go func() { // ends with the client
			rest, _ := l.End()
			ended <- rest
		}()
		stream := "s"
		if i == 2 {
			stream = "never"
		}
		have := ""
		daemontest.Await(t, func() bool {
			p.Ask(wire.Publish{Stream: []byte(stream), Data: []byte("new")})
			select {
			case have = <-ended:
				return true
			default:
				return false
			}
		}, l.Errors)
		if have != "new\n" {
			t.Errorf("%q: have %q\n%s", args, have, l.Errors())
		}
		p.Close()
	}
}

// TestFollowCommits: what was shown is committed, also when a signal ends it, so
// that the next one goes on.
func TestFollowCommits(t *testing.T) {
	t.Parallel()
	for cursor, args := range map[string][]string{
		"s": {"follow", "s", "--consumer", "mailer", "--commit", "--raw"},
		"":  {"follow", "--prefix", "--consumer", "mailer", "--commit", "--raw"},
	} {
		d := daemontest.Start(t, "--in-memory")
		daemontest.Shell{D: d, Stdin: "a\nb\nc"}.Want(t, "1\t3\n", "publish", "s", "--lines")
		l := daemontest.StartClient(t, d.Command(t, args...))
		for _, want := range []string{"a", "b", "c"} {
			if have := l.Line(); have != want {
				t.Errorf("%q: want %q, have %q", args, want, have)
			}
		}
		// Ids are positions here: nothing else was stored.
		daemontest.Shell{D: d}.Want(t, "3\n", "wait", "mailer", cursor, "3", "--timeout", "1m")
		if _, status := l.Stop(interrupt); status != exit.Interrupted {
			t.Errorf("%q: status %d\n%s", args, status, l.Errors())
		}
		l = daemontest.StartClient(t, d.Command(t, append(args, "--limit", "1")...))
		daemontest.Shell{D: d}.Want(t, "4\n", "publish", "s", "d")
		if rest, status := l.End(); rest != "d\n" || status != 0 {
			t.Errorf("%q: want what is new, have %q, status %d\n%s", args, rest, status, l.Errors())
		}
		if cursor != "" {
			daemontest.Shell{D: d}.Want(t, "4\n", "cursor", "mailer", cursor)
		}
	}
}

// TestSubscribe: what is broadcast is shown, of the streams that were asked for.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	l := daemontest.StartClient(t, d.Command(t, "subscribe", "a", "--json"))
	p := daemontest.Dial(t, d.Router)
	first := make(chan string)
	go func() { first <- l.Line() }() // ends with the first line
	have := ""
	daemontest.Await(t, func() bool {
		p.Ask(wire.Publish{Stream: []byte("b"), Data: []byte("not this")})
		p.Ask(wire.Publish{Stream: []byte("a"), Data: []byte("\xff")})
		select {
		case have = <-first:
			return true
		default:
			return false
		}
	}, l.Errors)
	if !strings.HasPrefix(have, `{"stream":"a","id":`) || !strings.HasSuffix(have, `,"data64":"/w=="}`) {
		t.Errorf("have %s", have)
	}
	p.Ask(wire.Publish{Stream: []byte("aa"), Data: make([]byte, 1<<20)})
	for have = l.Line(); !strings.HasPrefix(have, `{"stream":"aa","id":1,`); have = l.Line() {
		if !strings.HasPrefix(have, `{"stream":"a",`) {
			t.Fatalf("have %.100s", have)
		}
	}
	if rest, status := l.Stop(interrupt); rest != "" || status != exit.Interrupted || l.Errors() != "" {
		t.Errorf("have %q, status %d\n%s", rest, status, l.Errors())
	}
}

// TestSubscribeGaps: what was lost is told, and a connection that ends.
func TestSubscribeGaps(t *testing.T) {
	t.Parallel()
	bind := func(endpoint string) *zmq.Socket {
		t.Helper()
		s, err := zmq.NewSocket(zmq.XPUB)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		s.SetLinger(0)
		s.SetRcvtimeo(20 * time.Second)
		if err := s.Bind(endpoint); err != nil {
			t.Fatal(err)
		}
		return s
	}
	broadcast := func(s *zmq.Socket, ids ...uint64) {
		t.Helper()
		if _, err := s.RecvMessageBytes(0); err != nil { // the subscription
			t.Fatal(err)
		}
		for _, id := range ids {
			s.SendMessage(wire.Broadcast{Stream: []byte("s"), ID: id, Data: []byte("data")}.Frames())
		}
		s.SendMessage("", "reserved", "frame")
		s.SendMessage(wire.Broadcast{Stream: []byte("t"), ID: 9, Data: []byte("data")}.Frames())
	}
	s := bind("tcp://127.0.0.1:*")
	endpoint, err := s.GetLastEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	l := daemontest.StartClient(t, (&daemontest.Daemon{Pub: endpoint}).Command(t, "subscribe"))
	broadcast(s, 3, 4, 8)
	for _, want := range []string{"s\t3\tdata", "s\t4\tdata", "s\t8\tdata", "t\t9\tdata"} {
		if have := l.Line(); have != want {
			t.Errorf("want %q, have %q", want, have)
		}
	}
	s.Close()
	l.Await("lost the connection")
	broadcast(bind(endpoint), 9, 11)
	for _, want := range []string{"s\t9\tdata", "s\t11\tdata", "t\t9\tdata"} {
		if have := l.Line(); have != want {
			t.Errorf("want %q, have %q", want, have)
		}
	}
	if _, status := l.Stop(syscall.SIGTERM); status != 0 {
		t.Errorf("status %d\n%s", status, l.Errors())
	}
	for _, want := range []string{"lost the broadcasts of events 5 to 7 of the stream \"s\"; get them with gorewind query \"s\" --after 4 --upto 7", "broadcasts of events 10 to 10", "reconnected to"} {
		if strings.Count(l.Errors(), want) != 1 {
			t.Errorf("want %q once, have\n%s", want, l.Errors())
		}
	}
}
