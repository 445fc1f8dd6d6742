package client

import (
	"errors"
	"fmt"

	zmq "github.com/pebbe/zmq4"
)

// ErrHandshake is the error of Dial and Subscribe if a server refused the connection in the
// handshake, as far as libzmq tells. It is also the error of all calls of a Client whose key a
// server has refused later.
var ErrHandshake = errors.New("the server refused the connection")

// A refusedError says that a connection failed in the handshake.
type refusedError struct {
	endpoint string
	why      error
	err      error // what ended the wait, or nil
}

func (e *refusedError) Error() string { return e.endpoint + ": " + e.why.Error() }

// Unwrap makes both errors visible to errors.Is.
func (e *refusedError) Unwrap() []error { return []error{e.why, e.err} }

// mechanismMismatch is libzmq's code for a protocol error if only one side uses CURVE.
const mechanismMismatch = 0x11000002

// failedHandshakes are the events of a monitor for a failed handshake.
const failedHandshakes = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL

// handshakeError returns what a failed handshake means. final is true if the server refused the
// key, so that trying again is no use; libzmq reports nothing else in this way.
func handshakeError(event zmq.Event, value int, curve bool) (final bool, err error) {
	why := "it ended the handshake: it may require a key, be full, or use this endpoint for something else"
	switch {
	case event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
		why, final = "unknown key, or one without the right to connect here", true
	case event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL && value == mechanismMismatch && curve:
		why = "it does not use CURVE; connect without a key"
	case event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL && value == mechanismMismatch:
		why = "it requires CURVE; connect with a key"
	case curve:
		why = "it ended the handshake: its public key may differ from the one given, or it may not use CURVE, be full, or use this endpoint for something else"
	}
	return final, fmt.Errorf("%w: %s", ErrHandshake, why)
}
