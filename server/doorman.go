package server

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	zmq "github.com/pebbe/zmq4"
)

// The domains by which ZAP tells the doors apart.
const (
	routerDomain = "requests"
	pubDomain    = "broadcasts"
)

// A doorman answers libzmq when it asks, by ZAP, whether a connection may be made.
// pebbe's own knows only one context, and its maps of keys are unlocked.
//
// Its goroutine owns its socket, which libzmq finds by its name. It ends when the
// context is terminated; close waits for it.
type doorman struct {
	socket *zmq.Socket
	log    *slog.Logger
	stats  *Stats
	access *atomic.Pointer[Access] // nil in it: no CURVE
	admit  func() bool             // nil: as many connections as like
	done   chan struct{}

	strangers, narrow, full occasion
}

// newDoorman binds the socket and starts the goroutine.
func (s *Server) newDoorman() (*doorman, error) {
	d := &doorman{log: s.log, stats: &s.Stats, access: &s.access, done: make(chan struct{})}
	if s.opts.MaxConnections > 0 {
		d.admit = s.admit
	}
	var err error
	if d.socket, err = s.zctx.NewSocket(zmq.REP); err != nil {
		return nil, err
	}
	if err := d.socket.Bind("inproc://zeromq.zap.01"); err != nil {
		_ = d.socket.Close() // what failed is told
		return nil, err
	}
	go d.run()
	return d, nil
}

// run answers until the context is terminated.
func (d *doorman) run() {
	defer close(d.done)
	for {
		frames, err := d.socket.RecvMessageBytes(0)
		if err == nil {
			err = d.answer(frames)
		}
		if err != nil {
			if zmq.AsErrno(err) != zmq.ETERM {
				d.log.Error("nobody can connect any more", "error", err)
			}
			_ = d.socket.Close() // it fails only where it is closed
			return
		}
	}
}

// Frames of a ZAP request.
const (
	zapVersion = iota
	zapRequest
	zapDomain
	zapAddress
	zapIdentity
	zapMechanism
	zapKey
)

// What ZAP answers. After refused, the peer's libzmq does not come back by itself;
// after later, it does.
const (
	zapOK      = "200"
	zapLater   = "300"
	zapRefused = "400"
	zapFailed  = "500"
)

func (d *doorman) answer(q [][]byte) error {
	if len(q) < zapKey {
		_, err := d.socket.SendMessage("1.0", "", zapFailed, "not ZAP", "", "")
		return err
	}
	status, text, user := d.judge(q)
	_, err := d.socket.SendMessage(q[zapVersion], q[zapRequest], status, text, user, "")
	return err
}

// judge decides about a connection. The user that it returns comes with each
// message of the connection.
func (d *doorman) judge(q [][]byte) (status, text, user string) {
	if rules := d.access.Load(); rules != nil {
		if string(q[zapMechanism]) != "CURVE" || len(q) <= zapKey || len(q[zapKey]) != 32 {
			return zapRefused, "no key", ""
		}
		user = zmq.Z85encode(string(q[zapKey]))
		c := rules.clients[user]
		switch {
		case c == nil:
			d.strangers.logged(func(times int) {
				d.log.Warn("refused connections of a key that --clients does not have", "key", user, "address", string(q[zapAddress]), "times", times)
			})
			return zapRefused, "unknown key", ""
		case string(q[zapDomain]) == pubDomain && c.mayAll("", Read) != nil:
			d.narrow.logged(func(times int) {
				d.log.Warn("refused a subscriber that may not read everything", "client", c.Name, "address", string(q[zapAddress]), "times", times)
			})
			return zapRefused, "may not read everything", ""
		}
	}
	if d.admit != nil && !d.admit() {
		d.full.logged(func(times int) {
			d.log.Warn("refused connections: there are as many as --max-connections", "address", string(q[zapAddress]), "times", times)
		})
		d.stats.Full.Add(1)
		return zapLater, "too many connections", ""
	}
	return zapOK, "OK", user
}

// admit asks the loop whether there may be one more connection.
func (s *Server) admit() bool {
	answer := make(chan bool, 1)
	s.loop.out.post(func() { answer <- s.loop.letIn() })
	select {
	case ok := <-answer:
		return ok
	case <-s.closed:
		return false
	}
}

// secure sets what a door asks of those who connect.
func (s *Server) secure(z *zmq.Socket, domain string) error {
	if s.opts.Curve == nil && s.opts.MaxConnections == 0 {
		return nil
	}
	if err := z.SetZapDomain(domain); err != nil || s.opts.Curve == nil {
		return err
	}
	if err := z.SetCurveServer(1); err != nil {
		return fmt.Errorf("this libzmq has no CURVE: %w", err)
	}
	return z.SetCurveSecretkey(s.opts.Curve.Secret)
}
