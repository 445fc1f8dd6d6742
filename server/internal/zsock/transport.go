// Package zsock is what is ZeroMQ's own below the broker's loop: many messages received
// and sent in one call of C, a plain way to do so where that cannot be, waiting for
// sockets, and what the kernel and libzmq have to be told and asked about connections.
//
// It stands on pebbe/zmq4, libzmq and the kernel, and knows neither the protocol nor who
// may do what. Nothing in it has a lock or a goroutine: the loop, which owns the
// sockets, calls it.
package zsock

import (
	zmq "github.com/pebbe/zmq4"
)

// A Transport moves messages between the loop and libzmq. There is a fast one,
// which reaches past pebbe's API (direct.go), and for a version of pebbe in which it
// cannot, a plain one on that API (plain.go).
type Transport interface {
	// Receive takes at most about max messages that wait, and calls before, then
	// handle for each. drained reports that no message was left; if one was, the
	// socket need not poll as readable.
	Receive(max int, before func(), handle func(Message)) (drained bool, err error)

	// Forget has the next message of every connection come with its pin.
	Forget()

	// Send sends packed messages to a peer until it takes no more, and returns
	// how many octets of them are done with. watch is set for a routing id that
	// the peer chose: its connection may end, and another come, between two.
	Send(id []byte, p Peer, watch bool, packed []byte) (sent int, state SendState, err error)

	// Broadcast sends packed messages on PUB, which never waits. p counts those
	// of all subscribers together.
	Broadcast(p Peer, packed []byte) error

	// Close frees what the transport has; the sockets stay open.
	Close()
}

// Limits of a transport.
type Limits struct {
	Frames int  // of one message, its routing id among them: more are not kept
	Bytes  int  // of one message, likewise
	Unsent int  // octets that libzmq may have of a peer's in large frames or many: more counts as full
	Users  bool // each message is to tell whose it is
}

// NewTransport returns the fast transport or, unless fast is set, the plain one. fast is
// as Fast says, save in a test. The sockets are a ROUTER, a PUB and ROUTER's monitor.
func NewTransport(fast bool, router, pub *zmq.Socket, monitor *Monitor, l Limits) Transport {
	if fast {
		return newDirect(router, pub, monitor.socket, l)
	}
	return &plain{router: router, pub: pub, monitor: monitor.socket, limits: l}
}

// A Message is what a ROUTER received. Its octets are valid until the function
// that it was handed to returns.
type Message struct {
	ID     []byte // routing id
	From   Origin
	Frames [][]byte
	Cut    bool // frames are missing at the end: there were too many or too large
}

// An Origin says what connection a message came over.
type Origin struct {
	Same    bool    // as the message before
	Unknown bool    // it cannot be told: the message is to be dropped
	FD      int     // -1 if unknown
	Token   uintptr // names the connection of a peer that chose its routing id; 0 for others
	Pin     Pin     // keeps the token from being reused
	User    []byte  // whose message it is, as ZAP said; empty without CURVE
}

// A SendState says how a send ended.
type SendState int

// How a send ends.
const (
	SentAll  SendState = iota
	PeerFull           // try again later
	PeerGone           // there is no such peer
	SendNews           // read the monitor first
)
