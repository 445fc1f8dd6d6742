package auth

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	zmq "github.com/pebbe/zmq4"
)

// A Door is where strangers connect. ZAP tells them apart by it, as a domain.
type Door string

// The doors.
const (
	Requests   Door = "requests"
	Broadcasts Door = "broadcasts"
)

// A Doorman answers libzmq when it asks, by ZAP, whether a connection may be made.
// pebbe's own knows only one context, and its maps of keys are unlocked.
//
// Its goroutine owns its socket, which libzmq finds by its name. It ends when the
// context is terminated; Wait waits for it.
type Doorman struct {
	Log   *slog.Logger
	Rules *atomic.Pointer[Rules] // nil in it: no CURVE
	Admit func() bool            // nil: as many connections as like
	Full  *atomic.Uint64         // counts connections that were one too many
	Name  func(string) string    // what users know the server's option Access by, and MaxConnections

	socket *zmq.Socket
	done   chan struct{}

	strangers, narrow, crowd Occasion
}

// Open binds the socket and starts the goroutine. After an error, there is none.
func (d *Doorman) Open(zctx *zmq.Context) (err error) {
	d.done = make(chan struct{})
	if d.socket, err = zctx.NewSocket(zmq.REP); err != nil {
		return err
	}
	if err := d.socket.Bind("inproc://zeromq.zap.01"); err != nil {
		_ = d.socket.Close() // what failed is told
		return err
	}
	go d.run()
	return nil
}

// Wait returns when the goroutine has ended.
func (d *Doorman) Wait() { <-d.done }

// Guard has a door's socket ask the doorman, and those who connect use CURVE with a
// secret key of the server's, unless it is empty.
func (d *Doorman) Guard(z *zmq.Socket, door Door, secret string) error {
	if err := z.SetZapDomain(string(door)); err != nil || secret == "" {
		return err
	}
	if err := z.SetCurveServer(1); err != nil {
		return fmt.Errorf("this libzmq has no CURVE: %w", err)
	}
	return z.SetCurveSecretkey(secret)
}

// run answers until the context is terminated.
func (d *Doorman) run() {
	defer close(d.done)
	for {
		frames, err := d.socket.RecvMessageBytes(0)
		if err == nil {
			err = d.answer(frames)
		}
		if err != nil {
			if zmq.AsErrno(err) != zmq.ETERM {
				d.Log.Error("nobody can connect any more", "error", err)
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

func (d *Doorman) answer(q [][]byte) error {
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
func (d *Doorman) judge(q [][]byte) (status, text, user string) {
	if rules := d.Rules.Load(); rules != nil {
		if string(q[zapMechanism]) != "CURVE" || len(q) <= zapKey || len(q[zapKey]) != 32 {
			return zapRefused, "no key", ""
		}
		user = zmq.Z85encode(string(q[zapKey]))
		c := rules.clients[user]
		switch {
		case c == nil:
			d.strangers.Logged(func(times int) {
				d.Log.Warn(fmt.Sprintf("refused connections of a key that %s does not have", d.Name("Access")), "key", user, "address", string(q[zapAddress]), "times", times)
			})
			return zapRefused, "unknown key", ""
		case Door(q[zapDomain]) == Broadcasts && c.MayAll("", Read) != nil:
			d.narrow.Logged(func(times int) {
				d.Log.Warn("refused a subscriber that may not read everything", "client", c.Name, "address", string(q[zapAddress]), "times", times)
			})
			return zapRefused, "may not read everything", ""
		}
	}
	if d.Admit != nil && !d.Admit() {
		d.crowd.Logged(func(times int) {
			d.Log.Warn("refused connections: there are as many as "+d.Name("MaxConnections"), "address", string(q[zapAddress]), "times", times)
		})
		d.Full.Add(1)
		return zapLater, "too many connections", ""
	}
	return zapOK, "OK", user
}
