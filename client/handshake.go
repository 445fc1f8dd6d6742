package client

import (
	"errors"
	"fmt"

	zmq "github.com/pebbe/zmq4"
)

// ErrHandshake is returned by Dial and Subscribe where a server was reached and did not let the
// client in, as far as libzmq tells, and by the calls of a Client whose key a server has
// refused since.
var ErrHandshake = errors.New("the server did not let this client in")

// A refusedError says that a connection failed in the handshake.
type refusedError struct {
	endpoint string
	why      error
	err      error // what ended the wait, or nil
}

func (e *refusedError) Error() string { return e.endpoint + ": " + e.why.Error() }

// Unwrap has errors.Is find both.
func (e *refusedError) Unwrap() []error { return []error{e.why, e.err} }

// mechanismMismatch is what libzmq says of a protocol error where one side asks for
// CURVE and the other does not.
const mechanismMismatch = 0x11000002

// failedHandshakes are the events of a monitor that tell of one.
const failedHandshakes = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL

// handshakeError says what a failed handshake means, and whether it is no use to try
// again: the server has refused the key, as libzmq does not say of anything else.
func handshakeError(event zmq.Event, value int, curve bool) (err error, final bool) {
	why := "it ended the handshake: it may ask for a key, be full, or have this endpoint for something else"
	switch {
	case event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
		why, final = "it does not know this key, or may not let it in here", true
	case event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL && value == mechanismMismatch && curve:
		why = "it asks for no key; connect without one"
	case event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL && value == mechanismMismatch:
		why = "it asks for a key; connect with one"
	case curve:
		why = "it ended the handshake: it may have another key than this client was told, ask for none, be full, or have this endpoint for something else"
	}
	return fmt.Errorf("%w: %s", ErrHandshake, why), final
}
