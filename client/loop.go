package client

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	zmq "github.com/pebbe/zmq4"
	"golang.org/x/sys/unix"

	"gorewind/wire"
)

const (
	burst      = 1024 // answers received before requests are sent
	minBackoff = 20 * time.Millisecond
	maxBackoff = 2 * time.Second
	checks     = 20 // for silence during Options.Timeout
)

// A loop owns the socket. Only its goroutine uses link and the fields below it. Other goroutines
// reach it by posting to out.
type loop struct {
	opts  Options
	zctx  *zmq.Context
	out   *outbox
	ready chan struct{} // closed when store is known

	refusal error         // why the server refused the last connection
	refused chan struct{} // closed when that refusal is final and store is unknown

	link    *link // nil: not connected
	links   int   // number so far
	reopen  time.Time
	backoff time.Duration
	why     error // why the last link ended

	queue    []*call          // to be sent
	inFlight map[uint64]*call // sent and not yet answered, by number
	number   uint64           // the last one used
	check    time.Time        // when to check for silence next

	store    string // ID.GENERATION
	over     error  // why nothing more is sent
	stopping bool
}

func newLoop(o Options, zctx *zmq.Context, out *outbox) *loop {
	return &loop{
		opts: o, zctx: zctx, out: out, ready: make(chan struct{}), refused: make(chan struct{}),
		backoff: minBackoff, inFlight: make(map[uint64]*call),
	}
}

// run runs the loop until stopping is set.
func (l *loop) run() {
	for !l.stopping {
		l.wait()
		for _, f := range l.out.take() {
			f()
		}
		l.turn(time.Now())
	}
	for _, f := range l.out.close() {
		f()
	}
	l.over = ErrClosed
	if l.link != nil {
		why := l.why
		if l.link.reached && (why == nil || errors.Is(why, errNobody)) {
			why = errSilent
		}
		l.lose(time.Now(), ErrClosed)
		l.why = why // for the error of Dial
	}
	l.failPending()
}

// wait waits until there is something to do.
func (l *loop) wait() {
	fds := []unix.PollFd{{Fd: int32(l.out.wake), Events: unix.POLLIN}}
	timeout := time.Duration(-1)
	switch {
	case l.link != nil:
		fds = l.link.fds[:]
		if len(l.inFlight) > 0 {
			timeout = max(time.Until(l.check), 0)
		}
		ready, err := l.link.ready(len(l.queue) > 0 && l.sending())
		if err != nil {
			l.link.broken = err
		}
		if ready || l.link.broken != nil {
			timeout = 0
		}
	case l.over == nil:
		timeout = max(time.Until(l.reopen), 0)
	}
	if err := poll(fds, timeout); err != nil && l.link != nil {
		l.link.broken = err
	}
}

// turn does all work that is due.
func (l *loop) turn(now time.Time) {
	if l.link == nil && l.over == nil && !now.Before(l.reopen) {
		if err := l.open(now); err != nil {
			l.retry(now, err)
		}
	}
	if l.link != nil {
		// The order matters: once the connection has ended, all its messages can be
		// received.
		gone := l.link.gone()
		l.receive(now, gone)
		l.send(now)
		l.watch(now)
		if gone && l.link.broken == nil {
			l.link.broken = l.link.end(l.opts.Endpoint)
			l.noteRefusal()
		}
		if l.link.broken != nil {
			l.lose(now, l.link.broken)
		}
	}
	if l.over != nil {
		l.failPending()
	}
}

// open starts a connection. The server must say which store it serves before anything else is
// sent.
func (l *loop) open(now time.Time) error {
	l.links++
	link, err := newLink(l.zctx, l.opts, fmt.Sprintf("inproc://link-%d", l.links), l.out.wake)
	if err != nil {
		return err
	}
	l.link = link
	l.direct(now, newCall(wire.Info{}, l.greet))
	return nil
}

// noteRefusal records why the server refused the connection, if it did. It gives up when
// the refusal is final: the server does not know the key, or no longer knows it.
func (l *loop) noteRefusal() {
	l.refusal = l.link.refusal
	if !l.link.final || l.over != nil {
		return
	}
	l.over = &refusedError{l.opts.Endpoint, l.refusal, nil}
	if l.store == "" {
		close(l.refused)
	}
}

// greet handles the first answer over a connection.
func (l *loop) greet(reply wire.Reply, err error) verdict {
	if refused, ok := reply.(*wire.Error); ok {
		err = refused
	}
	r, err := expect[wire.InfoReply](reply, err)
	if err != nil {
		l.link.broken = err
		return last
	}
	info, err := parseInfo(r)
	switch {
	case err != nil:
		l.link.broken = err
		return last
	case l.store == "":
		l.store = info.StoreID()
		close(l.ready)
	case l.store != info.StoreID():
		l.over = wire.Errorf(wire.OtherStore, "dial again, and read from the beginning",
			"%s serves the store %s now, not %s", l.opts.Endpoint, info.StoreID(), l.store)
		l.link.broken = l.over
		return last
	}
	l.link.greeted = true
	l.backoff = minBackoff
	return last
}

// lose closes the connection and fails the requests in flight.
func (l *loop) lose(now time.Time, why error) {
	inFlight := l.inFlight
	l.inFlight = make(map[uint64]*call)
	for _, c := range inFlight {
		c.take(nil, fmt.Errorf("%w: %w", errLost, why))
	}
	// Queued CANCELs are for requests that are lost now.
	l.queue = slices.DeleteFunc(l.queue, func(c *call) bool { return c.take == nil })
	l.link.close()
	l.link = nil
	l.retry(now, why)
}

// retry delays the next connection at random: many clients may reconnect at once.
func (l *loop) retry(now time.Time, why error) {
	l.why = why
	l.reopen = now.Add(l.backoff/2 + rand.N(l.backoff/2))
	l.backoff = min(2*l.backoff, maxBackoff)
}

// failPending fails the requests that were never sent.
func (l *loop) failPending() {
	queue := l.queue
	l.queue = nil
	for _, c := range queue {
		if c.take != nil {
			c.take(nil, l.over)
		}
	}
}

// add queues a request.
func (l *loop) add(c *call) {
	l.number++
	c.number = l.number
	l.queue = append(l.queue, c)
}

// drop forgets a call, and cancels it on the server if it is long-running.
func (l *loop) drop(c *call) {
	if l.inFlight[c.number] == c {
		delete(l.inFlight, c.number)
		l.cancel(c)
		return
	}
	l.queue = slices.DeleteFunc(l.queue, func(other *call) bool { return other == c })
}

// cancel queues a CANCEL in a call's envelope, if the call is long-running.
func (l *loop) cancel(c *call) {
	if c.lasts {
		l.queue = append(l.queue, &call{number: c.number, frames: wire.Cancel{}.Frames()})
	}
}

// sending reports whether the server takes requests.
func (l *loop) sending() bool { return l.link.greeted && !l.link.draining }

// send sends queued requests while there is room.
func (l *loop) send(now time.Time) {
	for len(l.queue) > 0 && l.sending() && l.link.broken == nil && l.direct(now, l.queue[0]) {
		l.queue[0] = nil
		l.queue = l.queue[1:]
	}
}

// direct sends a request past the queue. It reports whether there was room.
func (l *loop) direct(now time.Time, c *call) bool {
	if c.number == 0 {
		l.number++
		c.number = l.number
	}
	sent, err := l.link.send(c.number, c.frames)
	if err != nil {
		l.link.broken = err
		sent = true // a part of it may be
	}
	if !sent || c.take == nil {
		return sent
	}
	if len(l.inFlight) == 0 {
		l.link.heard, l.link.pinged = now, false // no answer was due before
		l.check = now.Add(l.opts.Timeout / checks)
	}
	c.frames, c.heard = nil, now
	l.inFlight[c.number] = c
	return true
}

// receive receives answers: all that have arrived, or a burst.
func (l *loop) receive(now time.Time, all bool) {
	for n := 0; all || n < burst; n++ {
		number, frames, ok, err := l.link.receive()
		if err != nil {
			l.link.broken = err
		}
		if err != nil || !ok {
			return
		}
		l.link.heard, l.link.pinged = now, false
		if c := l.inFlight[number]; c != nil {
			c.heard = now
			l.deliver(c, frames)
		}
	}
}

// deliver passes a part of an answer to its call.
func (l *loop) deliver(c *call, frames [][]byte) {
	reply, err := wire.ParseReply(frames)
	if err != nil {
		reply, err = nil, unexpected(fmt.Sprintf("%q", frames))
	}
	if refused, ok := reply.(*wire.Error); ok && refused.Code == wire.Stopping {
		l.link.draining = true
	}
	if _, ok := reply.(wire.Live); ok {
		c.live = true
	}
	verdict := c.take(reply, err)
	if err != nil {
		verdict = refuse
	}
	if verdict == last || verdict == refuse {
		delete(l.inFlight, c.number)
	}
	if verdict == enough || verdict == refuse {
		l.cancel(c)
	}
}

// watch marks a silent connection as broken, and one that is drained.
func (l *loop) watch(now time.Time) {
	if l.link.draining && len(l.inFlight) == 0 {
		l.link.broken = errors.New("the server is stopping")
	}
	if len(l.inFlight) == 0 || now.Before(l.check) {
		return
	}
	l.check = now.Add(l.opts.Timeout / checks)
	silence := now.Sub(l.link.heard)
	if silence >= l.opts.Timeout {
		l.link.broken = fmt.Errorf("no message from %s for %v", l.opts.Endpoint, l.opts.Timeout)
		return
	}
	for _, c := range l.inFlight {
		if c.live && now.Sub(c.heard) >= l.opts.Timeout {
			l.link.broken = fmt.Errorf("neither EVENT nor LIVE from %s for %v", l.opts.Endpoint, l.opts.Timeout)
			return
		}
	}
	if silence >= l.opts.Timeout/3 && !l.link.pinged && l.sending() {
		l.link.pinged = l.direct(now, newCall(wire.Ping{}, func(wire.Reply, error) verdict { return last }))
	}
}
