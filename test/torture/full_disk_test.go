//go:build linux

package torture

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/internal/exit"
	"gorewind/store/storetest"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// TestFullDisk fills a small filesystem to its last block, in each of several ways
// or for as long as TORTURE says, under a daemon with writers, readers, a follower
// and a subscriber, and then frees it. While it is full, writes are refused with
// the reason, and everything else goes on; when it is not, writing resumes by
// itself. It checks P1 to P8 of what was answered meanwhile.
//
// It runs in a process and a mount namespace of its own, so that it mounts nothing
// that anybody else sees or that outlives it.
func TestFullDisk(t *testing.T) {
	if os.Getenv(inside) == "" {
		inNamespace(t)
		return
	}
	_, seed := storetest.Rand(t)
	t.Logf("SEED=%d", seed)
	length := daemontest.Length(0)
	filesystems := []func(*testing.T, string){mountTmpfs}
	if length > 0 && loopWorks(t) {
		filesystems = append(filesystems, mountExt4)
	}
	until := time.Now().Add(length)
	var total diskCounts
	rounds := 0
	for ; rounds < len(fillings) || time.Now().Before(until); rounds++ {
		mount := filesystems[rounds/len(fillings)%len(filesystems)]
		how := fillings[rounds%len(fillings)]
		if !t.Run(fmt.Sprint(rounds, " ", how.name), func(t *testing.T) {
			f := newFullDisk(t, how, seed, rounds, mount)
			f.run()
			c := f.counts()
			total.add(c)
			t.Logf("resumed after %v: %v", f.resumed.Round(time.Millisecond), c)
		}) {
			break
		}
	}
	t.Logf("%d rounds: %v", rounds, total)
}

// inside is the environment variable that tells TestFullDisk that it runs in its own
// process.
const inside = "FULL_DISK_INSIDE"

// inNamespace runs the test in namespaces that it may mount in, and that end with
// it. A user who is not root may where users may have namespaces.
func inNamespace(t *testing.T) {
	own := func(id int) []syscall.SysProcIDMap { return []syscall.SysProcIDMap{{HostID: id, Size: 1}} }
	var refusals []error
	for _, attributes := range []*syscall.SysProcAttr{
		{Unshareflags: syscall.CLONE_NEWNS, Cloneflags: syscall.CLONE_NEWPID},
		{Unshareflags: syscall.CLONE_NEWNS, Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWUSER,
			UidMappings: own(os.Getuid()), GidMappings: own(os.Getgid())},
	} {
		probe := exec.Command("mount", "-t", "tmpfs", "none", t.TempDir())
		probe.SysProcAttr = attributes
		if out, err := probe.CombinedOutput(); err != nil {
			refusals = append(refusals, fmt.Errorf("%w %s", err, bytes.TrimSpace(out)))
			continue
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFullDisk$", "-test.v", "-test.timeout=0")
		if deadline, ok := t.Deadline(); ok {
			cmd.Args[3] = fmt.Sprint("-test.timeout=", time.Until(deadline)-5*time.Second)
		}
		cmd.Env = append(os.Environ(), inside+"=1", daemontest.BinaryVariable+"="+daemontest.Binary())
		cmd.SysProcAttr = attributes
		out, err := cmd.CombinedOutput()
		t.Logf("%s", out)
		if err != nil {
			t.Fatal(err)
		}
		return
	}
	t.Skip("cannot mount a filesystem here: ", errors.Join(refusals...))
}

const (
	diskSize   = 256 << 20
	diskKept   = 6  // streams whose events stay as they are
	diskWrites = 64 // that each of the writers has under way
)

func mountTmpfs(t *testing.T, dir string) {
	if err := syscall.Mount("none", dir, "tmpfs", 0, fmt.Sprint("size=", diskSize)); err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, dir)
}

func mountExt4(t *testing.T, dir string) {
	if err := tryExt4(t, dir); err != nil {
		t.Fatal(err)
	}
	unmountAfter(t, dir)
}

func tryExt4(t *testing.T, dir string) error {
	image := filepath.Join(t.TempDir(), "ext4")
	err := errors.Join(os.WriteFile(image, nil, 0o600), os.Truncate(image, diskSize))
	for _, command := range [][]string{{"mkfs.ext4", "-q", "-F", "-m", "0", image}, {"mount", "-o", "loop", image, dir}} {
		if err == nil {
			var out []byte
			if out, err = exec.Command(command[0], command[1:]...).CombinedOutput(); err != nil {
				err = fmt.Errorf("%q: %w %s", command, err, bytes.TrimSpace(out))
			}
		}
	}
	return err
}

// loopWorks reports whether a file can be mounted here.
func loopWorks(t *testing.T) bool {
	dir := t.TempDir()
	if err := tryExt4(t, dir); err != nil {
		t.Logf("tmpfs only: %v", err)
		return false
	}
	if err := syscall.Unmount(dir, 0); err != nil {
		t.Fatal(err)
	}
	return true
}

func unmountAfter(t *testing.T, dir string) {
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
}

// A filling is a way in which a disk gets full.
type filling struct {
	name      string
	byWriters bool  // they fill it themselves, before the rest is taken
	restarted bool  // the daemon is killed or stopped while it is full, and started again
	fresh     bool  // it is full before there is a store
	left      int64 // bytes left free at that time
}

var fillings = []filling{
	{name: "by the writers", byWriters: true},
	{name: "by another"},
	{name: "with a restart", restarted: true},
	{name: "from the start", fresh: true, left: 40 << 20},
	{name: "from the start, to the last block", fresh: true},
}

// diskCounts are how many writes were answered how, and queries.
type diskCounts struct{ acknowledged, refused, unknown, queries int64 }

func (c *diskCounts) add(o diskCounts) {
	c.acknowledged += o.acknowledged
	c.refused += o.refused
	c.unknown += o.unknown
	c.queries += o.queries
}

func (c diskCounts) String() string {
	return fmt.Sprintf("%d writes acknowledged, %d refused, %d unknown, %d queries", c.acknowledged, c.refused, c.unknown, c.queries)
}

// A fullDisk is one round of TestFullDisk.
type fullDisk struct {
	filling
	users
	r       *rand.Rand
	mount   string
	ballast ballast

	writing  sync.WaitGroup
	writers  []*diskWriter
	follower diskFollower
	heard    *diskHeard   // from the daemon that is there now
	queries  atomic.Int64 // whole answers
	calm     atomic.Bool  // nobody begins to write

	resumed time.Duration // how long the first writes took when there was space
}

func newFullDisk(t *testing.T, how filling, seed uint64, round int, mount func(*testing.T, string)) *fullDisk {
	random := func(n int) *rand.Rand { return rand.New(rand.NewPCG(seed, uint64(round*100+n))) }
	f := &fullDisk{filling: how, r: random(0), mount: t.TempDir()}
	f.t, f.known = t, make(map[string]uint64)
	f.follower.fullDisk = f
	f.ballast.path = filepath.Join(f.mount, "ballast")
	for w := range 4 {
		f.writers = append(f.writers, &diskWriter{fullDisk: f, number: w, r: random(w + 1), erased: fmt.Sprint(erasedPrefix, w)})
	}
	mount(t, f.mount)
	return f
}

func (f *fullDisk) run() {
	if !f.fill() {
		f.whileFull()
	}
	f.free()
	f.end()
}

// fill has the disk filled and a daemon serve. A daemon that is to make a store
// where there is no space at all may refuse to, instead.
func (f *fullDisk) fill() (refused bool) {
	switch {
	case f.fresh:
		f.ballast.fill(f.t, f.left)
		if refused = f.left == 0 && f.startRefused(); !refused {
			f.begin()
		}
	case f.byWriters:
		f.ballast.fill(f.t, diskSize/2)
		f.begin()
		f.awaitWriters("a write is refused", 1, (*diskWriter).refusedSoFar)
		f.ballast.fill(f.t, 0)
	default:
		f.begin()
		<-time.After(time.Duration(f.r.IntN(400)) * time.Millisecond)
		f.ballast.fill(f.t, 0)
	}
	return refused
}

// startRefused reports whether a daemon does not start, and checks that it says why.
func (f *fullDisk) startRefused() bool {
	cmd := exec.Command(daemontest.Binary(), "serve", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*", "--data-dir", f.data())
	stderr, err := cmd.StderrPipe()
	if err := errors.Join(err, cmd.Start()); err != nil {
		f.t.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if daemontest.Serving.MatchString(lines.Text()) {
			cmd.Process.Kill()
			_ = cmd.Wait()
			return false
		}
		fmt.Fprintln(&said, lines.Text())
	}
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != exit.Failure || !saysFull.MatchString(said.String()) {
		f.t.Errorf("want status %d and a word about space, have %d and\n%s", exit.Failure, status, &said)
	}
	return true
}

// begin starts a daemon and all who use it.
func (f *fullDisk) begin() {
	f.over.Store(false)
	f.d = daemontest.Start(f.t, "--data-dir", f.data(), "--http", "127.0.0.1:0")
	f.t.Cleanup(f.leave) // before the daemon ends, if the test does
	f.heard = &diskHeard{fullDisk: f, streams: make(map[string][]diskEvent)}
	f.busy.Go(f.heard.run)
	f.busy.Go(f.follower.run)
	for n := range 2 {
		r := rand.New(rand.NewPCG(f.r.Uint64(), uint64(n)))
		f.busy.Go(func() { f.query(r) })
	}
	for _, w := range f.writers {
		f.writing.Go(w.run)
	}
	f.busy.Go(f.writing.Wait)
}

// whileFull checks that the full disk stops the writers and nobody else, also
// after the daemon was started again.
func (f *fullDisk) whileFull() {
	f.awaitRefusals()
	if !f.restarted {
		return
	}
	f.over.Store(true)
	if f.r.IntN(2) == 0 {
		f.d.Kill()
	} else {
		f.d.Stop(f.t, syscall.SIGTERM)
	}
	f.leave()
	f.ballast.fill(f.t, 0) // what the daemon gave back
	f.begin()
	f.awaitRefusals()
}

// awaitRefusals waits until every writer is refused, and queries are answered
// after that.
func (f *fullDisk) awaitRefusals() {
	f.awaitWriters("a write is refused", 1, (*diskWriter).refusedSoFar)
	f.await("the log tells that it stopped", func() bool { return saysStopped.MatchString(f.d.Log()) })
	f.awaitReady(http.StatusServiceUnavailable, saysFull)
	queries := f.queries.Load() + 10
	f.await("queries are answered", func() bool { return f.queries.Load() >= queries })
	f.awaitWriters("writes are refused", 5, (*diskWriter).refusedSoFar)
}

// awaitReady waits until the daemon says so of itself, and says why.
func (f *fullDisk) awaitReady(want int, why *regexp.Regexp) {
	f.await(fmt.Sprint("readyz is ", want), func() bool {
		status, body := f.d.Web(f.t, "/readyz")
		return status == want && why.MatchString(body)
	})
	if status, body := f.d.Web(f.t, "/healthz"); status != http.StatusOK {
		f.t.Errorf("it is alive, but healthz is %d %q", status, body)
	}
}

// What a refusal says, and the log when writing stops and when it is possible again.
var (
	saysFull    = regexp.MustCompile(`full|room|space`)
	saysStopped = regexp.MustCompile(`level=ERROR msg="[^"]*(full|room|space)`)
	saysResumed = regexp.MustCompile(`level=INFO msg="[^"]*(room|space)[^"]* again`)
)

// free frees the disk, waits until everybody writes again, and has them end.
func (f *fullDisk) free() {
	const soon = 5 * time.Second
	if err := os.Remove(f.ballast.path); err != nil {
		f.t.Fatal(err)
	}
	stopped := f.d != nil
	if !stopped {
		f.begin() // it had refused to start
	}
	began := time.Now()
	f.awaitWriters("a write is acknowledged", 1, (*diskWriter).acknowledgedSoFar)
	if f.resumed = time.Since(began); f.resumed > soon {
		f.t.Errorf("writing resumed after %v", f.resumed)
	}
	f.awaitWriters("writes are acknowledged", 20, (*diskWriter).acknowledgedSoFar)
	f.calm.Store(true) // or they fill the disk themselves, before anybody has looked
	f.awaitReady(http.StatusOK, regexp.MustCompile("ready"))
	if stopped {
		f.await("the log tells that it resumed", func() bool { return saysResumed.MatchString(f.d.Log()) })
	}
}

// end checks everything when nobody writes any more, and stops the daemon.
func (f *fullDisk) end() {
	f.writing.Wait()
	p := daemontest.Dial(f.t, f.d.Router)
	for _, w := range f.writers {
		w.sendAgain(p)
	}
	log := f.read(p)
	end := uint64(0)
	if len(log) > 0 {
		end = log[len(log)-1].position
	}
	f.await("the follower has everything", func() bool { return f.follower.position.Load() >= end })
	f.await("the subscriber has everything", func() bool { return f.heard.has(log) })
	f.leave()
	if err := errors.Join(f.check(log), f.follower.check(log), f.heard.check(log)); err != nil {
		f.t.Error(err)
	}
	if unknown := f.counts().unknown; unknown > int64(len(f.writers)*diskWrites) {
		f.t.Errorf("the outcome of %d writes is unknown, of more than a commit's", unknown)
	}
	f.d.Stop(f.t, syscall.SIGTERM)
	if stdout, stderr, status := daemontest.Run(f.t.TempDir(), "verify", "--data-dir", f.data()); status != exit.OK || !strings.Contains(stdout, "intact:") {
		f.t.Errorf("verify: status %d\n%s%s", status, stdout, stderr)
	}
}

// awaitWriters waits until every writer has n more answers of a kind.
func (f *fullDisk) awaitWriters(what string, n int64, soFar func(*diskWriter) int64) {
	f.t.Helper()
	for _, w := range f.writers {
		n := soFar(w) + n
		f.await(fmt.Sprintf("writer %d: %s", w.number, what), func() bool { return soFar(w) >= n })
	}
}

func (f *fullDisk) data() string { return filepath.Join(f.mount, "data") }

// query reads the ends of streams, over and over.
func (f *fullDisk) query(r *rand.Rand) {
	p := f.connect(zmq.DEALER, f.d.Router)
	defer p.Close()
	check := func(data []byte) error {
		_, err := diskLabel(data)
		return err
	}
	for !f.ends("query", f.queryEnd(p, diskStream(r), r.Uint64N(100), check)) {
		f.queries.Add(1)
		<-time.After(2 * time.Millisecond)
	}
}

// queryEnd reads at most some of the acknowledged events of a stream and what comes
// after them, and checks that all of that is there.
func (u *users) queryEnd(p *daemontest.Peer, stream string, most uint64, check func(data []byte) error) error {
	known := u.last(stream)
	at := known - min(known, most)
	p.Request(wire.Query{Stream: []byte(stream), After: wire.Bound{ID: at, Given: true}})
	for {
		reply, err := u.reply(p)
		if err != nil {
			return err
		}
		switch a := reply.(type) {
		case wire.Event:
			if at++; a.ID != at {
				return fmt.Errorf("%q: want id %d, have %d", stream, at, a.ID)
			}
			if err := check(a.Data); err != nil {
				return fmt.Errorf("%d of %q: %w", at, stream, err)
			}
		case wire.End:
			if at < known {
				return fmt.Errorf("%d of %q was acknowledged, %d is the last", known, stream, at)
			}
			return nil
		}
	}
}
