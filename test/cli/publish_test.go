package cli

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"

	zmq "github.com/pebbe/zmq4"

	"gorewind/test/daemontest"
	"gorewind/wire"
)

// TestPublish: data come from the command line or the standard input, byte by
// byte, and only where somebody meant it.
func TestPublish(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	none := daemontest.Shell{D: d}
	none.Want(t, "1\n", "publish", "s", "Hello, world!")
	none.Want(t, "2\n", "publish", "s", "")
	none.Want(t, "3\n", "publish", "s", "-")
	none.Want(t, "4\n", "publish", "s", "--", "--lines")
	daemontest.Shell{D: d, Stdin: "a\x00b\n\xff\n"}.Want(t, "5\n", "publish", "s")
	daemontest.Shell{D: d, Stdin: "typed"}.Want(t, "6\n", "publish", "s", "-")
	none.Refuse(t, 2, "standard input is empty", "publish", "s")
	want := []string{"Hello, world!", "", "", "--lines", "a\x00b\n\xff\n", "typed"}
	if have := d.Stored(t, "s"); !slices.Equal(have, want) {
		t.Errorf("want %q, have %q", want, have)
	}
	none.Want(t, "1\n", "publish", "\xff\x01", "data")
	if have := d.Stored(t, "\xff\x01"); !slices.Equal(have, []string{"data"}) {
		t.Errorf("have %q", have)
	}
	none.Want(t, `{"stream":"j","id":1}`+"\n", "publish", "j", "data", "--json")
	none.Want(t, `{"stream64":"/w==","id":1}`+"\n", "publish", "\xff", "data", "-ojson", "--expect", "empty")
	daemontest.Shell{D: d, Stdin: "a\nb\n"}.Want(t, `{"stream":"j","first":2,"last":3}`+"\n", "publish", "j", "--lines", "-j")
	for typed, want := range map[string]string{"\x04": "give DATA", "x": "give DATA"} {
		if seen, status := daemontest.OnTerminal(t, d.Command(t, "publish", "s"), typed); status != 2 || !strings.Contains(seen, want) {
			t.Errorf("want status 2 and %q, have %d\n%s", want, status, seen)
		}
	}
}

func TestPublishConditions(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	none := daemontest.Shell{D: d}
	none.Want(t, "1\n", "publish", "s", "opened", "--expect", "empty")
	none.Refuse(t, 3, `the last event of the stream "s" is 1`, "publish", "s", "opened", "--expect", "empty")
	none.Refuse(t, 3, `the stream "t" is empty`, "publish", "t", "opened", "--expect", "1")
	none.Want(t, "2\n", "publish", "s", "more", "--expect", "0x1")
	none.Want(t, "3\n", "publish", "s", "once", "--key", "k", "--expect", "2")
	none.Want(t, "3\n", "publish", "s", "once", "--key", "k", "--expect", "2")
	none.Refuse(t, 1, "under this key", "publish", "s", "twice", "--key", "k")
	if have := len(d.Stored(t, "s")); have != 3 {
		t.Errorf("want 3 events, have %d", have)
	}
}

// TestPublishLarge: an event of the largest size goes in and out as it is; a larger
// one is refused before it costs the connection.
func TestPublishLarge(t *testing.T) {
	t.Parallel()
	d := daemontest.Start(t, "--in-memory")
	data := make([]byte, 1<<20)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range data {
		data[i] = byte(r.Uint32())
	}
	daemontest.Shell{D: d, Stdin: string(data)}.Want(t, "1\n", "publish", "s")
	out, errs, status := daemontest.Shell{D: d}.Run(t, "query", "s", "--raw")
	if status != 0 || errs != "" || !bytes.Equal([]byte(out), append(data, '\n')) {
		t.Errorf("have %d bytes, status %d\n%s", len(out), status, errs)
	}
	for _, more := range []int{1, 2 << 20, 4 << 20} {
		daemontest.Shell{D: d, Stdin: string(data) + strings.Repeat("x", more)}.Refuse(t, 1, " bytes", "publish", "s", "--key", "k")
		daemontest.Shell{D: d, Stdin: string(data) + strings.Repeat("x", more)}.Refuse(t, 1, " bytes", "replace", "s", "1")
	}
}

// TestPublishOutcome: a write that was sent and not answered has an unknown outcome. That has
// an exit status of its own, and the error says what to do.
func TestPublishOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		want string
		args []string
	}{
		{"--desc --limit 10", []string{"publish", "s", "data"}},
		{"the same --key", []string{"publish", "s", "data", "--key", "k"}},
		{"run it again", []string{"replace", "s", "1", "data"}},
		{"run it again", []string{"delete", "s", "--yes"}},
		{"gorewind cursor", []string{"commit", "c", "s", "1"}},
	} {
		endpoint, asked := silent(t)
		l := daemontest.StartClient(t, (&daemontest.Daemon{Router: endpoint}).Command(t, c.args...))
		<-asked
		rest, status := l.Stop(syscall.SIGINT)
		if status != 5 || rest != "" || !strings.Contains(l.Errors(), "outcome unknown") || !strings.Contains(l.Errors(), c.want) {
			t.Errorf("%q: want status 5 and %q, have %d, stdout %q\n%s", c.args, c.want, status, rest, l.Errors())
		}
	}
}

// silent serves INFO, and nothing else: asked is closed when something else comes.
func silent(t *testing.T) (endpoint string, asked chan struct{}) {
	t.Helper()
	zctx, err := zmq.NewContext()
	if err != nil {
		t.Fatal(err)
	}
	router, err := zctx.NewSocket(zmq.ROUTER)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(router.SetLinger(0), router.Bind("tcp://127.0.0.1:*")); err != nil {
		t.Fatal(err)
	}
	if endpoint, err = router.GetLastEndpoint(); err != nil {
		t.Fatal(err)
	}
	info := wire.InfoReply{Facts: []wire.Param{
		{Name: "version", Value: "silent"}, {Name: "store", Value: "5a"}, {Name: "generation", Value: "1"},
		{Name: "position", Value: "0"}, {Name: "max-event-bytes", Value: "1048576"},
	}}
	asked = make(chan struct{})
	ended := make(chan struct{})
	go func() { // ends with the context
		defer close(ended)
		defer router.Close()
		for closed := false; ; {
			frames, err := router.RecvMessageBytes(0)
			if err != nil {
				return
			}
			if string(frames[3]) == wire.INFO {
				router.SendMessage(frames[:3], info.Frames())
			} else if !closed && string(frames[3]) != wire.PING {
				close(asked)
				closed = true
			}
		}
	}()
	t.Cleanup(func() {
		zctx.Term()
		<-ended
	})
	return endpoint, asked
}
