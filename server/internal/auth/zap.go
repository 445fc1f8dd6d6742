package auth

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	zmq "github.com/pebbe/zmq4"
)

// A Domain is where strangers connect. ZAP tells them apart by it, as a domain.
type Domain string

// The domains.
const (
	Requests   Domain = "requests"
	Broadcasts Domain = "broadcasts"
)

// A ZAPHandler answers libzmq when it asks, by ZAP, whether a connection may be made.
// pebbe's own knows only one context, and its maps of keys are unlocked.
//
// Its goroutine owns its socket, which libzmq finds by its name. It ends when the
// context is terminated; Wait waits for it.
type ZAPHandler struct {
	Log   *slog.Logger
	Rules *atomic.Pointer[Rules] // nil in it: no CURVE
	Admit func() bool            // nil: as many connections as like
	Full  *atomic.Uint64         // counts connections that were one too many
	Name  func(string) string    // what users know the server's option Access by, and MaxConnections

	socket *zmq.Socket
	done   chan struct{}

	unknownKeys, restricted, crowded Occasion
}

// Open binds the socket and starts the goroutine. After an error, there is none.
func (h *ZAPHandler) Open(zctx *zmq.Context) (err error) {
	h.done = make(chan struct{})
	if h.socket, err = zctx.NewSocket(zmq.REP); err != nil {
		return err
	}
	if err := h.socket.Bind("inproc://zeromq.zap.01"); err != nil {
		_ = h.socket.Close() // what failed is told
		return err
	}
	go h.run()
	return nil
}

// Wait returns when the goroutine has ended.
func (h *ZAPHandler) Wait() { <-h.done }

// Guard has a domain's socket ask the ZAP handler, and those who connect use CURVE with a
// secret key of the server's, unless it is empty.
func (h *ZAPHandler) Guard(z *zmq.Socket, domain Domain, secret string) error {
	if err := z.SetZapDomain(string(domain)); err != nil || secret == "" {
		return err
	}
	if err := z.SetCurveServer(1); err != nil {
		return fmt.Errorf("this libzmq has no CURVE: %w", err)
	}
	return z.SetCurveSecretkey(secret)
}

// run answers until the context is terminated.
func (h *ZAPHandler) run() {
	defer close(h.done)
	for {
		frames, err := h.socket.RecvMessageBytes(0)
		if err == nil {
			err = h.answer(frames)
		}
		if err != nil {
			if zmq.AsErrno(err) != zmq.ETERM {
				h.Log.Error("nobody can connect any more", "error", err)
			}
			_ = h.socket.Close() // it fails only where it is closed
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

func (h *ZAPHandler) answer(q [][]byte) error {
	if len(q) < zapKey {
		_, err := h.socket.SendMessage("1.0", "", zapFailed, "not ZAP", "", "")
		return err
	}
	status, text, user := h.authorize(q)
	_, err := h.socket.SendMessage(q[zapVersion], q[zapRequest], status, text, user, "")
	return err
}

// authorize decides about a connection. The user that it returns comes with each
// message of the connection.
func (h *ZAPHandler) authorize(q [][]byte) (status, text, user string) {
	if rules := h.Rules.Load(); rules != nil {
		if string(q[zapMechanism]) != "CURVE" || len(q) <= zapKey || len(q[zapKey]) != 32 {
			return zapRefused, "no key", ""
		}
		user = zmq.Z85encode(string(q[zapKey]))
		p := rules.principals[user]
		switch {
		case p == nil:
			h.unknownKeys.Logged(func(times int) {
				h.Log.Warn(fmt.Sprintf("refused connections of a key that %s does not have", h.Name("Access")), "key", user, "address", string(q[zapAddress]), "times", times)
			})
			return zapRefused, "unknown key", ""
		case Domain(q[zapDomain]) == Broadcasts && p.MayAll("", Read) != nil:
			h.restricted.Logged(func(times int) {
				h.Log.Warn("refused a subscriber that may not read everything", "client", p.Name, "address", string(q[zapAddress]), "times", times)
			})
			return zapRefused, "may not read everything", ""
		}
	}
	if h.Admit != nil && !h.Admit() {
		h.crowded.Logged(func(times int) {
			h.Log.Warn("refused connections: there are as many as "+h.Name("MaxConnections"), "address", string(q[zapAddress]), "times", times)
		})
		h.Full.Add(1)
		return zapLater, "too many connections", ""
	}
	return zapOK, "OK", user
}
