package load

/*
#cgo CFLAGS: -D_GNU_SOURCE
#cgo pkg-config: libzmq
#include <stdlib.h>
#include "conn.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
	"unsafe"

	"gorewind/wire"
)

// Only this file and ceiling.go use libzmq. One cgo call sends and receives many messages and
// takes the time of each. With several cgo calls for every frame, the generator would be slower
// than what it measures.

// A task is the work of a connection.
type task C.int

const (
	greet     task = C.LD_GREET     // wait for the connection
	publish   task = C.LD_PUBLISH   // events to its stream
	replay    task = C.LD_REPLAY    // its stream
	subscribe task = C.LD_SUBSCRIBE // to its stream, until the last event
	probe     task = C.LD_PROBE     // wait for a broadcast of another stream
)

const buckets = C.LD_BUCKETS

// A conn is a connection to the daemon.
type conn struct{ c *C.ld_conn }

// began returns when a connection sent its first request, on the clock of ld_now.
func (c conn) began() time.Duration { return time.Duration(c.c.started) }

// finished returns when it received its last answer.
func (c conn) finished() time.Duration { return time.Duration(c.c.ended) }

// pause returns the longest time between two answers to PUBLISH.
func (c conn) pause() time.Duration { return time.Duration(c.c.pause) }

// answered returns the number of answers or events received.
func (c conn) answered() int { return int(c.c.answered) }

// again lets a connection that has finished its task start another.
func (c conn) again() { c.c.done = 0 }

// record counts one value.
func (h *Histogram) record(d time.Duration) {
	C.ld_record((*C.uint64_t)(unsafe.Pointer(&h.counts[0])), C.uint64_t(d))
}

// A session is the client side of a measurement: a ZeroMQ context with one I/O thread, its
// connections, and the data from which events are cut. One goroutine at a time uses it.
type session struct {
	context unsafe.Pointer
	conns   []conn
	data    []byte // memory of C: libzmq's threads read it
	timeout time.Duration
	curve   *C.ld_curve // nil: no CURVE
}

// block is the size of the random data from which events are cut, in addition to one event.
const block = 1 << 20

func newSession(t Target, size int) (*session, error) {
	s := &session{context: C.zmq_ctx_new(), timeout: t.timeout()}
	if k := t.Curve; k != nil {
		s.curve = new(C.ld_curve)
		putKey(&s.curve.own, k.Public)
		putKey(&s.curve.secret, k.Secret)
		putKey(&s.curve.server, k.Server)
	}
	if s.context == nil {
		return nil, errors.New("zeromq: no context: out of memory or descriptors; close other programs")
	}
	n := block + size
	s.data = unsafe.Slice((*byte)(C.malloc(C.size_t(n))), n)
	random(s.data)
	return s, nil
}

// putKey copies a key and leaves a zero byte after it.
func putKey(to *[41]C.char, key string) {
	for i := range min(len(key), len(to)-1) {
		to[i] = C.char(key[i])
	}
}

// close closes the connections. libzmq releases the data when the context ends.
func (s *session) close() {
	for _, c := range s.conns {
		C.ld_close(c.c)
	}
	C.ld_term(s.context)
	for _, c := range s.conns {
		C.ld_free(c.c)
	}
	C.free(unsafe.Pointer(&s.data[0]))
}

// connect starts a session with n connections to a ROUTER.
func connect(ctx context.Context, t Target, size, n int) (*session, []conn, error) {
	s, err := newSession(t, size)
	if err != nil {
		return nil, nil, err
	}
	conns, err := s.dial(ctx, t.Router, n)
	if err != nil {
		s.close()
		return nil, nil, err
	}
	return s, conns, nil
}

// dial connects to the ROUTER and waits until it answers.
func (s *session) dial(ctx context.Context, endpoint string, n int) ([]conn, error) {
	var made []conn
	for range n {
		c, err := s.open(endpoint, "")
		if err != nil {
			return nil, err
		}
		made = append(made, c)
	}
	return made, s.drive(ctx, made, greet, nil, nil, nil)
}

// CheckEndpoint returns an error if libzmq does not accept an endpoint.
func CheckEndpoint(endpoint string) error {
	s, err := newSession(Target{}, 0)
	if err != nil {
		return err
	}
	defer s.close()
	_, err = s.open(endpoint, "")
	return err
}

// open creates a DEALER or, with a prefix, a SUB.
func (s *session) open(endpoint, prefix string) (conn, error) {
	e := C.CString(endpoint)
	defer C.free(unsafe.Pointer(e))
	var p *C.char
	if prefix != "" {
		p = C.CString(prefix)
		defer C.free(unsafe.Pointer(p))
	}
	c, err := C.ld_open(s.context, e, p, C.size_t(len(prefix)), s.curve)
	if c == nil {
		return conn{}, fmt.Errorf("cannot connect to %q: %s; give an endpoint such as tcp://127.0.0.1:9002", endpoint, reason(err))
	}
	s.conns = append(s.conns, conn{c})
	return conn{c}, nil
}

// A job is the work that assign gives a connection.
type job struct {
	stream   string
	size     int // bytes of an event
	count    int
	inFlight int           // requests
	interval time.Duration // from one event to the next; 0: as answers arrive
	streams  int           // if several, their names begin with stream; events go to random ones
	batch    int           // events of an APPEND; 0: PUBLISH each event
}

func (s *session) assign(c conn, j job) error {
	if len(j.stream)+len("/4294967295") > wire.MaxStream {
		return fmt.Errorf("the stream %q is longer than %d bytes with a number; choose a shorter prefix", j.stream, wire.MaxStream)
	}
	const apart = 65537 // so that clients send different data
	at := len(s.conns) * apart % block
	rc := C.ld_assign(c.c, (*C.char)(unsafe.Pointer(unsafe.StringData(j.stream))), C.size_t(len(j.stream)),
		(*C.char)(unsafe.Pointer(&s.data[0])), C.size_t(len(s.data)), C.size_t(j.size), C.size_t(at),
		C.uint64_t(j.count), C.uint64_t(j.inFlight), C.uint64_t(j.interval.Nanoseconds()),
		C.uint32_t(j.streams), C.uint64_t(j.batch))
	if rc < 0 {
		return fmt.Errorf("no memory for %d requests in flight; use fewer", j.inFlight)
	}
	return nil
}

// slice is the longest time of a cgo call, and so the longest delay after a context is
// cancelled.
const slice = 50 * time.Millisecond

// drive runs a task on connections until all have finished, ctx is done, or one fails. It calls
// progress, if not nil, with the number of answers. It calls quiet, if not nil, with the time
// since the last answer; true ends the task. Without quiet, silence longer than the session's
// timeout is an error.
func (s *session) drive(ctx context.Context, conns []conn, what task, h *Histogram, progress func(int), quiet func(time.Duration) bool) error {
	if h == nil {
		h = new(Histogram)
	}
	raw := make([]*C.ld_conn, len(conns))
	for i, c := range conns {
		raw[i] = c.c
	}
	done, last := 0, time.Now()
	for {
		var which C.int
		rc := C.ld_drive(&raw[0], C.int(len(raw)), C.int(what), (*C.uint64_t)(unsafe.Pointer(&h.counts[0])),
			C.uint64_t(min(slice, s.timeout).Nanoseconds()), &which)
		if rc != C.LD_SLICE && rc != C.LD_DONE {
			return conns[which].failure(rc)
		}
		was := done
		done = 0
		for _, c := range conns {
			done += c.answered()
		}
		if progress != nil {
			progress(done)
		}
		if rc == C.LD_DONE {
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if done != was {
			last = time.Now()
		}
		if idle := time.Since(last); quiet != nil {
			if quiet(idle) {
				return nil
			}
		} else if idle >= s.timeout {
			return fmt.Errorf("no answer from the daemon for %v (%d answered); check that it still runs, and its log", s.timeout, done)
		}
	}
}

// failure returns why a connection failed.
func (c conn) failure(rc C.int) error {
	text := C.GoBytes(unsafe.Pointer(&c.c.text[0]), C.int(c.c.text_len))
	switch rc {
	case C.LD_REFUSED:
		if r, err := wire.ParseReply([][]byte{text}); err == nil {
			if e, ok := r.(*wire.Error); ok {
				return fmt.Errorf("ERROR from the daemon: %w", e)
			}
		}
	case C.LD_ORDER:
		return fmt.Errorf("wrong id: want %d, have %d; the daemon violated the protocol, or another program writes to this stream", c.c.want, c.c.have)
	case C.LD_SHORT:
		return fmt.Errorf("wrong number of events at the END of a replay: want %d, have %d; the daemon violated the protocol", c.c.want, c.c.have)
	case C.LD_SIZE:
		return fmt.Errorf("wrong size of event %d: want %d bytes, have %d; the daemon violated the protocol", c.c.last+1, c.c.want, c.c.have)
	}
	if rc < 0 {
		return fmt.Errorf("zeromq: %s; see the log of the daemon", C.GoString(C.zmq_strerror(-rc)))
	}
	return fmt.Errorf("unexpected answer: %.100q; check that the endpoint is that of a gorewind daemon", text)
}

// reason returns libzmq's text for the errno of a call.
func reason(err error) string {
	var errno syscall.Errno
	if !errors.As(err, &errno) {
		return "unknown error"
	}
	return C.GoString(C.zmq_strerror(C.int(errno)))
}
