package server

import (
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/server/internal/auth"
	"gorewind/server/internal/zsock"
)

// newZAPHandler starts the handler that authorizes connections.
func (s *Server) newZAPHandler() (*auth.ZAPHandler, error) {
	h := &auth.ZAPHandler{Log: s.log, Rules: &s.access, Full: &s.Stats.Full, Name: s.opts.name}
	if s.opts.MaxConnections > 0 {
		h.Admit = s.admitConnection
	}
	if err := h.Open(s.zctx); err != nil {
		return nil, err
	}
	return h, nil
}

// handshakeFailed counts and logs a failed handshake. The ZAP handler has logged those that it
// refused.
func (l *loop) handshakeFailed(event zmq.Event, value int) {
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
	why, o := "the peer does not use CURVE", &l.handshakes[0]
	if value == zsock.CryptographicError {
		why, o = "the peer does not have this server's public key", &l.handshakes[1]
	} else if value != zsock.MechanismMismatch {
		why = "the peer does not speak ZMTP, ZeroMQ's protocol"
	}
	o.Log(func(times int) { l.log.Warn("handshakes failed: "+why, "times", times) })
}

// admitConnection decides about one more connection, after reading of all connections
// that came before the question.
func (l *loop) admitConnection() bool {
	l.observe()
	l.observePub()
	return l.admissions.Admit(time.Now())
}

// admitConnection asks the loop whether there may be one more connection. The ZAP
// handler calls it.
func (s *Server) admitConnection() bool {
	answer := make(chan bool, 1)
	s.loop.out.post(func() { answer <- s.loop.admitConnection() })
	select {
	case ok := <-answer:
		return ok
	case <-s.closed:
		return false
	}
}

// secure sets up authorization, and CURVE if there is a key, for a socket.
func (s *Server) secure(z *zmq.Socket, domain auth.Domain) error {
	if s.zap == nil {
		return nil
	}
	secret := ""
	if s.opts.Curve != nil {
		secret = s.opts.Curve.Secret
	}
	return s.zap.Secure(z, domain, secret)
}
