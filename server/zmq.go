package server

/*
#cgo pkg-config: libzmq
#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

// A gw_frame describes a received frame that was copied to a buffer.
typedef struct {
	uint32_t off, len;
	uint32_t flags;
	int32_t fd;      // GW_ORIGIN: the connection's descriptor, or -1
	uintptr_t token; // GW_ORIGIN, a routing id that the peer chose: names the connection
	uintptr_t pin;   // with a token that was not the one before: keeps it from being reused
} gw_frame;

enum {
	GW_FIRST = 1,  // the routing id
	GW_LAST = 2,   // of the message
	GW_CUT = 4,    // beyond the limits: the frame's octets were dropped
	GW_ORIGIN = 8, // it says what connection the message is of
	GW_SAME = 16,  // the same as the message before
	GW_ODD = 32    // from a peer that chose its routing id, with a first frame that nothing can begin with
};

// Results of gw_receive.
enum { GW_DRAINED, GW_BURST, GW_ROOM };

// A longer first frame is neither a command nor an envelope's. It is not kept as
// a pin.
enum { GW_PIN_OCTETS = 1024 };

// A user is the key of who sent a message, in Z85.
enum { GW_USER = 40 };

// A gw_receiver is what gw_receive keeps from call to call.
typedef struct {
	uint32_t max_frames; // of one message, with its routing id
	size_t max_octets;
	gw_frame *out;
	int out_cap, out_len;
	size_t need; // after GW_ROOM: what the next buffer must hold at least

	int inside;    // in the middle of a message
	int holds;     // held is a frame that found no room
	zmq_msg_t held;
	uint32_t frames; // of the message so far
	size_t octets;
	uint8_t id[5];   // the last routing id, if libzmq made it
	size_t id_len;   // 0 otherwise
	int same;        // it is that of the message before
	char (*users)[GW_USER + 1]; // for each of out with GW_ORIGIN, whose message it is; NULL without CURVE
	char user[GW_USER + 1];     // the last one
	uintptr_t token; // the last one
	int32_t fd;
} gw_receiver;

static gw_receiver *gw_receiver_new(int out_cap, uint32_t max_frames, size_t max_octets, int users) {
	gw_receiver *r = calloc(1, sizeof *r);
	r->out = calloc(out_cap, sizeof *r->out);
	r->out_cap = out_cap;
	if (users)
		r->users = calloc(out_cap, sizeof *r->users);
	r->max_frames = max_frames;
	r->max_octets = max_octets;
	return r;
}

static void gw_unpin(uintptr_t pin) {
	if (!pin)
		return;
	zmq_msg_close((zmq_msg_t *) pin);
	free((void *) pin);
}

static void gw_receiver_free(gw_receiver *r) {
	if (r->holds)
		zmq_msg_close(&r->held);
	free(r->out);
	free(r->users);
	free(r);
}

// gw_user takes down whose message it is whose first frame is m. It is asked of
// each message: a routing id says nothing about who comes under it next.
static void gw_user(gw_receiver *r, zmq_msg_t *m, char *user) {
	const char *id = zmq_msg_gets(m, "User-Id");
	strncpy(user, id ? id : "", GW_USER);
	user[GW_USER] = 0;
	if (strcmp(user, r->user) != 0) {
		strcpy(r->user, user);
		r->same = 0;
	}
}

// gw_origin says which connection the message is of whose first frame, after
// the routing id, is m: only from there on have frames their metadata. libzmq's
// own ids (0 and four octets) are never given twice; an id that the peer chose
// can come back over another connection, but then with other metadata: the
// address of a property names the connection for as long as a message of it is
// kept.
static void gw_origin(gw_receiver *r, zmq_msg_t *m, gw_frame *f) {
	f->flags |= GW_ORIGIN;
	if (r->users)
		gw_user(r, m, r->users[f - r->out]);
	if (r->same) {
		f->flags |= GW_SAME;
	} else {
		r->fd = zmq_msg_get(m, ZMQ_SRCFD);
		if (r->id_len == 0) {
			f->token = (uintptr_t) zmq_msg_gets(m, "__fd");
			if (zmq_msg_size(m) > GW_PIN_OCTETS) {
				f->flags |= GW_ODD;
				f->token = 0;
			} else if (f->token && f->token != r->token) {
				zmq_msg_t *pin = malloc(sizeof *pin);
				zmq_msg_init(pin);
				zmq_msg_copy(pin, m);
				f->pin = (uintptr_t) pin;
			}
			r->token = f->token;
		}
	}
	f->fd = r->fd;
}

// gw_routing_id remembers the routing id m, if libzmq made it, to know it again.
static void gw_routing_id(gw_receiver *r, zmq_msg_t *m) {
	const uint8_t *id = zmq_msg_data(m);
	size_t len = zmq_msg_size(m);
	int made = len == sizeof r->id && id[0] == 0;
	r->same = made && r->id_len == len && memcmp(id, r->id, len) == 0;
	r->id_len = made ? len : 0;
	if (made)
		memcpy(r->id, id, len);
}

// gw_receive copies whole messages to buf until the socket has no more, there
// are max_messages, or there is no room. A message may be spread over calls.
static int gw_receive(void *socket, gw_receiver *r, char *buf, size_t cap, int max_messages) {
	size_t used = 0;
	int messages = 0;
	r->out_len = 0;
	for (;;) {
		zmq_msg_t m;
		zmq_msg_init(&m);
		if (r->holds) {
			zmq_msg_move(&m, &r->held);
			r->holds = 0;
		} else {
			if (r->out_len == r->out_cap || (!r->inside && messages >= max_messages))
				return GW_BURST;
			if (zmq_msg_recv(&m, socket, ZMQ_DONTWAIT) == -1) {
				int err = zmq_errno();
				if (err == EINTR)
					continue;
				return err == EAGAIN ? GW_DRAINED : -err;
			}
			if (!r->inside)
				r->frames = r->octets = 0;
			r->frames++;
			r->octets += zmq_msg_size(&m);
		}
		size_t len = zmq_msg_size(&m);
		int more = zmq_msg_more(&m);
		int cut = r->frames > r->max_frames || r->octets > r->max_octets;
		if (!cut && len > cap - used) {
			zmq_msg_init(&r->held);
			zmq_msg_move(&r->held, &m);
			r->holds = 1;
			r->need = len;
			return GW_ROOM;
		}
		if (!r->inside)
			gw_routing_id(r, &m);
		if (!cut || !more || r->frames == 2) {
			gw_frame *f = &r->out[r->out_len++];
			memset(f, 0, sizeof *f);
			f->flags = (more ? 0 : GW_LAST) | (cut ? GW_CUT : 0);
			if (!cut) {
				f->off = used;
				f->len = len;
				memcpy(buf + used, zmq_msg_data(&m), len);
				used += len;
			}
			if (!r->inside)
				f->flags |= GW_FIRST;
			if (r->frames == 2)
				gw_origin(r, &m, f);
		}
		r->inside = more;
		messages += !more;
		zmq_msg_close(&m);
	}
}

// A gw_peer counts the octets of large frames that libzmq has of a peer's.
typedef struct {
	atomic_long octets;
	atomic_int refs;
} gw_peer;

static gw_peer *gw_peer_new(void) {
	gw_peer *p = calloc(1, sizeof *p);
	p->refs = 1;
	return p;
}

static long gw_peer_octets(gw_peer *p) {
	return atomic_load(&p->octets);
}

static void gw_peer_release(gw_peer *p) {
	if (atomic_fetch_sub(&p->refs, 1) == 1)
		free(p);
}

typedef struct {
	gw_peer *peer;
	size_t len;
	char data[];
} gw_block;

// gw_sent is called by libzmq's I/O thread.
static void gw_sent(void *data, void *hint) {
	gw_block *b = hint;
	atomic_fetch_sub(&b->peer->octets, (long) b->len);
	gw_peer_release(b->peer);
	free(b);
}

// Frames from GW_COUNTED octets on are counted, and all of a message that has more
// than GW_MANY: each takes some memory, however small it is.
enum { GW_COUNTED = 512, GW_MANY = 64 };

static int gw_frame_init(zmq_msg_t *m, const char *data, size_t len, gw_peer *peer, int many) {
	if (!peer || (len < GW_COUNTED && !many)) {
		if (zmq_msg_init_size(m, len) == -1)
			return -1;
		memcpy(zmq_msg_data(m), data, len);
		return 0;
	}
	gw_block *b = malloc(sizeof *b + len);
	if (!b)
		return -1;
	b->peer = peer;
	b->len = len + sizeof *b + sizeof *m;
	memcpy(b->data, data, len);
	atomic_fetch_add(&peer->octets, (long) b->len);
	atomic_fetch_add(&peer->refs, 1);
	return zmq_msg_init_data(m, b->data, len, gw_sent, b);
}

// Results of gw_send, in the order of sendState.
enum { GW_ALL, GW_FULL, GW_GONE, GW_NEWS };

static int gw_readable(void *socket) {
	int events = 0;
	size_t len = sizeof events;
	while (zmq_getsockopt(socket, ZMQ_EVENTS, &events, &len) == -1 && zmq_errno() == EINTR)
		;
	return events & ZMQ_POLLIN;
}

static int gw_send_frame(void *socket, zmq_msg_t *m, int flags) {
	int rc;
	do {
		rc = zmq_msg_send(m, socket, flags | ZMQ_DONTWAIT);
	} while (rc == -1 && zmq_errno() == EINTR);
	if (rc == -1) {
		int err = zmq_errno();
		zmq_msg_close(m);
		errno = err;
	}
	return rc;
}

// gw_send sends packed messages to a peer of a ROUTER, or to a PUB when id is
// NULL, until all are sent or the peer takes no more. With a monitor it looks
// before each message whether a connection has ended, and returns GW_NEWS then:
// the peer's routing id may by now belong to another connection.
static int gw_send(void *socket, const char *id, size_t id_len, gw_peer *peer, long max_octets,
                   void *monitor, const char *buf, size_t len, size_t *consumed) {
	size_t at = 0;
	while (at < len) {
		zmq_msg_t m;
		uint32_t frames, n;
		*consumed = at;
		if (monitor && (gw_readable(socket), gw_readable(monitor)))
			return GW_NEWS;
		if (id) {
			if (atomic_load(&peer->octets) > max_octets)
				return GW_FULL;
			zmq_msg_init_size(&m, id_len);
			memcpy(zmq_msg_data(&m), id, id_len);
			if (gw_send_frame(socket, &m, ZMQ_SNDMORE) == -1) {
				int err = zmq_errno();
				return err == EAGAIN ? GW_FULL : err == EHOSTUNREACH ? GW_GONE : -err;
			}
		}
		memcpy(&frames, buf + at, 4);
		at += 4;
		int many = frames > GW_MANY;
		while (frames-- > 0) {
			memcpy(&n, buf + at, 4);
			at += 4;
			if (gw_frame_init(&m, buf + at, n, peer, many) == -1)
				return -ENOMEM;
			at += n;
			if (gw_send_frame(socket, &m, frames ? ZMQ_SNDMORE : 0) == -1)
				return -zmq_errno();
		}
	}
	*consumed = at;
	return GW_ALL;
}
*/
import "C"

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"unsafe"

	zmq "github.com/pebbe/zmq4"
)

// This file is where the server touches libzmq past pebbe's API, whose several
// cgo calls for every frame are most of what a message costs: here one call
// moves many messages.

// seed makes libzmq number peers from where nobody can guess. It numbers them
// from rand(), which starts alike in every process, and aborts when a peer has
// chosen the number that is next as its routing id.
func seed() { C.srand(C.uint(rand.Uint32())) }

// raw returns the socket that pebbe's Socket wraps, its first field.
func raw(s *zmq.Socket) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(s))
}

// knownLayout reports whether raw is right about pebbe's Socket.
func knownLayout() bool {
	first := reflect.TypeFor[zmq.Socket]().Field(0)
	return first.Name == "soc" && first.Type.Kind() == reflect.UnsafePointer
}

// A direct is the transport of this file.
type direct struct {
	*receiver
	router, pub, monitor unsafe.Pointer
}

func newDirect(router, pub, monitor *zmq.Socket, maxFrames, maxOctets int, users bool) direct {
	return direct{newReceiver(router, maxFrames, maxOctets, users), raw(router), raw(pub), raw(monitor)}
}

// A receiver takes messages off a ROUTER.
type receiver struct {
	socket unsafe.Pointer
	state  *C.gw_receiver
	buf    []byte
	frames [][]byte // of the message that is being put together
	origin origin
	users  []byte // of origin
}

// A pin is a reference that must be released once, unless it is 0.
type pin C.uintptr_t

func (p pin) release() { C.gw_unpin(C.uintptr_t(p)) }

const (
	receiveBuffer = 256 << 10
	receiveFrames = 8192 // described in one call
)

func newReceiver(s *zmq.Socket, maxFrames, maxOctets int, users bool) *receiver {
	withUsers := C.int(0)
	if users {
		withUsers = 1
	}
	return &receiver{
		socket: raw(s),
		state:  C.gw_receiver_new(receiveFrames, C.uint32_t(maxFrames), C.size_t(maxOctets), withUsers),
		buf:    make([]byte, receiveBuffer),
	}
}

func (r *receiver) close() {
	C.gw_receiver_free(r.state)
	r.state = nil
}

// receive implements transport.
func (r *receiver) receive(max int, before func(), handle func(message)) (drained bool, err error) {
	for {
		rc := C.gw_receive(r.socket, r.state, (*C.char)(unsafe.Pointer(unsafe.SliceData(r.buf))), C.size_t(len(r.buf)), C.int(max))
		if rc < 0 {
			return false, fmt.Errorf("receive: %w", zmq.Errno(-rc))
		}
		before()
		for i, f := range unsafe.Slice(r.state.out, int(r.state.out_len)) {
			if f.flags&C.GW_FIRST != 0 {
				r.frames = r.frames[:0]
			}
			if f.flags&C.GW_ORIGIN != 0 {
				r.origin = origin{f.flags&C.GW_SAME != 0, f.flags&C.GW_ODD != 0, int(f.fd), uintptr(f.token), pin(f.pin), r.user(i)}
			}
			cut := f.flags&C.GW_CUT != 0
			if !cut {
				r.frames = append(r.frames, r.buf[f.off:f.off+f.len:f.off+f.len])
			}
			if f.flags&C.GW_LAST != 0 && (cut || len(r.frames) > 1) {
				handle(message{r.frames[0], r.origin, r.frames[1:], cut})
				r.frames = r.frames[:0]
			}
		}
		switch {
		case rc == C.GW_DRAINED:
			r.shrink()
			return true, nil
		case len(r.frames) > 0: // a message goes on
			r.moveOn(int(r.state.need))
			r.state.need = 0
			max = 1 // no more than the message that was begun: others wait for their turn
		case rc == C.GW_ROOM:
			if n := int(r.state.need); n > len(r.buf) {
				r.moveOn(n)
			}
			r.state.need = 0
			return false, nil
		default:
			r.shrink()
			return false, nil
		}
	}
}

// user returns whose message it is of which out[i] is the first frame. It is
// copied, since the message may go on in another call.
func (r *receiver) user(i int) []byte {
	if r.state.users == nil {
		return nil
	}
	user := unsafe.Slice((*byte)(unsafe.Pointer(&unsafe.Slice(r.state.users, i+1)[i])), keyOctets)
	if user[0] == 0 {
		return nil
	}
	r.users = append(r.users[:0], user...)
	return r.users
}

// forget implements transport.
func (r *receiver) forget() {
	r.state.token, r.state.id_len = 0, 0
}

// moveOn gets a buffer with room for a frame of need octets; frames that were
// received stay where they are.
func (r *receiver) moveOn(need int) {
	r.buf = make([]byte, max(receiveBuffer, need))
}

// shrink lets go of a buffer that was made for a large message.
func (r *receiver) shrink() {
	if len(r.buf) > 4*receiveBuffer {
		r.buf = make([]byte, receiveBuffer)
	}
}

// A peer counts what libzmq has of a peer's unsent octets in large frames.
type peer struct{ p *C.gw_peer }

func newPeer() peer { return peer{C.gw_peer_new()} }

// unsent returns how many octets of large frames libzmq has.
func (p peer) unsent() int { return int(C.gw_peer_octets(p.p)) }

// release may be called while libzmq has messages; they hold the count.
func (p peer) release() { C.gw_peer_release(p.p) }

// send implements transport.
func (d direct) send(id []byte, p peer, watch bool, packed []byte) (sent int, state sendState, err error) {
	monitor := d.monitor
	if !watch {
		monitor = nil
	}
	return sendRaw(d.router, (*C.char)(unsafe.Pointer(unsafe.SliceData(id))), len(id), p.p, monitor, packed)
}

// broadcast implements transport.
func (d direct) broadcast(p peer, packed []byte) error {
	_, _, err := sendRaw(d.pub, nil, 0, p.p, nil, packed)
	return err
}

func sendRaw(socket unsafe.Pointer, id *C.char, idLen int, p *C.gw_peer, monitor unsafe.Pointer, packed []byte) (int, sendState, error) {
	if len(packed) == 0 {
		return 0, sentAll, nil
	}
	var consumed C.size_t
	rc := C.gw_send(socket, id, C.size_t(idLen), p, maxUnsentOctets, monitor,
		(*C.char)(unsafe.Pointer(unsafe.SliceData(packed))), C.size_t(len(packed)), &consumed)
	if rc < 0 {
		return int(consumed), 0, fmt.Errorf("send: %w", zmq.Errno(-rc))
	}
	return int(consumed), sendState(rc), nil
}
