package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gorewind/store/storetest"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

const (
	hostileEvent  = 64 << 10         // largest event of the daemon that is attacked
	hostileFrame  = 2 * hostileEvent // largest frame that it receives
	hostileFrames = 16_384           // most of a message

	attackersAtOnce = 8
	floodedAtOnce   = 500 // connections that floods hold open

	// What may be resident beyond what was at the start, in MiB: the store's caches,
	// what queries have in memory, and as much again that is free, but that Go and
	// glibc keep.
	mostGrowth = 400

	mostThreads = 24 // beyond those at the start: Go keeps the threads that it had for calls into the system
)

// TestHostilePorts attacks both doors of a daemon for 6 s, or for as long as
// TORTURE says, with attackers that speak ZMTP and the protocol badly, several at
// once, and checks P10 beside them: good clients are served and get right answers,
// attackers get whole ones, and when they have gone, nothing of theirs is left.
func TestHostilePorts(t *testing.T) {
	_, seed := storetest.Rand(t)
	t.Logf("SEED=%d", seed)
	length := daemontest.Length(6 * time.Second)
	s := &hostileRun{
		t: t, seed: seed, d: daemontest.Start(t, "--max-event-bytes", strconv.Itoa(hostileEvent)),
		room: make(chan struct{}, floodedAtOnce), calm: make(chan struct{}),
	}
	c := s.goodClients()
	s.before = s.holdings()
	rounds := 0
	for until := time.Now().Add(length); rounds == 0 || time.Now().Before(until) && !t.Failed(); rounds++ {
		s.round(rounds)
		s.aftermath(c)
	}
	c.rest()
	c.check()
	s.end(rounds)
	t.Logf("%d rounds: %d attackers sent %d messages and had %d answers, %d of them ERROR; %d raw streams had %d messages back; %d floods; "+
		"%d good events, %d of them not broadcast", rounds, s.attackers.Load(), s.messages.Load(), s.answers.Load(),
		s.refusals.Load(), s.streams.Load(), s.heard.Load(), s.floods.Load(), c.events(), c.gaps.Load())
	t.Logf("PING: %v", &c.pings)
	if s.heard.Load() == 0 || s.refusals.Load() == 0 {
		t.Error("the attackers were not answered: the attack is not what it should be")
	}
}

// A hostileRun is one run of TestHostilePorts.
type hostileRun struct {
	t        *testing.T
	seed     uint64
	d        *daemontest.Daemon
	before   holdings
	room     chan struct{} // a token for each connection that a flood holds
	calm     chan struct{} // closed when the good clients are to end
	stopping atomic.Bool   // the daemon was told to stop

	attackers, messages, answers, refusals, streams, heard, floods atomic.Int64
}

// round has attackers attack for about two seconds. When one has had enough,
// another takes its place.
func (s *hostileRun) round(number int) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	for slot := range attackersAtOnce {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				s.attacker(ctx, uint64(number)<<32|uint64(slot)<<24|uint64(n))
			}
		})
	}
	wg.Wait()
}

// attacker is one attack, which its number and the seed make.
func (s *hostileRun) attacker(ctx context.Context, number uint64) {
	x := &attacker{hostileRun: s, ctx: ctx, r: rand.New(rand.NewPCG(s.seed, number))}
	s.attackers.Add(1)
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
		s.t.Errorf("attacker %#x, %s: %v", number, kind, err)
	}
}

// aftermath checks that a round has left nothing.
func (s *hostileRun) aftermath(c *goodClients) {
	s.t.Helper()
	select {
	case <-s.d.Ended:
		s.t.Fatalf("the daemon is gone:\n%s", s.d.Log())
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
	p := daemontest.Dial(s.t, s.d.Router)
	defer p.Close()
	if r := p.Ask(wire.Ping{}); fmt.Sprint(r) != fmt.Sprint(wire.Pong{}) {
		s.t.Errorf("want PONG, have %v", r)
	}
	for i := range hostileStreams { // so that a long run fits on the disk
		if r := p.Ask(wire.Delete{Stream: fmt.Appendf(nil, "h/%d", i)}); r != any(wire.Deleted{}) {
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
func (s *hostileRun) end(rounds int) {
	s.t.Helper()
	now := s.holdings()
	s.t.Logf("%+v before, %+v after", s.before, now)
	var wg sync.WaitGroup
	wg.Go(func() { s.round(rounds) })
	<-time.After(time.Second)
	s.stopping.Store(true)
	began := time.Now()
	log := s.d.Stop(s.t, syscall.SIGTERM)
	if took := time.Since(began); took > 15*time.Second {
		s.t.Errorf("stopping took %v", took)
	}
	wg.Wait()
	for _, bad := range []string{"panic", "level=ERROR", "INTERNAL", "Assertion"} {
		if strings.Contains(log, bad) {
			s.t.Errorf("the log has %q:\n%s", bad, log)
		}
	}
	out, errs, status := daemontest.Run(s.d.Cmd.Dir, "verify", "--data-dir", "data")
	if status != 0 || !strings.Contains(out, "intact:") {
		s.t.Errorf("verify: status %d\n%s%s", status, out, errs)
	}
}

// within waits until ok.
func (s *hostileRun) within(limit time.Duration, what string, ok func() bool) {
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

func (s *hostileRun) holdings() (u holdings) {
	proc := fmt.Sprintf("/proc/%d/", s.d.Cmd.Process.Pid)
	links, _ := filepath.Glob(proc + "fd/*")
	for _, l := range links {
		if to, err := os.Readlink(l); err == nil && !strings.HasPrefix(to, s.d.Cmd.Dir) {
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
