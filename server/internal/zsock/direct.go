package zsock

/*
#cgo pkg-config: libzmq
#include <stdlib.h>
#include "receiver.h"
#include "sender.h"
*/
import "C"

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"unsafe"

	zmq "github.com/pebbe/zmq4"
)

// This file calls libzmq directly. pebbe/zmq4 makes several cgo calls for every frame,
// and these are most of what a message costs. Here, one call moves many messages.

// Seed seeds C's rand() at random. libzmq numbers peers from rand(), which otherwise
// starts alike in every process, and it aborts if a peer has chosen the next number as
// its routing id.
func Seed() { C.srand(C.uint(rand.Uint32())) }

// raw returns the libzmq socket that pebbe's Socket wraps, which is its first field.
func raw(s *zmq.Socket) unsafe.Pointer {
	return *(*unsafe.Pointer)(unsafe.Pointer(s))
}

// Fast reports whether the fast transport works: whether raw is right about pebbe's
// Socket.
func Fast() bool {
	first := reflect.TypeFor[zmq.Socket]().Field(0)
	return first.Name == "soc" && first.Type.Kind() == reflect.UnsafePointer
}

// direct is the fast transport.
type direct struct {
	*receiver
	router, pub, monitor unsafe.Pointer
	maxUnsent            C.long
}

func newDirect(router, pub, monitor *zmq.Socket, l Limits) direct {
	return direct{newReceiver(router, l), raw(router), raw(pub), raw(monitor), C.long(l.Unsent)}
}

// A receiver takes messages off a ROUTER.
type receiver struct {
	socket unsafe.Pointer
	state  *C.gw_receiver
	buf    []byte
	frames [][]byte // of the message that is being received
	origin Origin
	users  []byte // the memory of origin.User
}

// A Pin is a reference to a message. Release it once, unless it is 0.
type Pin C.uintptr_t

// Release releases the reference.
func (p Pin) Release() { C.gw_unpin(C.uintptr_t(p)) }

const (
	receiveBuffer = 256 << 10
	receiveFrames = 8192 // described in one call at most
)

func newReceiver(s *zmq.Socket, l Limits) *receiver {
	withUsers := C.int(0)
	if l.Users {
		withUsers = 1
	}
	return &receiver{
		socket: raw(s),
		state:  C.gw_receiver_new(receiveFrames, C.uint32_t(l.Frames), C.size_t(l.Bytes), withUsers),
		buf:    make([]byte, receiveBuffer),
	}
}

// Close implements Transport.
func (r *receiver) Close() {
	C.gw_receiver_free(r.state)
	r.state = nil
}

// Receive implements Transport.
func (r *receiver) Receive(limit int, before func(), handle func(Message)) (drained bool, err error) {
	for {
		rc := C.gw_receive(r.socket, r.state, (*C.char)(unsafe.Pointer(unsafe.SliceData(r.buf))), C.size_t(len(r.buf)), C.int(limit))
		if rc < 0 {
			return false, fmt.Errorf("receive: %w", zmq.Errno(-rc))
		}
		before()
		for i, f := range unsafe.Slice(r.state.out, int(r.state.out_len)) {
			if f.flags&C.GW_FIRST != 0 {
				r.frames = r.frames[:0]
			}
			if f.flags&C.GW_ORIGIN != 0 {
				r.origin = Origin{f.flags&C.GW_SAME != 0, f.flags&C.GW_UNKNOWN != 0, int(f.fd), uintptr(f.token), Pin(f.pin), r.user(i)}
			}
			cut := f.flags&C.GW_CUT != 0
			if !cut {
				r.frames = append(r.frames, r.buf[f.off:f.off+f.len:f.off+f.len])
			}
			if f.flags&C.GW_LAST != 0 && (cut || len(r.frames) > 1) {
				handle(Message{r.frames[0], r.origin, r.frames[1:], cut})
				r.frames = r.frames[:0]
			}
		}
		switch {
		case rc == C.GW_DRAINED:
			r.shrink()
			return true, nil
		case len(r.frames) > 0: // the last message is incomplete
			r.moveOn(int(r.state.need))
			r.state.need = 0
			limit = 1 // finish that message; others wait for their turn
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

// user returns the user of the message whose first frame is out[i]. It is copied,
// because the message may continue in another call.
func (r *receiver) user(i int) []byte {
	if r.state.users == nil {
		return nil
	}
	user := unsafe.Slice((*byte)(unsafe.Pointer(&unsafe.Slice(r.state.users, i+1)[i])), C.GW_USER)
	if user[0] == 0 {
		return nil
	}
	r.users = append(r.users[:0], user...)
	return r.users
}

// Forget implements Transport.
func (r *receiver) Forget() {
	r.state.token, r.state.id_len = 0, 0
}

// moveOn allocates a buffer with room for a frame of need bytes. Frames that were
// received stay in the old one.
func (r *receiver) moveOn(need int) {
	r.buf = make([]byte, max(receiveBuffer, need))
}

// shrink drops a buffer that was made for a large message.
func (r *receiver) shrink() {
	if len(r.buf) > 4*receiveBuffer {
		r.buf = make([]byte, receiveBuffer)
	}
}

// A Peer counts the bytes of a peer's large frames that libzmq has not sent.
type Peer struct{ p *C.gw_peer }

// NewPeer returns the count of a new peer.
func NewPeer() Peer { return Peer{C.gw_peer_new()} }

// Unsent returns the count.
func (p Peer) Unsent() int { return int(C.gw_peer_bytes(p.p)) }

// Release may be called while libzmq holds messages: they keep the count alive.
func (p Peer) Release() { C.gw_peer_release(p.p) }

// Send implements Transport.
func (d direct) Send(id []byte, p Peer, watch bool, packed []byte) (sent int, state SendState, err error) {
	monitor := d.monitor
	if !watch {
		monitor = nil
	}
	return d.send(d.router, (*C.char)(unsafe.Pointer(unsafe.SliceData(id))), len(id), p, monitor, packed)
}

// Broadcast implements Transport.
func (d direct) Broadcast(p Peer, packed []byte) error {
	_, _, err := d.send(d.pub, nil, 0, p, nil, packed)
	return err
}

func (d direct) send(socket unsafe.Pointer, id *C.char, idLen int, p Peer, monitor unsafe.Pointer, packed []byte) (int, SendState, error) {
	if len(packed) == 0 {
		return 0, SentAll, nil
	}
	var consumed C.size_t
	rc := C.gw_send(socket, id, C.size_t(idLen), p.p, d.maxUnsent, monitor,
		(*C.char)(unsafe.Pointer(unsafe.SliceData(packed))), C.size_t(len(packed)), &consumed)
	if rc < 0 {
		return int(consumed), 0, fmt.Errorf("send: %w", zmq.Errno(-rc))
	}
	return int(consumed), SendState(rc), nil
}
