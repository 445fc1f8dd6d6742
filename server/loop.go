package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/server/internal/auth"
	"gorewind/server/internal/zsock"
	"gorewind/store"
	"gorewind/wire"
)

const (
	burst            = 1024    // messages received before answers get a turn
	maxQueued        = 8000    // events that the committer has: when there are more, receiving waits. Whoever comes then waits behind them
	maxQueuedBytes   = 8 << 20 // and their data
	maxRequestFrames = 16_384  // of one message, its envelope included, its routing id not; more are not kept
	maxRequestBytes  = 9 << 20 // of one message
)

// A loop owns the server's sockets: its goroutine alone touches router, pub
// and the monitors, and everything below them. Other goroutines reach it by
// posting to out.
type loop struct {
	// What it is made with. None of it changes while it runs.
	store          store.Store
	log            *slog.Logger
	debug          bool // each request is logged
	info           func() wire.InfoReply
	maxEvent       int
	name           func(option string) string // what users know an option by
	keepaliveEvery time.Duration

	// What other goroutines touch too: each has a lock of its own, or is atomic.
	stats      *Stats
	out        *outbox
	jobs       chan<- *task // chunks to be read; never full, see maxChunkBytes
	hub        hub
	erasures   erasures
	access     *atomic.Pointer[auth.Rules] // nil in it: everybody may do everything
	inHand     atomic.Int64                // octets of chunks in memory, also of those that are being read; the hub adds to it too
	complained atomic.Int64                // when an error of the store was logged, in seconds; readers use it too

	// The sockets.
	router     *zmq.Socket    // requests in, answers out
	pub        *zmq.Socket    // broadcasts
	monitor    *zsock.Monitor // tells of router's connections
	pubMonitor *zsock.Monitor // tells of pub's
	transport  zsock.Transport
	poller     *zsock.Poller

	// Connections, and which there may be.
	conns      map[string]*conn // by routing id
	byFD       map[int][]*conn
	live       map[int]bool     // descriptors of router's connections, as the monitor tells
	departed   map[string]*conn // that are gone, but of which messages may wait
	last       *conn            // that the last message was of
	gate       zsock.Gate
	admissions auth.Admissions
	handshakes [2]auth.Occasion // that failed, of CURVE and of others

	// The message that is handled, and how many there may be.
	principal *auth.Principal // whose it is; nil: anybody's
	rates     auth.Rates

	// Writes, and how many of them the store has.
	batch       *batch // that will go to the store next
	spare       []*batch
	queued      int // events that the store has
	queuedBytes int
	stalled     bool // there are too many of them: receiving waits

	// Answers on their way: what is read, and what is sent.
	reads         []*conn // that may have a task whose chunk can be read
	reading       int     // chunks
	flushes       []*conn // that may have something to send
	retries       retries
	writePriority writePriority
	unread        int // octets of answers in all conns' out

	// Tasks that wait for what is yet to come.
	parked      fifo      // that the hub has
	keepaliveAt time.Time // parked: when to look who has heard nothing for long
	waits       waits

	// Broadcasts.
	subs       zsock.Subscribers
	broadcasts uint64 // position up to which PUB has everything

	// The end.
	stopping   bool
	draining   bool      // stopping, and the store has answered everything
	drainUntil time.Time // draining: when to stop waiting for peers and broadcasts
}

// run serves until it is told to stop and has finished what it took.
func (l *loop) run() error {
	var posts []func()
	drained := true
	l.observe() // libzmq signals what comes once somebody has looked and found no more
	l.observePub()
	for !l.finished() {
		listening := l.accepting()
		ready, err := l.poller.Wait(listening, l.timeout(drained, listening))
		if err != nil {
			return err
		}
		if ready[zsock.FromWake] {
			posts = l.out.take(posts)
			for _, f := range posts {
				f()
			}
		}
		if ready[zsock.FromMonitor] {
			l.observe()
		}
		if ready[zsock.FromPubMonitor] {
			l.observePub()
		}
		if (ready[zsock.FromRouter] || !drained) && l.accepting() {
			if drained, err = l.receive(); err != nil {
				return err
			}
		} else if listening && drained {
			l.reapDeparted()
		}
		l.submit()
		now := time.Now()
		l.retry(now)
		l.releaseHeld(now)
		l.sendKeepalives(now)
		l.expire(now)
		if err := l.flushAll(); err != nil {
			return err
		}
		l.readNext()
		l.submit() // what waited behind queries that have ended
		l.publishGauges()
	}
	return nil
}

// accepting reports whether the committer keeps up; if not, receiving waits,
// and with it, by way of TCP, the peers.
func (l *loop) accepting() bool {
	ok := !l.stopping && l.queued < maxQueued && l.queuedBytes < maxQueuedBytes
	if l.stalled == ok {
		if l.stalled = !ok; l.stalled {
			l.stats.Stalls.Add(1)
		}
	}
	return ok
}

// timeout returns how long to poll.
func (l *loop) timeout(drained, listening bool) time.Duration {
	if !drained && listening || len(l.flushes) > 0 {
		return 0
	}
	next := time.Duration(-1)
	until := func(at time.Time) {
		if left := max(time.Until(at), 0); next < 0 || left < next {
			next = left
		}
	}
	if len(l.retries) > 0 {
		until(l.retries[0].retryAt)
	}
	if len(l.writePriority.held) > 0 {
		until(l.writePriority.until)
	}
	if l.parked.len > 0 {
		until(l.keepaliveAt)
	}
	if len(l.waits.deadlines) > 0 {
		until(l.waits.deadlines[0].deadline)
	}
	if l.draining {
		until(l.drainUntil)
	}
	return next
}

// receive takes requests off the ROUTER. The monitor is read between taking and
// handling: whatever connection a message came over, it is known by then
// whether that is gone.
func (l *loop) receive() (drained bool, err error) {
	drained, err = l.transport.Receive(burst, l.observe, func(m zsock.Message) {
		l.stats.Received.Add(1)
		l.handle(m)
	})
	if drained {
		l.reapDeparted()
	}
	return drained, err
}

// handle deals with one message.
func (l *loop) handle(m zsock.Message) {
	if m.From.Odd {
		l.stats.Dropped.Add(1)
		return
	}
	c := l.connOf(m)
	l.last = c
	if c.muted {
		l.stats.Dropped.Add(1)
		return
	}
	env, request, err := wire.Split(m.Frames)
	if errors.Is(err, wire.ErrEnvelope) {
		l.stats.Dropped.Add(1)
		return
	}
	ln := c.lane(env)
	l.stats.requests[commandOf(request)].Add(1)
	if l.debug {
		l.trace(c, request)
	}
	switch {
	case m.Cut:
		l.refuse(ln, wire.Errorf(wire.TooLarge, "send less at once",
			"the message has more than %d frames or %d bytes", maxRequestFrames, maxRequestBytes))
	case err != nil:
		l.refuse(ln, wire.Errorf(wire.Malformed, "begin with a command, or end an envelope with an empty frame", "%v", err))
	case !l.admit(ln, m, request):
	case len(request) > 0 && string(request[0]) == wire.PUBLISH:
		l.publish(ln, request[1:])
	default:
		l.command(ln, request)
	}
	ln.forget()
}

// admit reports whether a request is to be dealt with, and answers if not. CANCEL
// has no answer of its own, and is not counted.
func (l *loop) admit(ln *lane, m zsock.Message, request [][]byte) bool {
	var refused *wire.Error
	if l.principal, refused = l.principalOf(m); refused == nil {
		if isCancel := len(request) > 0 && string(request[0]) == wire.CANCEL; isCancel {
			return true
		}
		refused = l.rates.Busy(ln.conn.bucket)
	}
	if refused != nil {
		l.refuse(ln, refused)
	}
	return refused == nil
}

// command deals with everything but PUBLISH.
func (l *loop) command(ln *lane, frames [][]byte) {
	r, refused := wire.ParseRequest(frames)
	if refused != nil {
		l.refuse(ln, refused)
		return
	}
	switch r := r.(type) {
	case wire.Append:
		l.append(ln, r)
	case wire.Query:
		l.query(ln, r)
	case wire.Streams:
		l.streams(ln, r)
	case wire.Cancel:
		l.cancel(ln)
	case wire.Replace:
		l.replace(ln, r)
	case wire.Delete:
		l.delete(ln, r)
	case wire.Commit:
		l.commit(ln, r)
	case wire.Cursor:
		l.cursor(ln, r)
	case wire.Wait:
		l.waitFor(ln, r)
	case wire.Log:
		l.entries(ln, r)
	case wire.Info:
		l.inform(ln)
	case wire.Ping:
		l.ping(ln, r)
	}
}

// publishGauges leaves what only the loop knows where everybody may read it: that costs
// less than to have somebody ask, and a loop that is busy has nobody wait.
func (l *loop) publishGauges() {
	l.stats.Queued.Store(int64(l.queued))
	l.stats.QueuedBytes.Store(int64(l.queuedBytes))
	l.stats.UnsentBytes.Store(int64(l.unread))
}

// stop has the loop take no more requests and end what does not end by itself.
func (l *loop) stop() {
	l.stopping = true
	if err := l.gate.ShutForGood(); err != nil {
		l.log.Warn("connections that come before the end will not be answered", "error", err)
	}
	for _, c := range l.conns {
		l.stopTask(&c.plain)
		for _, ln := range c.lanes {
			l.stopTask(ln)
		}
	}
}

func (l *loop) stopTask(ln *lane) {
	if ln.task != nil {
		l.finish(ln, stopping())
	}
}

// grace is how long peers have to read their answers when the server stops.
const grace = 2 * time.Second

// finished reports whether the loop may end: everything that was taken is
// answered and broadcast, or nobody takes it.
func (l *loop) finished() bool {
	if !l.stopping || l.queued > 0 || l.reading > 0 || len(l.flushes) > 0 {
		return false
	}
	if !l.draining {
		l.draining, l.drainUntil = true, time.Now().Add(grace)
	}
	return !time.Now().Before(l.drainUntil) || l.unread == 0 && l.caughtUp()
}

// caughtUp reports whether PUB has had every event. Positions alone do not tell:
// the last of them may be of changes that are not broadcast.
func (l *loop) caughtUp() bool {
	if l.broadcasts >= l.store.Info().LastPosition {
		return true
	}
	ctx, cancel := context.WithDeadline(context.Background(), l.drainUntil)
	defer cancel()
	all := store.Range{Select: store.Prefix(nil), After: store.Some(l.broadcasts), Nearest: true, Limit: 1}
	for range l.store.Read(ctx, all) { // an event or an error
		return false
	}
	return true
}
