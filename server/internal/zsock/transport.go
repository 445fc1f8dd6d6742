// Package zsock is the part of the broker that is specific to ZeroMQ: it receives and
// sends many messages in one call of C, or one by one where that does not work; it
// waits for sockets; and it tells the kernel and libzmq about connections and asks
// them.
//
// It builds on pebbe/zmq4, libzmq and the kernel. It knows neither the protocol nor who
// may do what. Nothing in it has a lock or a goroutine: the loop owns the sockets and
// calls it.
package zsock

import (
	zmq "github.com/pebbe/zmq4"
)

// A Transport moves messages between the loop and libzmq. The fast one (direct.go)
// bypasses pebbe's API; the plain one (plain.go) uses it, for versions of pebbe on
// which the fast one does not work.
type Transport interface {
	// Receive takes about limit waiting messages at most, calls before, then handle for
	// each. drained reports that no message is left. If it is false, the socket may not
	// poll as readable although messages wait.
	Receive(limit int, before func(), handle func(Message)) (drained bool, err error)

	// Forget makes the next message of every connection come with its pin.
	Forget()

	// Send sends packed messages to a peer until it takes no more, and returns how many
	// bytes of them it is done with. Set watch if the peer chose its routing id: its
	// connection may end, and another begin, between two messages.
	Send(id []byte, p Peer, watch bool, packed []byte) (sent int, state SendState, err error)

	// Broadcast sends packed messages on PUB, which never waits. p counts the messages
	// of all subscribers together.
	Broadcast(p Peer, packed []byte) error

	// Close frees what the transport holds. The sockets stay open.
	Close()
}

// Limits of a transport.
type Limits struct {
	Frames int  // of one message, its routing id included; the rest is dropped
	Bytes  int  // of one message, likewise
	Unsent int  // bytes of large frames, or messages of many, that libzmq may hold for a peer; above that, the peer counts as full
	Users  bool // each message comes with its user
}

// NewTransport returns the fast transport or, unless fast is set, the plain one. Only
// tests pass another value than that of Fast. The sockets are a ROUTER, a PUB and
// ROUTER's monitor.
func NewTransport(fast bool, router, pub *zmq.Socket, monitor *Monitor, l Limits) Transport {
	if fast {
		return newDirect(router, pub, monitor.socket, l)
	}
	return &plain{router: router, pub: pub, monitor: monitor.socket, limits: l}
}

// A Message was received by a ROUTER. Its bytes are valid until the function that it
// was handed to returns.
type Message struct {
	ID     []byte // routing id
	From   Origin
	Frames [][]byte
	Cut    bool // frames are missing at the end: the message exceeded a limit
}

// An Origin says which connection a message came over.
type Origin struct {
	Same    bool    // the same as the message before
	Unknown bool    // it cannot be told: drop the message
	FD      int     // -1 if unknown
	Token   uintptr // identifies the connection of a peer that chose its routing id; 0 for others
	Pin     Pin     // keeps the token from being reused
	User    []byte  // the user that ZAP returned for the connection; empty without CURVE
}

// A SendState says how a Send ended.
type SendState int

// The states.
const (
	SentAll  SendState = iota
	PeerFull           // try again later
	PeerGone           // no such peer
	SendNews           // read the monitor first
)
