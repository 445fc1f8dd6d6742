//go:build linux

package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
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

// TestFullDisk fills a small filesystem to its last block, in each of several ways
// or for as long as TORTURE says, under a daemon with writers, readers, a follower
// and a subscriber, and then frees it. While it is full, writes are refused with
// the reason, and everything else goes on; when it is not, writing resumes by
// itself. It checks P1 to P8 of what was answered meanwhile.
//
// It runs in a process and a mount namespace of its own, so that it mounts nothing
// that anybody else sees or that outlives it.
func TestFullDisk(t *testing.T) {
	program := os.Getenv(diskProgram)
	if program == "" {
		inNamespace(t)
		return
	}
	binary = func() string { return program }
	_, seed := storetest.Rand(t)
	t.Logf("SEED=%d", seed)
	length, _ := time.ParseDuration(os.Getenv("TORTURE"))
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

// diskProgram is the environment variable that names the program to TestFullDisk in
// its own process.
const diskProgram = "FULL_DISK_PROGRAM"

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
		cmd.Env = append(os.Environ(), diskProgram+"="+binary())
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
	left      int64 // octets that are not taken then
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

// users are those who use a daemon, each on a goroutine of its own.
type users struct {
	t    testing.TB
	d    *daemon
	busy sync.WaitGroup
	over atomic.Bool // all are to leave, and need not be answered

	mu    sync.Mutex        // protects the field below
	known map[string]uint64 // the last acknowledged id, by stream
}

// leave has all of them leave.
func (u *users) leave() {
	u.over.Store(true)
	u.busy.Wait()
}

// connect connects a user, who closes what it uses.
func (u *users) connect(kind zmq.Type, endpoint string) *peer {
	s, err := zmq.NewSocket(kind)
	if err == nil {
		err = errors.Join(s.SetLinger(0), s.SetSndhwm(0), s.SetRcvhwm(0), s.SetRcvtimeo(50*time.Millisecond), s.Connect(endpoint))
	}
	if err != nil {
		panic(err)
	}
	return &peer{u.t, s}
}

// errOver is what a user receives who is to leave.
var errOver = errors.New("it is over")

// receive returns the next message.
func (u *users) receive(p *peer) ([][]byte, error) {
	for deadline := time.Now().Add(20 * time.Second); !u.over.Load(); {
		frames, err := p.RecvMessageBytes(0)
		if err == nil || zmq.AsErrno(err) != zmq.Errno(syscall.EAGAIN) {
			return frames, err
		}
		if time.Now().After(deadline) {
			return nil, errors.New("no answer")
		}
	}
	return nil, errOver
}

// reply returns the next reply, with the error that it is if it is one.
func (u *users) reply(p *peer) (wire.Reply, error) {
	frames, err := u.receive(p)
	if err != nil {
		return nil, err
	}
	reply, err := wire.ParseReply(frames)
	if refusal, ok := reply.(*wire.Error); ok {
		err = refusal
	}
	return reply, err
}

// ends reports whether an error ends what a user does, having told it if it ought
// not to be.
func (u *users) ends(who string, err error) bool {
	if err != nil && !u.over.Load() {
		u.t.Errorf("%s: %v", who, err)
	}
	return err != nil
}

// await waits for what must come.
func (u *users) await(what string, ok func() bool) {
	u.t.Helper()
	const patience = 20 * time.Second
	for deadline := time.Now().Add(patience); !ok(); <-time.After(2 * time.Millisecond) {
		if u.t.Failed() {
			u.t.FailNow() // and it is known why
		}
		if time.Now().After(deadline) {
			u.t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

// acknowledged takes note of an acknowledged id.
func (u *users) acknowledged(stream string, id uint64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.known[stream] = max(u.known[stream], id)
}

// last returns the last acknowledged id of a stream.
func (u *users) last(stream string) uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.known[stream]
}

// A fullDisk is one round of TestFullDisk.
type fullDisk struct {
	filling
	users
	r     *rand.Rand
	mount string
	hog   hog

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
	f.hog.path = filepath.Join(f.mount, "hog")
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
		f.hog.fill(f.t, f.left)
		if refused = f.left == 0 && f.startRefused(); !refused {
			f.begin()
		}
	case f.byWriters:
		f.hog.fill(f.t, diskSize/2)
		f.begin()
		f.awaitWriters("a write is refused", 1, (*diskWriter).refusedSoFar)
		f.hog.fill(f.t, 0)
	default:
		f.begin()
		<-time.After(time.Duration(f.r.IntN(400)) * time.Millisecond)
		f.hog.fill(f.t, 0)
	}
	return refused
}

// startRefused reports whether a daemon does not start, and checks that it says why.
func (f *fullDisk) startRefused() bool {
	cmd := exec.Command(binary(), "serve", "--router", "tcp://127.0.0.1:*", "--pub", "tcp://127.0.0.1:*", "--data-dir", f.data())
	stderr, err := cmd.StderrPipe()
	if err := errors.Join(err, cmd.Start()); err != nil {
		f.t.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(stderr); lines.Scan(); {
		if serving.MatchString(lines.Text()) {
			cmd.Process.Kill()
			_ = cmd.Wait()
			return false
		}
		fmt.Fprintln(&said, lines.Text())
	}
	_ = cmd.Wait()
	if status := cmd.ProcessState.ExitCode(); status != exitFailure || !saysFull.MatchString(said.String()) {
		f.t.Errorf("want status %d and a word about space, have %d and\n%s", exitFailure, status, &said)
	}
	return true
}

// begin starts a daemon and all who use it.
func (f *fullDisk) begin() {
	f.over.Store(false)
	f.d = start(f.t, "--data-dir", f.data())
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
		f.d.kill()
	} else {
		f.d.stop(f.t, syscall.SIGTERM)
	}
	f.leave()
	f.hog.fill(f.t, 0) // what the daemon gave back
	f.begin()
	f.awaitRefusals()
}

// awaitRefusals waits until every writer is refused, and queries are answered
// after that.
func (f *fullDisk) awaitRefusals() {
	f.awaitWriters("a write is refused", 1, (*diskWriter).refusedSoFar)
	f.await("the log tells that it stopped", func() bool { return saysStopped.MatchString(f.d.said()) })
	queries := f.queries.Load() + 10
	f.await("queries are answered", func() bool { return f.queries.Load() >= queries })
	f.awaitWriters("writes are refused", 5, (*diskWriter).refusedSoFar)
}

// What a refusal says, and the log when writing stops and when it is possible again.
var (
	saysFull    = regexp.MustCompile(`full|room|space`)
	saysStopped = regexp.MustCompile(`level=ERROR msg="[^"]*(full|room|space)`)
	saysResumed = regexp.MustCompile(`level=INFO msg="[^"]*(room|space)[^"]* again`)
)

// free frees the disk and waits until everybody writes again.
func (f *fullDisk) free() {
	const soon = 5 * time.Second
	if err := os.Remove(f.hog.path); err != nil {
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
	if stopped {
		f.await("the log tells that it resumed", func() bool { return saysResumed.MatchString(f.d.said()) })
	}
}

// end ends the writing, checks everything, and stops the daemon.
func (f *fullDisk) end() {
	f.calm.Store(true)
	f.writing.Wait()
	p := dial(f.t, f.d.router)
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
	f.d.stop(f.t, syscall.SIGTERM)
	if stdout, stderr, status := gorewind(f.t.TempDir(), "verify", "--data-dir", f.data()); status != exitOK || !strings.Contains(stdout, "whole:") {
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
	p := f.connect(zmq.DEALER, f.d.router)
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
func (u *users) queryEnd(p *peer, stream string, most uint64, check func(data []byte) error) error {
	known := u.last(stream)
	at := known - min(known, most)
	p.send(wire.Query{Stream: []byte(stream), After: wire.Bound{ID: at, Given: true}})
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

// A diskEvent is an event of the log, with a label that no other has in place of
// its data.
type diskEvent struct {
	stream       string
	id, position uint64
	label        string
}

// mayErase reports whether an event is of a stream that is changed.
func mayErase(e diskEvent) bool { return strings.HasPrefix(e.stream, erasedPrefix) }

// read returns everything that there is.
func (f *fullDisk) read(p *peer) (log []diskEvent) {
	p.send(wire.Query{Match: wire.MatchPrefix})
	for {
		reply, err := p.receive()
		if err != nil {
			f.t.Fatal(err)
		}
		e, ok := reply.(wire.Event)
		if !ok {
			if _, ended := reply.(wire.End); !ended {
				f.t.Fatal(reply)
			}
			return log
		}
		label, err := diskLabel(e.Data)
		if err != nil {
			f.t.Fatal(err)
		}
		log = append(log, diskEvent{string(e.Meta.Stream), e.Meta.ID, e.Meta.Position, label})
	}
}

const diskEventMost = 24 << 10

var diskFill = bytes.Repeat([]byte("x"), diskEventMost)

// diskData returns data that has a label and is large enough to fill disks.
func diskData(label string, size int) []byte {
	return append(fmt.Appendf(nil, "%s %d ", label, size), diskFill[:size]...)
}

// diskLabel returns the label of what diskData made.
func diskLabel(data []byte) (label string, err error) {
	var size int
	if _, err := fmt.Sscanf(string(data[:min(len(data), 50)]), "%s %d ", &label, &size); err != nil || size > diskEventMost || !bytes.Equal(data, diskData(label, size)) {
		return "", fmt.Errorf("%.50q, of %d octets, was never written", data, len(data))
	}
	return label, nil
}

// diskStream returns one of the streams whose events stay as they are.
func diskStream(r *rand.Rand) string { return fmt.Sprint("kept ", r.IntN(diskKept)) }

// A hog is a file that takes space from everybody.
type hog struct{ path string }

// fill has the file take all space but some at once, or to the last block if none is
// to be left.
func (h *hog) fill(t testing.TB, left int64) {
	file, err := os.OpenFile(h.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	var disk syscall.Statfs_t
	if err := syscall.Fstatfs(int(file.Fd()), &disk); err != nil {
		t.Fatal(err)
	}
	const little = 1 << 20 // others may take some meanwhile
	if most := int64(disk.Bavail)*disk.Bsize - max(left, little); most > 0 {
		at, _ := file.Seek(0, io.SeekEnd)
		if err := syscall.Fallocate(int(file.Fd()), 0, at, most); err != nil && err != syscall.ENOSPC {
			t.Fatal(err)
		}
	}
	for left == 0 {
		if _, err := file.Write(make([]byte, 1<<10)); errors.Is(err, syscall.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// A diskWriter writes, and keeps what became of it.
type diskWriter struct {
	*fullDisk
	number int
	r      *rand.Rand
	writes []*diskWrite
	flying []*diskWrite

	erased  string // the stream that it changes
	last    uint64 // acknowledged event of that
	deleted uint64 // up to where it was asked to delete that

	acknowledgedWrites, refusedWrites, unknownWrites atomic.Int64
}

func (w *diskWriter) acknowledgedSoFar() int64 { return w.acknowledgedWrites.Load() }
func (w *diskWriter) refusedSoFar() int64      { return w.refusedWrites.Load() }

// A diskWrite is one request of a diskWriter.
type diskWrite struct {
	request wire.Request // until it is known what became of it
	fate    fate
	events  []written // of REPLACE too
	upTo    uint64    // of DELETE, else 0
}

// run writes, with several requests under way, until the round is over.
func (w *diskWriter) run() {
	p := w.connect(zmq.DEALER, w.d.router)
	defer p.Close()
	for w.flying = nil; !w.over.Load(); {
		for len(w.flying) < diskWrites && !w.calm.Load() {
			write := w.next()
			w.writes, w.flying = append(w.writes, write), append(w.flying, write)
			p.send(write.request)
		}
		if len(w.flying) == 0 {
			return
		}
		reply, err := w.reply(p)
		if reply != nil {
			err = w.settle(w.flying[0], reply)
			w.flying = w.flying[1:]
		}
		if w.ends(fmt.Sprint("writer ", w.number), err) {
			return
		}
	}
}

// next returns a write.
func (w *diskWriter) next() *diskWrite {
	write := new(diskWrite)
	data := func(stream string) []byte {
		label := fmt.Sprintf("%d.%d.%d", w.number, len(w.writes), len(write.events))
		write.events = append(write.events, written{stream: stream})
		return diskData(label, w.r.IntN(diskEventMost))
	}
	publish := func(stream string) wire.Request {
		return wire.Publish{Stream: []byte(stream), Data: data(stream)}
	}
	switch n := w.r.IntN(20); {
	case n < 8:
		write.request = publish(diskStream(w.r))
	case n < 14:
		a := wire.Append{Key: fmt.Append(nil, w.number, ".", len(w.writes))}
		for range 1 + w.r.IntN(2) {
			g := wire.Group{Stream: []byte(diskStream(w.r))}
			for range 1 + w.r.IntN(3) {
				g.Events = append(g.Events, data(string(g.Stream)))
			}
			a.Groups = append(a.Groups, g)
		}
		write.request = a
	case n < 17 || w.last < w.deleted+10:
		write.request = publish(w.erased)
	case n < 19:
		id := w.deleted + 1 + w.r.Uint64N(w.last-w.deleted)
		write.request = wire.Replace{Stream: []byte(w.erased), ID: id, Data: data(w.erased)}
		write.events[0].id = id
	default:
		w.deleted += 1 + w.r.Uint64N(5)
		write.upTo = w.deleted
		write.request = wire.Delete{Stream: []byte(w.erased), UpTo: wire.Bound{ID: w.deleted, Given: true}}
	}
	return write
}

// settle takes note of an answer.
func (w *diskWriter) settle(write *diskWrite, reply wire.Reply) error {
	if refusal, ok := reply.(*wire.Error); ok {
		return w.refuse(write, refusal)
	}
	ids, err := outcome(write.request, reply)
	if err != nil {
		return err
	}
	switch r := write.request.(type) {
	case wire.Publish:
		write.events[0].id = ids[0]
	case wire.Append:
		events := write.events
		for i, g := range r.Groups {
			for k := range g.Events {
				events[k].id = ids[i] - uint64(len(g.Events)-1-k)
			}
			events = events[len(g.Events):]
		}
	}
	for _, e := range write.events {
		w.fullDisk.acknowledged(e.stream, e.id)
		if e.stream == w.erased {
			w.last = max(w.last, e.id)
		}
	}
	write.fate, write.request = acknowledged, nil
	w.acknowledgedWrites.Add(1)
	return nil
}

// refuse takes note of a refusal, which must have a good reason.
func (w *diskWriter) refuse(write *diskWrite, refusal *wire.Error) error {
	if refusal.Code == wire.Stopping && w.over.Load() {
		write.fate, write.request = refused, nil
		return nil
	}
	switch refusal.Code {
	case wire.ReadOnly:
		if !saysFull.MatchString(refusal.Error()) {
			return fmt.Errorf("refused without a word about space: %w", refusal)
		}
		write.fate, write.request = refused, nil
		w.refusedWrites.Add(1)
		<-time.After(time.Millisecond) // it would refuse very many
		return nil
	case wire.OutcomeUnknown:
		w.unknownWrites.Add(1)
		return nil
	}
	return refusal
}

// sendAgain sends the writes whose outcome is unknown again, if they have a key.
func (w *diskWriter) sendAgain(p *peer) {
	for n, write := range w.writes {
		if a, ok := write.request.(wire.Append); ok {
			if err := w.settle(write, p.ask(a)); err != nil {
				w.t.Errorf("writer %d: request %d, again: %v", w.number, n, err)
			}
		}
	}
}

func (f *fullDisk) counts() (c diskCounts) {
	for _, w := range f.writers {
		c.add(diskCounts{w.acknowledgedWrites.Load(), w.refusedWrites.Load(), w.unknownWrites.Load(), 0})
	}
	c.queries = f.queries.Load()
	return c
}

// check compares the log with what the writers were told.
func (f *fullDisk) check(log []diskEvent) error {
	first, last, position := make(map[string]uint64), make(map[string]uint64), uint64(0)
	for _, e := range log {
		if first[e.stream] == 0 {
			first[e.stream], last[e.stream] = e.id, e.id-1
		}
		if last[e.stream]++; e.id != last[e.stream] || e.position <= position {
			return fmt.Errorf("%+v comes after %d, position %d", e, last[e.stream]-1, position)
		}
		position = e.position
		if err := f.find(e); err != nil {
			return err
		}
	}
	for n := range diskKept {
		if stream := fmt.Sprint("kept ", n); first[stream] > 1 {
			return fmt.Errorf("%q begins with %d", stream, first[stream])
		}
	}
	for _, w := range f.writers {
		if err := w.checkKept(); err != nil {
			return err
		}
		if err := w.checkErased(log); err != nil {
			return err
		}
	}
	return nil
}

// find takes note that an event is there, and checks that it may be.
func (f *fullDisk) find(e diskEvent) error {
	var w, n, i int
	if _, err := fmt.Sscanf(e.label, "%d.%d.%d", &w, &n, &i); err != nil {
		return fmt.Errorf("%+v: %w", e, err)
	}
	write := f.writers[w].writes[n]
	event := &write.events[i]
	if event.found || event.stream != e.stream || write.fate == refused || event.id != 0 && event.id != e.id {
		return fmt.Errorf("%+v: of fate %d, %+v", e, write.fate, event)
	}
	event.found = true
	return nil
}

// checkKept checks that every request is there as a whole if it is there, and that
// it is if it was acknowledged.
func (w *diskWriter) checkKept() error {
	for n, write := range w.writes {
		found := 0
		for _, event := range write.events {
			if event.found || event.stream == w.erased {
				found++
			}
		}
		if found < len(write.events) && (found > 0 || write.fate == acknowledged) {
			return fmt.Errorf("request %d of writer %d, fate %d, %d of its events are there: %+v", n, w.number, write.fate, found, write.events)
		}
	}
	return nil
}

// checkErased checks that its own stream is as it was told to be.
func (w *diskWriter) checkErased(log []diskEvent) error {
	may := make(map[uint64][]string) // labels, by id
	deleted := []uint64{0}           // up to one of these
	for n, write := range w.writes {
		switch label := fmt.Sprintf("%d.%d.0", w.number, n); {
		case write.fate == refused:
		case write.upTo > 0 && write.fate == acknowledged:
			deleted = []uint64{write.upTo}
		case write.upTo > 0:
			deleted = append(deleted, write.upTo)
		case write.events[0].stream != w.erased || write.events[0].id == 0: // an event under no known id is another's business
		case write.fate == acknowledged:
			may[write.events[0].id] = []string{label}
		default:
			may[write.events[0].id] = append(may[write.events[0].id], label)
		}
	}
	last, begun := uint64(0), false
	for _, e := range log {
		if e.stream != w.erased {
			continue
		}
		if !begun && !slices.Contains(deleted, e.id-1) {
			return fmt.Errorf("%q was deleted up to one of %d and begins with %d", w.erased, deleted, e.id)
		}
		if labels := may[e.id]; labels != nil && !slices.Contains(labels, e.label) {
			return fmt.Errorf("want one of %q, have %+v", labels, e)
		}
		last, begun = e.id, true
	}
	if last < w.last {
		return fmt.Errorf("%d of %q was acknowledged, %d is the last", w.last, w.erased, last)
	}
	return nil
}

// A diskFollower follows everything, and keeps what it saw.
type diskFollower struct {
	*fullDisk
	position atomic.Uint64
	seen     []diskEvent
}

// run follows until the round is over, from where it was.
func (f *diskFollower) run() {
	p := f.connect(zmq.DEALER, f.d.router)
	defer p.Close()
	q := wire.Query{Match: wire.MatchPrefix, Follow: true}
	if at := f.position.Load(); at > 0 {
		q.After = wire.Bound{ID: at, Given: true}
	}
	p.send(q)
	for {
		reply, err := f.reply(p)
		if e, ok := reply.(wire.Event); ok {
			err = f.take(e)
		}
		if f.ends("follower", err) {
			return
		}
	}
}

// take takes an event.
func (f *diskFollower) take(e wire.Event) error {
	if at := f.position.Load(); e.ID <= at {
		return fmt.Errorf("%d comes after %d", e.ID, at)
	}
	label, err := diskLabel(e.Data)
	f.seen = append(f.seen, diskEvent{string(e.Meta.Stream), e.Meta.ID, e.Meta.Position, label})
	f.position.Store(e.ID)
	return err
}

// check compares what it saw with the log, but for what may be erased since.
func (f *diskFollower) check(log []diskEvent) error {
	kept := func(all []diskEvent) []diskEvent {
		return slices.DeleteFunc(slices.Clone(all), mayErase)
	}
	want, have := kept(log), kept(f.seen)
	for i := range want {
		if i == len(have) || want[i] != have[i] {
			return fmt.Errorf("the follower saw %d of %d events, and not %+v", i, len(want), want[i])
		}
	}
	if len(have) > len(want) {
		return fmt.Errorf("the follower saw %+v, which is not there", have[len(want)])
	}
	return nil
}

// A diskHeard is what a subscriber heard of one daemon.
type diskHeard struct {
	*fullDisk
	mu      sync.Mutex // protects the field below
	streams map[string][]diskEvent
}

// run hears until the round is over.
func (h *diskHeard) run() {
	p := h.connect(zmq.SUB, h.d.pub)
	defer p.Close()
	p.SetSubscribe("")
	for {
		frames, err := h.receive(p)
		if err == nil {
			err = h.take(frames)
		}
		if h.ends("subscriber", err) {
			return
		}
	}
}

// take takes a broadcast: the next of its stream, but for what was deleted before it
// was broadcast.
func (h *diskHeard) take(frames [][]byte) error {
	b, ok := wire.ParseBroadcast(frames)
	if !ok {
		return fmt.Errorf("heard %.50q", frames)
	}
	label, err := diskLabel(b.Data)
	h.mu.Lock()
	defer h.mu.Unlock()
	e := diskEvent{stream: string(b.Stream), id: b.ID, label: label}
	heard := h.streams[e.stream]
	if n := len(heard); n > 0 && (e.id <= heard[n-1].id || e.id > heard[n-1].id+1 && !mayErase(e)) {
		return fmt.Errorf("%+v comes after %+v", e, heard[n-1])
	}
	h.streams[e.stream] = append(heard, e)
	return err
}

// has reports whether it has heard everything to the end of the log.
func (h *diskHeard) has(log []diskEvent) bool {
	last := make(map[string]uint64)
	for _, e := range log {
		last[e.stream] = e.id
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for stream, heard := range h.streams {
		if heard[len(heard)-1].id < last[stream] {
			return false
		}
	}
	return len(h.streams) > 0
}

// check compares what it heard with the log, but for what may be erased since.
func (h *diskHeard) check(log []diskEvent) error {
	there := make(map[string][]diskEvent)
	for _, e := range log {
		there[e.stream] = append(there[e.stream], e)
	}
	for stream, heard := range h.streams {
		if mayErase(heard[0]) {
			continue
		}
		for _, e := range heard {
			if e.id > uint64(len(there[stream])) || there[stream][e.id-1].label != e.label {
				return fmt.Errorf("the subscriber heard %+v, which is not there", e)
			}
		}
	}
	return nil
}
