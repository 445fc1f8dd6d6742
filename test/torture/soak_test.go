//go:build linux

package torture

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/store/storetest"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// TestSoak has all kinds of clients use the daemon, as much at any time as at any
// other, for 5 s or for as long as TORTURE says, and watches what it takes from the
// system: between two starts of the daemon, which is killed and stopped in turn, that
// must not grow, and when the clients have left it is what it was before they came.
func TestSoak(t *testing.T) {
	_, seed := storetest.Rand(t)
	t.Logf("SEED=%d", seed)
	s := newSoak(t, seed)
	length := daemontest.Length(5 * time.Second)
	lives := max(2, int(length/(10*time.Minute)))
	if length/time.Duration(lives) >= 2*time.Minute {
		s.every, s.bounds = time.Second, strict
	}
	for s.life = range lives {
		s.live(length / time.Duration(lives))
		if t.Failed() {
			return
		}
	}
	if stdout, stderr, status := daemontest.Run(t.TempDir(), "verify", "--data-dir", s.dir); status != exit.OK {
		t.Errorf("verify: status %d\n%s%s", status, stdout, stderr)
	}
}

// A soak is one run of TestSoak. Each of its streams has one writer, who deletes the
// oldest events, so that the store hardly grows.
type soak struct {
	users
	seed   uint64
	random int // sources of random numbers that were taken
	dir    string
	began  time.Time
	life   int               // of the daemon
	every  time.Duration     // between samples
	bounds map[string]growth // of what is sampled

	writers   []*soakWriter
	followers []*soakFollower
	deleted   map[string]uint64 // up to where each stream may be deleted; known's mutex protects it
}

func newSoak(t *testing.T, seed uint64) *soak {
	s := &soak{seed: seed, dir: t.TempDir(), began: time.Now(), every: 200 * time.Millisecond, bounds: lax, deleted: make(map[string]uint64)}
	s.t, s.known = t, make(map[string]uint64)
	for w := range 2 {
		s.writers = append(s.writers, &soakWriter{soak: s, number: w, r: s.rand(), last: make(map[string]uint64)})
	}
	for i, q := range []wire.Query{
		{Stream: []byte(soakStreams[0])},
		{Stream: []byte(soakStreams[1])},
		{Match: wire.MatchPrefix},
		{Match: wire.MatchPrefix, Stream: []byte("soak/1")},
		{Match: wire.MatchGlob, Stream: []byte("soak/*/3"), Also: [][]byte{[]byte("soak/0/*")}},
	} {
		q.Follow = true
		s.followers = append(s.followers, &soakFollower{soak: s, r: s.rand(), query: q, stalls: i%2 == 1, last: make(map[string]uint64)})
	}
	return s
}

// soakStreams are all that there are, half of them of each writer.
var soakStreams = func() (all []string) {
	for i := range 20 {
		all = append(all, fmt.Sprintf("soak/%d/%d", i/10, i%10))
	}
	return all
}()

func (s *soak) rand() *rand.Rand {
	s.random++
	return rand.New(rand.NewPCG(s.seed, uint64(s.random)))
}

// live has a daemon live: with clients at first, so that whatever it makes once is
// made, then without, then with them for some time, without, and with them when it
// ends.
func (s *soak) live(length time.Duration) {
	cmd := exec.Command(daemontest.Binary(), "serve", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*", "--data-dir", s.dir)
	// Go's runtime tells of the heap and of each goroutine.
	cmd.Env = append(os.Environ(), fmt.Sprintf("GODEBUG=gctrace=1,scheddetail=1,schedtrace=%d", s.every.Milliseconds()))
	s.d = daemontest.StartCommand(s.t, cmd)
	s.t.Cleanup(s.leave) // before the daemon ends, if the test does
	s.begin()
	s.awaitWritten()
	s.leave()
	before := s.idle()

	s.begin()
	samples := s.watch(length)
	s.leave()
	s.isIdleAs(before)
	s.compare(samples)

	s.begin()
	s.awaitWritten()
	s.over.Store(true)
	if s.life%2 == 0 {
		s.d.Kill()
	} else {
		s.d.Cmd.Process.Signal(syscall.SIGTERM)
		if err := s.d.Wait(); err != nil {
			s.t.Errorf("stopped: %v", err)
		}
	}
	s.leave()
}

// begin has everybody begin to use the daemon.
func (s *soak) begin() {
	s.over.Store(false)
	for _, w := range s.writers {
		s.visits(fmt.Sprint("writer ", w.number), zmq.DEALER, w.write)
	}
	for i, f := range s.followers {
		s.visits(fmt.Sprint("follower ", i), zmq.DEALER, f.follow)
	}
	for n := range 2 {
		hearing, consuming := s.rand(), s.rand()
		s.visits("subscriber", zmq.SUB, func(p *daemontest.Peer) error { return s.subscribe(p, hearing) })
		s.visits("consumer", zmq.DEALER, func(p *daemontest.Peer) error { return s.consume(p, n, consuming) })
	}
	for range 6 {
		r := s.rand()
		s.visits("passer-by", zmq.DEALER, func(p *daemontest.Peer) error { return s.pass(p, r) })
	}
}

// visits has somebody come, do something and go, again and again.
func (s *soak) visits(who string, kind zmq.Type, visit func(*daemontest.Peer) error) {
	s.busy.Go(func() {
		for !s.over.Load() {
			endpoint := s.d.Router
			if kind == zmq.SUB {
				endpoint = s.d.Pub
			}
			p := s.connect(kind, endpoint)
			err := visit(p)
			p.Close()
			if s.ends(who, err) {
				return
			}
		}
	})
}

// upTo returns a random duration.
func upTo(r *rand.Rand, most time.Duration) time.Duration {
	return time.Duration(r.Int64N(int64(most)))
}

// pause does nothing, unless it is over.
func (s *soak) pause(d time.Duration) {
	for until := time.Now().Add(d); !s.over.Load() && time.Now().Before(until); {
		<-time.After(min(20*time.Millisecond, time.Until(until)))
	}
}

// awaitWritten waits until every stream has an event more.
func (s *soak) awaitWritten() {
	s.t.Helper()
	for _, stream := range soakStreams {
		before := s.last(stream)
		s.await("an event of "+stream+" is acknowledged", func() bool { return s.last(stream) > before })
	}
}

// A usage is what the daemon takes from the system, by name.
type usage map[string]int

func (u usage) String() string {
	var b strings.Builder
	for _, of := range slices.Sorted(maps.Keys(u)) {
		fmt.Fprintf(&b, "%d %s, ", u[of], of)
	}
	return strings.TrimSuffix(b.String(), ", ")
}

// What is in a usage.
const (
	rss        = "RSS in KiB"
	heap       = "heap in MiB" // that was in use after the last collection
	threads    = "threads"
	goroutines = "goroutines"
	sockets    = "sockets"
	tables     = "tables"        // that are open
	gone       = "removed files" // that are open
	others     = "other descriptors"
)

// A growth is how much more there may be of something.
type growth struct{ percent, more int }

// The bounds of a run that is long enough to tell a leak, and of another one.
var (
	strict = map[string]growth{
		// What malloc keeps for later comes and goes: 103 to 133 MiB in ten minutes of
		// one load, and no more after half an hour.
		rss: {10, 16 << 10}, heap: {10, 1}, threads: {more: 1}, goroutines: {more: 2},
		sockets: {more: 2}, gone: {more: 1}, others: {more: 1},
	}
	lax = map[string]growth{
		rss: {50, 32 << 10}, heap: {50, 32}, threads: {more: 8}, goroutines: {more: 20},
		sockets: {more: 20}, gone: {more: 10}, others: {more: 5},
	}
)

var (
	statusLine = regexp.MustCompile(`(?m)^(VmRSS|Threads):\s+(\d+)`)
	collected  = regexp.MustCompile(`\d+->\d+->(\d+) MB`)
	goroutine  = regexp.MustCompile(`^  G\d+: status=(\d+)\((.*)\)`)
)

// sample returns what the daemon takes now.
func (s *soak) sample() usage {
	u := make(usage)
	process := fmt.Sprintf("/proc/%d/", s.d.Cmd.Process.Pid)
	status, err := os.ReadFile(process + "status")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, m := range statusLine.FindAllSubmatch(status, -1) {
		n, _ := strconv.Atoi(string(m[2]))
		u[map[string]string{"VmRSS": rss, "Threads": threads}[string(m[1])]] = n
	}
	descriptors, err := os.ReadDir(process + "fd")
	if err != nil {
		s.t.Fatal(err)
	}
	for _, d := range descriptors {
		of, _ := os.Readlink(process + "fd/" + d.Name()) // it may be closed by now
		switch {
		case strings.HasPrefix(of, "socket:"):
			u[sockets]++
		case strings.HasSuffix(of, " (deleted)"):
			u[gone]++
		case strings.HasSuffix(of, ".ldb"):
			u[tables]++
		case of != "":
			u[others]++
		}
	}
	said := s.d.Log()
	if m := collected.FindAllStringSubmatch(said[max(0, len(said)-100_000):], -1); m != nil {
		u[heap], _ = strconv.Atoi(m[len(m)-1][1])
	}
	for line := range strings.Lines(lastTrace(said)) {
		const ended = "6"
		if m := goroutine.FindStringSubmatch(line); m != nil && m[1] != ended && !strings.HasPrefix(m[2], "GC worker") {
			u[goroutines]++ // the collector's come and go
		}
	}
	return u
}

// lastTrace returns the last whole list of goroutines of a log.
func lastTrace(log string) string {
	end := max(0, strings.LastIndex(log, "SCHED "))
	return log[max(0, strings.LastIndex(log[:end], "SCHED ")):end]
}

// idle returns what the daemon takes when nobody uses it, once that stays the same.
func (s *soak) idle() (u usage) {
	s.await("the daemon is idle", func() bool {
		u = s.sample()
		for range 3 {
			<-time.After(s.every)
			if v := s.sample(); v[goroutines] != u[goroutines] || v[sockets] != u[sockets] {
				return false
			}
		}
		return true
	})
	return u
}

// isIdleAs checks that what clients need is given back when they have left.
func (s *soak) isIdleAs(before usage) {
	s.t.Helper()
	var u usage
	defer func() {
		if s.t.Failed() {
			s.t.Logf("before: %v\nafter: %v\n%s", before, u, lastTrace(s.d.Log()))
		}
	}()
	s.await("what the clients needed is given back", func() bool {
		u = s.sample()
		return u[goroutines] <= before[goroutines] && u[sockets] <= before[sockets] && u[gone] == 0
	})
}

// watch samples for some time, and prints it now and then.
func (s *soak) watch(length time.Duration) (samples []usage) {
	const telling = 10 * time.Second
	told := time.Now()
	for until := told.Add(length); time.Now().Before(until) && !s.t.Failed(); <-time.After(s.every) {
		u := s.sample()
		samples = append(samples, u)
		if time.Since(told) >= telling {
			told = told.Add(telling)
			s.t.Logf("%v: %v, %d events", time.Since(s.began).Round(time.Second), u, s.events())
		}
	}
	return samples
}

func (s *soak) events() (n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, last := range s.known {
		n += last
	}
	return n
}

// compare compares the last third of what was sampled with the first, without what
// was sampled while caches filled.
func (s *soak) compare(samples []usage) {
	samples = samples[len(samples)/4:]
	third := len(samples) / 3
	median := func(samples []usage, of string) int {
		var all []int
		for _, u := range samples {
			all = append(all, u[of])
		}
		slices.Sort(all)
		return all[len(all)/2]
	}
	for _, of := range slices.Sorted(maps.Keys(s.bounds)) {
		early, late := median(samples[:third], of), median(samples[len(samples)-third:], of)
		s.t.Logf("life %d: %d %s, then %d", s.life, early, of, late)
		if most := early + early*s.bounds[of].percent/100 + s.bounds[of].more; late > most {
			s.t.Errorf("life %d: %d %s, then %d, of at most %d", s.life, early, of, late, most)
		}
	}
}

// A soakWriter writes to its half of the streams.
type soakWriter struct {
	*soak
	number int
	r      *rand.Rand
	sent   int
	last   map[string]uint64 // by stream
}

// write writes at a steady rate.
func (w *soakWriter) write(p *daemontest.Peer) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	fresh := true // what the daemon before did not answer may be there
	for ; ; <-tick.C {
		requests := w.next()
		for _, r := range requests {
			p.Request(r)
		}
		for _, r := range requests {
			reply, err := w.reply(p)
			if err != nil {
				return err
			}
			ids, err := resultOf(r, reply)
			if err != nil {
				return err
			}
			if stream, writes := writesTo(r); writes {
				if want := w.last[stream] + 1; ids[0] != want && !(fresh && ids[0] > want) {
					return fmt.Errorf("%q: want id %d, have %d", stream, want, ids[0])
				}
				w.last[stream] = ids[0]
				w.acknowledged(stream, ids[0])
			}
		}
		fresh = false
	}
}

// writesTo returns the stream that a request appends an event to, if it does.
func writesTo(r wire.Request) (stream string, ok bool) {
	switch r := r.(type) {
	case wire.Publish:
		return string(r.Stream), true
	case wire.Append:
		return string(r.Groups[0].Stream), true
	}
	return "", false
}

// next returns an event for each of its streams, and now and then a REPLACE or a
// DELETE, which keeps the last events.
func (w *soakWriter) next() (requests []wire.Request) {
	const kept, deleted = 500, 100
	for i := range 10 {
		stream := soakStreams[w.number*10+i]
		size := w.r.IntN(800)
		if w.r.IntN(200) == 0 {
			size = w.r.IntN(diskEventMost)
		}
		w.sent++
		data := diskData(fmt.Sprintf("%d.%d", w.number, w.sent), size)
		var r wire.Request = wire.Publish{Stream: []byte(stream), Data: data}
		if i == 0 {
			r = wire.Append{Key: fmt.Appendf(nil, "%d.%d", w.seed, w.sent), Groups: []wire.Group{{Stream: []byte(stream), Events: [][]byte{data}}}}
		}
		requests = append(requests, r)
		switch last := w.last[stream]; {
		case last > kept && last%deleted == 0:
			w.mu.Lock()
			w.deleted[stream] = last - kept
			w.mu.Unlock()
			requests = append(requests, wire.Delete{Stream: []byte(stream), UpTo: wire.Bound{ID: last - kept, Given: true}})
		case last > 0 && w.r.IntN(100) == 0:
			requests = append(requests, wire.Replace{Stream: []byte(stream), ID: last, Data: data})
		}
	}
	return requests
}

// follow checks that an event of a stream may come after another one.
func (s *soak) follows(stream string, last, id uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if id <= last || id > last+1 && id > s.deleted[stream]+1 {
		return fmt.Errorf("%d of %q comes after %d", id, stream, last)
	}
	return nil
}

// A soakFollower follows, leaves, and comes back to where it was.
type soakFollower struct {
	*soak
	r      *rand.Rand
	query  wire.Query
	stalls bool
	last   map[string]uint64 // by stream
}

func (f *soakFollower) follow(p *daemontest.Peer) error {
	p.Request(f.query)
	for until := time.Now().Add(upTo(f.r, 3*time.Second)); time.Now().Before(until); {
		reply, err := f.reply(p)
		if err != nil {
			return err
		}
		e, ok := reply.(wire.Event)
		if !ok {
			continue
		}
		stream, id := string(f.query.Stream), e.ID
		if e.Meta != nil {
			stream, id = string(e.Meta.Stream), e.Meta.ID
		}
		if last, begun := f.last[stream]; begun {
			if err := f.follows(stream, last, id); err != nil {
				return err
			}
		}
		f.last[stream] = id
		f.query.After, f.query.Nearest = wire.Bound{ID: e.ID, Given: true}, true
		if f.stalls && f.r.IntN(1000) == 0 {
			f.pause(upTo(f.r, time.Second))
		}
	}
	return nil
}

// subscribe hears for a while.
func (s *soak) subscribe(p *daemontest.Peer, r *rand.Rand) error {
	p.SetSubscribe([]string{"", "soak/1"}[r.IntN(2)])
	heard := make(map[string]uint64)
	for until := time.Now().Add(upTo(r, 3*time.Second)); time.Now().Before(until); {
		frames, err := s.receive(p)
		if err != nil {
			return err
		}
		b, ok := wire.ParseBroadcast(frames)
		last, begun := heard[string(b.Stream)]
		if !ok || begun && b.ID != last+1 {
			return fmt.Errorf("%d of %q comes after %d", b.ID, b.Stream, last)
		}
		heard[string(b.Stream)] = b.ID
	}
	return nil
}

// consume reads what a consumer has not dealt with yet, and commits that.
func (s *soak) consume(p *daemontest.Peer, number int, r *rand.Rand) error {
	stream := []byte(soakStreams[2+r.IntN(2)])
	consumer := fmt.Append(nil, "consumer ", number)
	p.Request(wire.Query{Stream: stream, Consumer: consumer, Limit: 200})
	at := uint64(0)
	for ended := false; !ended; {
		reply, err := s.reply(p)
		if err != nil {
			return err
		}
		switch a := reply.(type) {
		case wire.Event:
			if err := s.follows(string(stream), at, a.ID); at > 0 && err != nil {
				return err
			}
			at = a.ID
		case wire.End:
			ended = true
		}
	}
	if at > 0 {
		if err := s.answers(p, wire.Commit{Consumer: consumer, Stream: stream, ID: at}, wire.Committed{ID: at}); err != nil {
			return err
		}
		if err := s.answers(p, wire.Cursor{Consumer: consumer, Stream: stream}, wire.CursorReply{ID: at}); err != nil {
			return err
		}
	}
	s.pause(50 * time.Millisecond)
	return nil
}

// answers asks for something that has one answer.
func (s *soak) answers(p *daemontest.Peer, r wire.Request, want wire.Reply) error {
	p.Request(r)
	reply, err := s.reply(p)
	if err == nil && reply != want {
		err = fmt.Errorf("%+v: want %+v, have %+v", r, want, reply)
	}
	return err
}

// pass does one thing, often not to its end, and leaves.
func (s *soak) pass(p *daemontest.Peer, r *rand.Rand) error {
	stream := soakStreams[r.IntN(len(soakStreams))]
	whole := wire.Query{Stream: []byte(stream)}
	followed := wire.Query{Match: wire.MatchGlob, Stream: []byte("soak/*/" + stream[len(stream)-1:]), Follow: true}
	waited := wire.Wait{Consumer: []byte("consumer 0"), Stream: []byte(soakStreams[2]), ID: s.last(soakStreams[2]) + 1, Timeout: 200 * time.Millisecond}
	defer s.pause(20 * time.Millisecond)
	leave := func(requests ...wire.Request) error {
		for _, request := range requests {
			p.Request(request)
		}
		_, err := s.reply(p)
		return err
	}
	switch r.IntN(12) {
	case 0:
		return leave(wire.Info{})
	case 1, 2, 3:
		return s.queryEnd(p, stream, 100, func(data []byte) error { _, err := diskLabel(data); return err })
	case 4:
		return leave(wire.Streams{Prefix: []byte("soak/")})
	case 5:
		return leave(whole, whole, followed)
	case 6:
		return leave(followed)
	case 7:
		return leave(wire.Ping{}, waited)
	case 8:
		if err := leave(waited); !client.IsCode(err, wire.Timeout) {
			return err
		}
		return nil
	case 9:
		return s.cancel(p, followed)
	case 10: // it asks for far more than it reads
		if err := leave(slices.Repeat([]wire.Request{wire.Query{Match: wire.MatchPrefix}}, 100)...); err != nil {
			return err
		}
		s.pause(100 * time.Millisecond)
		return nil
	default:
		return s.attacker()
	}
}

// cancel follows and ends that.
func (s *soak) cancel(p *daemontest.Peer, q wire.Query) error {
	p.Request(q)
	p.Request(wire.Cancel{})
	for {
		reply, err := s.reply(p)
		if _, ended := reply.(wire.End); ended || err != nil {
			return err
		}
	}
}

// attacker speaks no ZeroMQ.
func (s *soak) attacker() error {
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.d.Router, "tcp://"))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = conn.Write([]byte("GET / HTTP/1.1\r\n\r\n"))
	return err
}
