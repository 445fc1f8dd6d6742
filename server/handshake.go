package server

import (
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/server/internal/zsock"
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
	if value == zsock.CryptographicError {
		why, o = "it did not know this server's key", &l.handshakes[1]
	} else if value != zsock.MechanismMismatch {
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
