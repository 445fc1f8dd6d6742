package server

import (
	zmq "github.com/pebbe/zmq4"
)

// A transport moves messages between the loop and libzmq. There is a fast one,
// which reaches past pebbe's API (zmq.go), and for a version of pebbe in which it
// cannot, a plain one on that API (plain.go).
type transport interface {
	// receive takes at most about max messages that wait, and calls before, then
	// handle for each. drained reports that no message was left; if one was, the
	// socket need not poll as readable.
	receive(max int, before func(), handle func(message)) (drained bool, err error)

	// forget has the next message of every connection come with its pin.
	forget()

	// send sends packed messages to a peer until it takes no more, and returns
	// how many octets of them are done with. watch is set for a routing id that
	// the peer chose: its connection may end, and another come, between two.
	send(id []byte, p peer, watch bool, packed []byte) (sent int, state sendState, err error)

	// broadcast sends packed messages on PUB, which never waits. p counts those
	// of all subscribers together.
	broadcast(p peer, packed []byte) error

	close()
}

// newTransport returns the best that there is. With users, each message is to tell
// whose it is.
func newTransport(router, pub, monitor *zmq.Socket, maxFrames, maxOctets int, users bool) transport {
	if layout() {
		return newDirect(router, pub, monitor, maxFrames, maxOctets, users)
	}
	return &plain{router: router, pub: pub, monitor: monitor, maxFrames: maxFrames, maxOctets: maxOctets, users: users}
}

// sendMark returns the high-water mark for messages that wait for a peer: most of
// them, or where their octets are not counted, so many that the largest events
// keep a bound of octets.
func sendMark(most, octets, maxEvent int) int {
	if layout() {
		return most
	}
	return min(most, max(1, octets/maxEvent))
}

// layout is knownLayout, save in a test.
var layout = knownLayout

// A message is what a ROUTER received. Its octets are valid until the function
// that it was handed to returns.
type message struct {
	id     []byte // routing id
	from   origin
	frames [][]byte
	cut    bool // frames are missing at the end: there were too many or too large
}

// An origin says what connection a message came over.
type origin struct {
	same  bool    // as the message before
	odd   bool    // it cannot be told: the message is to be dropped
	fd    int     // -1 if unknown
	token uintptr // names the connection of a peer that chose its routing id; 0 for others
	pin   pin     // keeps the token from being reused
	user  []byte  // whose message it is, as the doorman said; empty without CURVE
}

// A sendState says how a send ended.
type sendState int

const (
	sentAll  sendState = iota
	peerFull           // try again later
	peerGone           // there is no such peer
	sendNews           // read the monitor first
)
