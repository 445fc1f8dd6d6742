package server

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// Peers that misbehave must cost others nothing (P10). The daemon is a process of its
// own here, so that its memory and its descriptors can be measured from outside.

var buildDir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "gorewind-hostile")
	if err != nil {
		panic(err)
	}
	buildDir = dir
	status := m.Run()
	os.RemoveAll(dir)
	os.Exit(status)
}

// program builds the daemon once.
var program = sync.OnceValues(func() (string, error) {
	path := filepath.Join(buildDir, "gorewind")
	out, err := exec.Command("go", "build", "-o", path, "gorewind").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, err
})

// A process is a daemon in a process of its own.
type process struct {
	t           *testing.T
	cmd         *exec.Cmd
	router, pub string
	ended       chan struct{} // closed when it is gone
	mu          sync.Mutex    // protects log
	log         bytes.Buffer
}

var servingLine = regexp.MustCompile(`msg=serving router=(\S+) pub=(\S+)`)

// spawn runs a daemon with a store on disk until the end of the test, and checks that
// it is still running then and ends without an error.
func spawn(t *testing.T) *process {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, ended: make(chan struct{})}
	p.cmd = exec.Command(path, "serve", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*", "--data-dir", t.TempDir())
	stderr, err := p.cmd.StderrPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	serves := make(chan []string, 1)
	go p.read(stderr, serves) // ends when the process does
	select {
	case at := <-serves:
		p.router, p.pub = at[1], at[2]
	case <-time.After(maxWait):
		t.Fatalf("it does not serve:\n%s", p.said())
	}
	t.Cleanup(p.end)
	return p
}

func (p *process) read(stderr io.Reader, serves chan<- []string) {
	defer close(p.ended)
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if at := servingLine.FindStringSubmatch(lines.Text()); at != nil {
			serves <- at
		}
		p.mu.Lock()
		p.log.WriteString(lines.Text() + "\n")
		p.mu.Unlock()
	}
}

func (p *process) said() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("%.3000s", p.log.String())
}

// end stops the process and checks that it ends without an error.
func (p *process) end() {
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-p.ended:
	case <-time.After(maxWait):
		p.cmd.Process.Kill()
		p.t.Error("it does not end after SIGTERM")
	}
	if err := p.cmd.Wait(); err != nil {
		p.t.Errorf("want a clean end, have %v:\n%s", err, p.said())
	}
}

func (p *process) proc(name string) string {
	return fmt.Sprintf("/proc/%d/%s", p.cmd.Process.Pid, name)
}

// status returns a field of /proc/PID/status, in MiB.
func (p *process) status(field string) int {
	p.t.Helper()
	b, err := os.ReadFile(p.proc("status"))
	_, rest, ok := strings.Cut(string(b), field+":")
	if err != nil || !ok {
		p.t.Fatalf("%s: %v; the daemon said:\n%s", field, err, p.said())
	}
	kib, _ := strconv.Atoi(strings.Fields(rest)[0])
	return kib >> 10
}

// resident returns the memory in use now, in MiB, and resets peak.
func (p *process) resident() int {
	p.t.Helper()
	if err := os.WriteFile(p.proc("clear_refs"), []byte("5"), 0); err != nil {
		p.t.Fatal(err)
	}
	return p.status("VmRSS")
}

func (p *process) peak() int {
	p.t.Helper()
	return p.status("VmHWM")
}

func (p *process) fds() int {
	entries, _ := os.ReadDir(p.proc("fd"))
	return len(entries)
}

// fill publishes n events as fill does in a store.
func (p *process) fill(stream string, n, size int) {
	p.t.Helper()
	c := dial(p.t, zmq.DEALER, p.router)
	defer c.close()
	const ahead = 500
	for i := 1; i <= n+ahead; i++ {
		if i <= n {
			if _, err := c.SendMessage("PUBLISH", stream, datum(i, size)); err != nil {
				p.t.Fatal(err)
			}
		}
		if i > ahead && i-ahead <= n {
			if r := c.recvBytes(); string(r[0]) != "PUBLISHED" || number(r[1]) != i-ahead {
				p.t.Fatalf("want PUBLISHED %d, have %q", i-ahead, r)
			}
		}
	}
}

// warm reads a stream once, to fill the daemon's caches.
func (p *process) warm(stream string, n, size int) {
	p.t.Helper()
	c := dial(p.t, zmq.DEALER, p.router)
	defer c.close()
	c.send("QUERY", stream, "", "")
	if err := c.readAll(n, size); err != nil {
		p.t.Fatal(err)
	}
}

// readAll receives the events that fill has stored, and END.
func (c *client) readAll(n, size int) error {
	for i := 1; i <= n; i++ {
		r, err := c.RecvMessageBytes(0)
		if err != nil || len(r) != 3 || number(r[1]) != i || !bytes.Equal(r[2], datum(i, size)) {
			return fmt.Errorf("want event %d, have %.60q, %v", i, r, err)
		}
	}
	if r, err := c.RecvMessage(0); err != nil || r[0] != "END" {
		return fmt.Errorf("want END, have %.60q, %v", r, err)
	}
	return nil
}

// greeting is ZMTP 3.0 with the NULL mechanism.
func greeting() []byte {
	b := make([]byte, 64)
	b[0], b[9], b[10] = 0xff, 0x7f, 3
	copy(b[12:], "NULL")
	return b
}

// ready is the ZMTP command that ends a handshake.
func ready(socketType, identity string) []byte {
	body := append([]byte("\x05READY\x0bSocket-Type"), binary.BigEndian.AppendUint32(nil, uint32(len(socketType)))...)
	body = append(body, socketType...)
	body = append(append(body, "\x08Identity"...), binary.BigEndian.AppendUint32(nil, uint32(len(identity)))...)
	body = append(body, identity...)
	return append([]byte{4, byte(len(body))}, body...)
}

func connectRaw(t testing.TB, endpoint string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", strings.TrimPrefix(endpoint, "tcp://"), maxWait)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// garbage returns n random bytes after the beginning of a valid connection, to some
// depth.
func garbage(r *rand.Rand, depth, n int) []byte {
	var b []byte
	if depth > 0 {
		b = append(b, greeting()...)
	}
	if depth > 1 {
		b = append(b, ready("DEALER", "")...)
	}
	for range n {
		b = append(b, byte(r.Uint32()))
	}
	return b
}

// latencies are how long each PUBLISH of a client took that waits for every answer.
type latencies struct {
	*client
	stream string
	took   []time.Duration
}

func (l *latencies) publish() {
	l.t.Helper()
	began := time.Now()
	l.ask("PUBLISH", l.stream, "x").want("PUBLISHED", id(len(l.took)+1))
	l.took = append(l.took, time.Since(began))
}

// percentile returns the time that p percent took no longer than.
func (l *latencies) percentile(p int) time.Duration {
	slices.Sort(l.took)
	return l.took[(len(l.took)-1)*p/100]
}

// TestHostilePeersDoNotSlowOthers: readers that stall, a writer that never reads, and
// sockets that send garbage. The test takes turns with an undisturbed daemon, to know
// how slow the machine is at that moment.
func TestHostilePeersDoNotSlowOthers(t *testing.T) {
	r, _ := storetest.Rand(t)
	p, calm := spawn(t), spawn(t)
	const n, size = 400_000, 200
	p.fill("s", n, size)
	p.warm("s", n, size)
	before := p.resident()

	var readers []*client
	for range 3 {
		c := dial(t, zmq.DEALER, p.router)
		c.send("QUERY", "s", "", "")
		readers = append(readers, c)
	}
	var stop atomic.Bool
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop.Store(true)
	flooder := dial(t, zmq.DEALER, p.router)
	if err := flooder.SetSndtimeo(50 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	var flood atomic.Int64
	wg.Go(func() { // until stop
		for !stop.Load() {
			if _, err := flooder.SendMessage("PUBLISH", "flood", "x"); err == nil {
				flood.Add(1)
			}
		}
	})
	for i := range 200 {
		conn, data := connectRaw(t, p.router), garbage(r, i%3, 4096)
		wg.Go(func() { // until the daemon hangs up, or stop closes it
			for !stop.Load() {
				conn.SetWriteDeadline(time.Now().Add(100 * time.Millisecond))
				if _, err := conn.Write(data); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
					return
				}
			}
		})
	}

	there, elsewhere := &latencies{client: dial(t, zmq.REQ, p.router), stream: "t"}, &latencies{client: dial(t, zmq.REQ, calm.router), stream: "t"}
	for began := time.Now(); len(there.took) < 500 && time.Since(began) < 2*maxWait; {
		there.publish()
		elsewhere.publish()
	}
	stop.Store(true)
	wg.Wait()
	grown := p.peak() - before
	for where, l := range map[string]*latencies{"there": there, "elsewhere": elsewhere} {
		t.Logf("PUBLISH %s: %d, median %v, 90 %% %v, 99 %% %v, longest %v", where, len(l.took), l.percentile(50), l.percentile(90), l.percentile(99), l.percentile(100))
	}
	t.Logf("%d floods; %d MiB before, %d MiB more at the peak", flood.Load(), before, grown)
	if grown > 150 {
		t.Errorf("want less than 150 MiB more, have %d", grown)
	}
	if have, want := there.percentile(99), max(200*time.Millisecond, 5*elsewhere.percentile(99)); have > want {
		t.Fatalf("99th percentile: want at most %v, have %v", want, have)
	}
	for _, c := range readers {
		if err := c.readAll(n, size); err != nil {
			t.Error(err)
		}
	}
}

// TestGreedyRequests: too many frames, a frame far too large, and peers that vanish
// leave no memory and no descriptors behind.
func TestGreedyRequests(t *testing.T) {
	p := spawn(t)
	p.fill("s", 20_000, 1000)
	p.warm("s", 20_000, 1000)
	alive(t, p.router)
	before, fds := p.resident(), p.fds()

	c := dial(t, zmq.DEALER, p.router)
	c.ask(append([]string{"PING"}, slices.Repeat([]string{"x"}, 200_000)...)...).wantError(wire.TooLarge)
	c.ask(slices.Repeat([]string{"x"}, 200_000)...).wantError(wire.TooLarge)
	c.ask("PING").want("PONG")
	c.close()

	c = dial(t, zmq.DEALER, p.router)
	if _, err := c.SendMessage("PUBLISH", "s", make([]byte, 300<<20)); err != nil {
		t.Fatal(err)
	}
	alive(t, p.router)
	if err := c.SetRcvtimeo(50 * time.Millisecond); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the peer of the large frame is not served again", func() bool {
		c.send("PING")
		r, err := c.RecvMessage(0)
		return err == nil && r[0] == "PONG"
	})
	c.close()

	for i := range 1000 {
		c := dial(t, zmq.DEALER, p.router)
		c.send("QUERY", "s", "", "")
		if i%2 == 0 {
			c.wantEvent(nil, 1, 1000)
		}
		c.close()
	}
	alive(t, p.router)
	eventually(t, "descriptors are left", func() bool { return p.fds() <= fds })
	eventually(t, "memory is left", func() bool { return p.status("VmRSS") < before+64 })
	t.Logf("%d MiB and %d descriptors before, %d MiB after, %d MiB at the peak", before, fds, p.status("VmRSS"), p.peak())
}

// TestLargeQueries: the memory that a peer's queries keep of their requests is limited,
// for those that run and for those that wait.
func TestLargeQueries(t *testing.T) {
	d := serve(t)
	z := dial(t, zmq.DEALER, d.router(), noMark)
	glob := "*"
	for o := range wire.MaxGlob - 1 {
		glob += string([]byte{byte('+' + o)}) // each another one
	}
	frames := []string{"", "", "QUERY", glob, "", "", "follow", "match=glob"}
	for range wire.MaxAlso {
		frames = append(frames, "also="+glob)
	}
	const each = (1 + wire.MaxAlso) * (patternBytes + compiledBytes*wire.MaxGlob)
	run := maxRunningBytes / each
	for i := range run + 20 {
		frames[0] = strconv.Itoa(i)
		z.send(frames...)
	}
	for range run {
		if m := z.recv().frames; m[2] != "LIVE" {
			t.Fatalf("want LIVE, have %q", m)
		}
	}
	d.parkedAre(t, run)
	for i := range run { // the others begin
		z.send(strconv.Itoa(i), "", "CANCEL")
	}
	for ends, lives := 0, 0; ends < run || lives < 20; {
		switch m := z.recv().frames; m[2] {
		case "END":
			ends++
		case "LIVE":
			lives++
		default:
			t.Fatalf("want END and LIVE, have %q", m)
		}
	}
	sent := run + 20
	eventually(t, "the peer is not given up", func() bool {
		frames[0] = strconv.Itoa(sent)
		z.send(frames...)
		sent++
		return d.Stats.GivenUp.Load() == 1
	})
	if most := run + maxWaitingBytes/each + 1000; sent > most {
		t.Errorf("it was given up after %d", sent)
	}
	d.alive(t)
}

// TestStalledReaderOfLargeEvents: it costs less than 64 MiB, however much it has
// queried.
func TestStalledReaderOfLargeEvents(t *testing.T) {
	p := spawn(t)
	const n, size, queries = 100, 1 << 20, 8
	p.fill("s", n, size)
	p.warm("s", n, size)
	before := p.resident()
	c := dial(t, zmq.DEALER, p.router, func(z *zmq.Socket) error { return z.SetRcvhwm(1) })
	last := map[string]int{}
	for i := range queries {
		e := strconv.Itoa(i)
		last[e] = 0
		c.send(e, "", "QUERY", "s", "", "")
	}
	began := time.Now()
	eventually(t, "three seconds of stalling", func() bool {
		alive(t, p.router)
		return time.Since(began) > 3*time.Second
	})
	stalled, peak := p.status("VmRSS")-before, p.peak()-before
	t.Logf("%d MiB before, %d MiB more while it stalls, %d MiB more at the peak", before, stalled, peak)
	if stalled > 64 || peak > 64 {
		t.Errorf("want less than 64 MiB more, have %d and at the peak %d", stalled, peak)
	}
	for len(last) > 0 {
		r := c.recvBytes()
		e := string(r[0])
		if last[e] == n && string(r[2]) == "END" {
			delete(last, e)
			continue
		}
		if last[e]++; number(r[3]) != last[e] || len(r[4]) != size {
			t.Fatalf("query %s: want event %d, have %.60q", e, last[e], r)
		}
	}
}

// A cutter is a TCP proxy whose connections can be cut.
type cutter struct {
	t      *testing.T
	to     string
	listen net.Listener
	wg     sync.WaitGroup
	mu     sync.Mutex // protects the fields below
	conns  []net.Conn // all that are open
	left   int        // bytes to the client until the next cut; negative: none is due
	cuts   int
	half   bool       // a cut leaves the daemon's side open
	halves []net.Conn // connections to the daemon that were left open
	ended  bool       // it accepts no more connections
}

func newCutter(t *testing.T, endpoint string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &cutter{t: t, to: strings.TrimPrefix(endpoint, "tcp://"), listen: l, left: -1}
	x.wg.Go(func() { // until the listener closes
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			x.connect(client)
		}
	})
	t.Cleanup(func() {
		l.Close()
		x.mu.Lock()
		x.half, x.ended = false, true
		x.cut()
		x.mu.Unlock()
		x.closeHalves()
		x.wg.Wait()
	})
	return x
}

func (x *cutter) endpoint() string { return "tcp://" + x.listen.Addr().String() }

func (x *cutter) connect(client net.Conn) {
	server, err := net.Dial("tcp", x.to)
	if err != nil {
		client.Close()
		return
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.ended {
		client.Close()
		server.Close()
		return
	}
	x.conns = append(x.conns, client, server)
	x.wg.Go(func() { io.Copy(server, client); x.closePair(client, server) })
	x.wg.Go(func() { x.down(client, server); x.closePair(client, server) })
}

// closePair closes both ends after one has ended, unless the daemon's end has to stay
// open.
func (x *cutter) closePair(client, server net.Conn) {
	x.mu.Lock()
	defer x.mu.Unlock()
	client.Close()
	if !slices.Contains(x.halves, server) {
		server.Close()
	}
}

// down copies to the client, and cuts when it is due.
func (x *cutter) down(client, server net.Conn) {
	buf := make([]byte, 4096)
	for {
		n, err := server.Read(buf)
		x.mu.Lock()
		due := x.left >= 0 && n >= x.left
		if due {
			n = x.left
		} else if x.left >= 0 {
			x.left -= n
		}
		x.mu.Unlock()
		if _, failed := client.Write(buf[:n]); err != nil || failed != nil {
			return
		}
		if due {
			x.mu.Lock()
			x.left = -1
			x.cut()
			x.mu.Unlock()
			return
		}
	}
}

// cut closes what is open. The caller holds mu. conns holds pairs.
func (x *cutter) cut() {
	x.cuts++
	for i, c := range x.conns {
		if x.half && i%2 == 1 {
			x.halves = append(x.halves, c)
			continue
		}
		c.Close()
	}
	x.conns = nil
}

// now cuts at once.
func (x *cutter) now() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.cut()
}

// closeHalves closes the daemon's ends that a cut has left open.
func (x *cutter) closeHalves() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, c := range x.halves {
		c.Close()
	}
	x.halves = nil
}

// after makes the next cut come after n bytes. It returns the number of cuts so far.
func (x *cutter) after(n int, half bool) (cuts int) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.left, x.half = n, half
	return x.cuts
}

func (x *cutter) count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cuts
}

// answers checks the answers to queries of one stream, each with an envelope of its
// own: the events of each must be a run from the first one on.
type answers struct {
	c       *client
	n, size int
	last    map[string]int
	pongs   map[string]bool
	ended   map[string]bool
	nudge   *cutter // if not nil: cuts a connection without answers
	nudged  int
}

// take receives a message, if one comes soon.
func (a *answers) take() bool {
	a.c.t.Helper()
	r, err := a.c.RecvMessageBytes(0)
	if zmq.AsErrno(err) == zmq.Errno(syscall.EAGAIN) {
		return false
	}
	if err != nil || len(r) < 3 || len(r[1]) != 0 {
		a.c.t.Fatalf("want an answer in its envelope, have %.100q, %v", r, err)
	}
	e := string(r[0])
	switch last, asked := a.last[e]; {
	case string(r[2]) == "PONG" && e[0] == 'p':
		a.pongs[e] = true
	case !asked || a.ended[e]:
		a.c.t.Fatalf("nothing more was due to %s, have %.100q", e, r)
	case string(r[2]) == "EVENT" && number(r[3]) == last+1 && bytes.Equal(r[4], datum(last+1, a.size)):
		a.last[e]++
	case string(r[2]) == "END" && last == a.n:
		a.ended[e] = true
	default:
		a.c.t.Fatalf("a hole: query %s after event %d: %.100q", e, last, r)
	}
	return true
}

// again sends PINGs until an answer shows that the client has reconnected.
func (a *answers) again(round int) {
	a.c.t.Helper()
	try := 0
	eventually(a.c.t, "the connection does not come back", func() bool {
		if a.nudge != nil && try%20 == 19 {
			a.nudged++
			a.nudge.now()
		}
		e := fmt.Sprintf("p%d.%d", round, try)
		try++
		a.c.send(e, "", "PING")
		for a.take() && !a.pongs[e] {
		}
		return a.pongs[e]
	})
}

// until receives until ok reports true.
func (a *answers) until(what string, ok func() bool) {
	a.c.t.Helper()
	eventually(a.c.t, what, func() bool {
		for !ok() && a.take() {
		}
		return ok()
	})
}

// reconnecting connects a client that chooses its routing id.
func reconnecting(t *testing.T, x *cutter, n, size int) *answers {
	t.Helper()
	c := dial(t, zmq.DEALER, x.endpoint(), named("reconnecting"), func(z *zmq.Socket) error {
		return errors.Join(z.SetReconnectIvl(time.Millisecond), z.SetRcvtimeo(20*time.Millisecond), z.SetRcvhwm(10))
	})
	return &answers{c: c, n: n, size: size, last: map[string]int{}, pongs: map[string]bool{}, ended: map[string]bool{}}
}

// TestAnswersDoNotGoOnOverAnotherConnection (P7): a peer that chose its routing id is
// cut off in the middle of answers, and reconnects with it at once.
func TestAnswersDoNotGoOnOverAnotherConnection(t *testing.T) {
	r, _ := storetest.Rand(t)
	d := serve(t)
	const n, size, rounds = 10_000, 200, 40
	fill(t, d.store, "s", n, size)
	x := newCutter(t, d.router())
	a := reconnecting(t, x, n, size)
	a.nudge = x // libzmq ignores a connection while another has its routing id
	for round := range rounds {
		a.again(round)
		cuts := x.after(r.IntN(n*size), false)
		for i := range 1 + r.IntN(3) {
			e := fmt.Sprintf("q%d.%d", round, i)
			a.last[e] = 0
			a.c.send(e, "", "QUERY", "s", "", "")
		}
		a.until("it was not cut", func() bool { return x.count() > cuts })
	}
	a.again(rounds)
	a.last["whole"] = 0
	a.c.send("whole", "", "QUERY", "s", "", "")
	a.until("the last answer is not whole", func() bool { return a.ended["whole"] })
	t.Logf("%d connections stayed silent", a.nudged)
}

// TestGarbage: bytes that are not ZMTP, handshakes that stop, sockets of the wrong
// types, and peers that lie about their type.
func TestGarbage(t *testing.T) {
	r, _ := storetest.Rand(t)
	p := spawn(t)
	alive(t, p.router)
	fds := p.fds()
	endpoints := []string{p.router, p.pub}
	for i := range 300 {
		c := connectRaw(t, endpoints[i%2])
		c.Write(garbage(r, i%3, r.IntN(2000)))
		c.Close()
	}
	var open []net.Conn
	for i := range 50 {
		c := connectRaw(t, endpoints[i%2])
		whole := append(greeting(), ready("DEALER", "")...)
		c.Write(whole[:r.IntN(len(whole))])
		open = append(open, c)
	}
	for _, kind := range []string{"", "DEALER", "ROUTER", "SUB", "XSUB", "PUB", "PAIR", "REQ", "REP", "NONSENSE", strings.Repeat("X", 100)} {
		for _, endpoint := range endpoints {
			c := connectRaw(t, endpoint)
			c.Write(append(greeting(), ready(kind, strings.Repeat("i", 100))...))
			c.Write([]byte{0, 1, 'x', 1, 0, 0, 0, 4, 5, 4, 'P', 'I', 'N', 'G', 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
			open = append(open, c)
		}
	}
	for _, kind := range []zmq.Type{zmq.SUB, zmq.PUSH, zmq.PULL, zmq.PAIR, zmq.PUB, zmq.REP, zmq.ROUTER} {
		c := dial(t, kind, p.router)
		c.SetSndtimeo(0)
		_, _ = c.SendMessage("PUBLISH", "s", "d")
	}
	for _, kind := range []zmq.Type{zmq.DEALER, zmq.PUSH, zmq.REQ, zmq.PULL} {
		c := dial(t, kind, p.pub)
		c.SetSndtimeo(0)
		_, _ = c.SendMessage("PUBLISH", "s", "d")
	}
	xsub := dial(t, zmq.XSUB, p.pub)
	for range 1000 {
		xsub.send(string(garbage(r, 0, r.IntN(300))))
	}
	for range 20 {
		alive(t, p.router)
	}
	for _, c := range open[50:] {
		c.Close()
	}
	// The daemon closes those in the middle of a handshake, in time.
	for _, c := range open[:50] {
		c.SetReadDeadline(time.Now().Add(maxWait))
		if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Error("a handshake that stopped is kept")
			break
		}
	}
	t.Logf("%d descriptors before, %d after", fds, p.fds())
}

// TestRoutingIDLikeLibzmqs: libzmq numbers the peers that chose no routing id. It used
// to begin with the same number in every process, and aborts if a peer has chosen the
// next.
func TestRoutingIDLikeLibzmqs(t *testing.T) {
	p := spawn(t)
	const first = 0x6b8b4567 // the first number of an unseeded rand
	for i := range 20 {
		c := dial(t, zmq.DEALER, p.router, named("\x00"+string(binary.BigEndian.AppendUint32(nil, uint32(first+i)))))
		c.ask("PING").want("PONG")
	}
	for range 20 {
		alive(t, p.router)
	}
}
