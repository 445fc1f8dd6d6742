package server

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
