package server

import (
	"time"

	zmq "github.com/pebbe/zmq4"
)

// What libzmq says of a handshake that broke the protocol, where it says more than
// that: the peer's first message of CURVE cannot be read with the server's key, or
// the peer does not speak CURVE.
const (
	cryptographicError = 0x11000001
	mechanismMismatch  = 0x11000002
)

// failed takes note of a handshake that failed. The doorman has told of those that
// were refused.
func (l *loop) failed(event zmq.Event, value int) {
	switch event {
	case zmq.EVENT_HANDSHAKE_FAILED_AUTH:
		l.stats.HandshakesRefused.Add(1)
		return
	case zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
		l.stats.HandshakesUnfinished.Add(1)
		return
	}
	l.stats.HandshakesBroken.Add(1)
	if l.access.Load() == nil {
		return
	}
	why, o := "it did not speak CURVE", &l.handshakes[0]
	if value == cryptographicError {
		why, o = "it did not know this server's key", &l.handshakes[1]
	} else if value != mechanismMismatch {
		why = "it did not speak ZeroMQ's protocol"
	}
	o.logged(func(times int) { l.log.Warn("a handshake failed", "why", why, "times", times) })
}

// letIn answers the doorman, with all connections known that came before it was
// asked.
func (l *loop) letIn() bool {
	l.observe()
	l.observePub()
	return l.admissions.admit(time.Now())
}
