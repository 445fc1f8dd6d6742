package server

import (
	"context"
	"errors"
	"log/slog"
	"sync/atomic"
	"time"

	zmq "github.com/pebbe/zmq4"
	"golang.org/x/time/rate"

	"gorewind/server/internal/auth"
	"gorewind/server/internal/zsock"
	"gorewind/store"
	"gorewind/wire"
)

const (
	burst            = 1024    // messages received before answers get a turn
	maxQueued        = 8000    // events that the store has yet to commit; at that many, receiving waits
	maxQueuedBytes   = 8 << 20 // their data, in bytes; likewise
	maxRequestFrames = 16_384  // of one message, with its envelope but without its routing id; the rest is dropped
	maxRequestBytes  = 9 << 20 // of one message
)

// A loop owns the server's sockets: only its goroutine touches router, pub, the
// monitors and everything built on them. Other goroutines reach it by posting to out.
type loop struct {
	// Set before it runs; never changed.
	store          store.Store
	log            *slog.Logger
	debug          bool // log each request
	info           func() wire.InfoReply
	maxEvent       int
	name           func(option string) string // returns the name that users know an option by
	keepaliveEvery time.Duration              // how long a follower may go without a message

	// Shared with other goroutines: each has a lock of its own or is atomic.
	stats      *Stats
	out        *outbox
	jobs       chan<- *task // chunks to read; never full, see maxChunkBytes
	hub        hub
	erasures   erasures
	access     *atomic.Pointer[auth.Rules] // nil rules: everybody may do everything
	inHand     atomic.Int64                // bytes of all chunks in memory, and of those that readers may be about to fill; the hub adds to it too
	complaints rate.Sometimes              // limits how often an error of the store is logged; readers use it too

	// Sockets.
	router     *zmq.Socket    // requests in, answers out
	pub        *zmq.Socket    // broadcasts out
	monitor    *zsock.Monitor // reports router's connections
	pubMonitor *zsock.Monitor // reports pub's connections
	transport  zsock.Transport
	poller     *zsock.Poller

	// Connections and their limits.
	conns      map[string]*conn // by routing id
	byFD       map[int][]*conn
	live       map[int]bool     // descriptors of router's connections that the monitor has reported
	departed   map[string]*conn // ended connections of which messages may still wait in libzmq, by routing id
	last       *conn            // connection of the last message
	gate       zsock.Gate
	admissions auth.Admissions
	handshakes [2]auth.LogThrottle // failed handshakes, without CURVE and with a wrong server key

	// The message that is being handled, and the limit of requests.
	principal *auth.Principal // who sent it; nil without CURVE
	rates     auth.Rates

	// Writes on their way to the store.
	batch       *batch // goes to the store next
	spare       []*batch
	queued      int  // events that the store has yet to commit
	queuedBytes int  // and their data
	stalled     bool // too many are queued: receiving waits

	// Answers on their way to peers.
	reads         []*conn // may have a task whose chunk can be read
	reading       int     // chunks that readers have
	flushes       []*conn // may have something to send
	retries       retries
	writePriority writePriority
	unread        int // bytes of answers in the out buffers of all connections

	// Tasks that wait for new events or cursors.
	parked      fifo      // followers that the hub has
	keepaliveAt time.Time // when to look for parked followers that need a keepalive
	waits       waits

	// Broadcasts.
	subs       zsock.Subscribers
	broadcasts uint64 // PUB has had every event up to this position

	// Shutdown.
	stopping   bool
	draining   bool      // stopping, and all requests are done; peers still read their answers
	drainUntil time.Time // draining: when to stop waiting for peers and broadcasts
}

// run serves until stop was called and the requests it took are finished.
func (l *loop) run() error {
	var posts []func()
	drained := true
	l.observe() // libzmq signals again only after the loop has read everything that was there
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
		l.submit() // writes that waited behind queries that have ended
		l.publishGauges()
	}
	return nil
}

// accepting reports whether the loop may receive requests. It may not while the store
// is behind. TCP then makes the peers wait as well.
func (l *loop) accepting() bool {
	ok := !l.stopping && l.queued < maxQueued && l.queuedBytes < maxQueuedBytes
	if l.stalled == ok {
		if l.stalled = !ok; l.stalled {
			l.stats.Stalls.Add(1)
		}
	}
	return ok
}

// timeout returns how long to poll; negative for no limit.
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

// receive takes requests off the ROUTER and handles them. It reads the monitor between
// taking and handling, so that it knows of each message whether its connection has
// ended.
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

// handle splits a message into its envelope and its request, and processes the request
// in the envelope's lane.
func (l *loop) handle(m zsock.Message) {
	if m.From.Unknown {
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
		l.refuse(ln, wire.Errorf(wire.TooLarge, "send less in one message",
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

// admit reports whether to process a request. If not, it answers it. CANCEL has no
// answer of its own and does not count against the limit of requests.
func (l *loop) admit(ln *lane, m zsock.Message, request [][]byte) bool {
	var refused *wire.Error
	if l.principal, refused = l.principalOf(m); refused == nil {
		if isCancel := len(request) > 0 && string(request[0]) == wire.CANCEL; isCancel {
			return true
		}
		refused = l.rates.Busy(ln.conn.limiter)
	}
	if refused != nil {
		l.refuse(ln, refused)
	}
	return refused == nil
}

// command processes every command but PUBLISH.
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

// publishGauges copies the loop's own figures to where other goroutines may read them.
// That is cheaper than a post for each reader, and nobody waits for a busy loop.
func (l *loop) publishGauges() {
	l.stats.Queued.Store(int64(l.queued))
	l.stats.QueuedBytes.Store(int64(l.queuedBytes))
	l.stats.UnsentBytes.Store(int64(l.unread))
}

// stop makes the loop take no more requests, and ends tasks that do not end by
// themselves.
func (l *loop) stop() {
	l.stopping = true
	if err := l.gate.ShutForGood(); err != nil {
		l.log.Warn("cannot refuse new connections while stopping; their requests will not be answered", "error", err)
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

// grace is how long peers may take to read their answers when the server stops.
const grace = 2 * time.Second

// finished reports whether the loop may end: all requests are answered and all events
// broadcast, or drainUntil has passed.
func (l *loop) finished() bool {
	if !l.stopping || l.queued > 0 || l.reading > 0 || len(l.flushes) > 0 {
		return false
	}
	if !l.draining {
		l.draining, l.drainUntil = true, time.Now().Add(grace)
	}
	return !time.Now().Before(l.drainUntil) || l.unread == 0 && l.caughtUp()
}

// caughtUp reports whether PUB has had every event. Comparing positions is not enough:
// the last ones may belong to changes that are not broadcast.
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
