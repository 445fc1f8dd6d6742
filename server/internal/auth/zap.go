package auth

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	zmq "github.com/pebbe/zmq4"
)

// A Domain is a socket that peers connect to, as ZAP names it.
type Domain string

// The domains.
const (
	Requests   Domain = "requests"
	Broadcasts Domain = "broadcasts"
)

// A ZAPHandler authorizes connections: libzmq asks it by ZAP (RFC 27) about each one.
// pebbe/zmq4 has a handler too, but for one context only and without locks on its keys.
//
// Its goroutine owns its socket, which libzmq finds by its endpoint. The goroutine ends
// when the context is terminated; Wait waits for it.
type ZAPHandler struct {
	Log   *slog.Logger
	Rules *atomic.Pointer[Rules]     // nil rules: no CURVE
	Admit func() bool                // reports whether there may be one more connection; nil for no limit
	Full  *atomic.Uint64             // counts connections that Admit refused
	Name  func(option string) string // returns the name that users know an option of the server by

	socket *zmq.Socket
	done   chan struct{}

	unknownKeys, restricted, crowded LogThrottle
}

// Open binds the socket and starts the goroutine. After an error nothing is running.
func (h *ZAPHandler) Open(zctx *zmq.Context) (err error) {
	h.done = make(chan struct{})
	if h.socket, err = zctx.NewSocket(zmq.REP); err != nil {
		return err
	}
	if err := h.socket.Bind("inproc://zeromq.zap.01"); err != nil {
		_ = h.socket.Close() // the error of Bind is the one to report
		return err
	}
	go h.run()
	return nil
}

// Wait returns when the goroutine has ended.
func (h *ZAPHandler) Wait() { <-h.done }

// Secure makes libzmq ask the handler about connections to a socket. It also requires
// CURVE with the server's secret key, unless that is empty.
func (h *ZAPHandler) Secure(z *zmq.Socket, domain Domain, secret string) error {
	if err := z.SetZapDomain(string(domain)); err != nil || secret == "" {
		return err
	}
	if err := z.SetCurveServer(1); err != nil {
		return fmt.Errorf("libzmq was built without CURVE: %w", err)
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
				h.Log.Error("cannot authorize connections any more: all new ones will be rejected; restart the server", "error", err)
			}
			_ = h.socket.Close() // it fails only if it is already closed
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

// Status codes of ZAP. After zapRefused, the peer's libzmq does not reconnect by itself;
// after zapLater, it does.
const (
	zapOK      = "200"
	zapLater   = "300"
	zapRefused = "400"
	zapFailed  = "500"
)

// answer answers a ZAP request, given as its frames.
func (h *ZAPHandler) answer(q [][]byte) error {
	if len(q) < zapKey {
		_, err := h.socket.SendMessage("1.0", "", zapFailed, "not ZAP", "", "")
		return err
	}
	status, text, user := h.authorize(q)
	_, err := h.socket.SendMessage(q[zapVersion], q[zapRequest], status, text, user, "")
	return err
}

// authorize decides about a connection. libzmq attaches the user that it returns to each
// message of the connection.
func (h *ZAPHandler) authorize(q [][]byte) (status, text, user string) {
	address := string(q[zapAddress])
	if rules := h.Rules.Load(); rules != nil {
		if string(q[zapMechanism]) != "CURVE" || len(q) <= zapKey || len(q[zapKey]) != 32 {
			return zapRefused, "no key", ""
		}
		user = zmq.Z85encode(string(q[zapKey]))
		p := rules.principals[user]
		switch {
		case p == nil:
			h.unknownKeys.Log(func(times int) {
				h.Log.Warn("rejected connections: their key is not in "+h.Name("Access"), "key", user, "address", address, "times", times)
			})
			return zapRefused, "unknown key", ""
		case Domain(q[zapDomain]) == Broadcasts && p.MayAll("", Read) != nil:
			h.restricted.Log(func(times int) {
				h.Log.Warn("rejected subscribers: broadcasts need the right to read all streams", "client", p.Name, "address", address, "times", times)
			})
			return zapRefused, "may not read everything", ""
		}
	}
	if h.Admit != nil && !h.Admit() {
		h.crowded.Log(func(times int) {
			h.Log.Warn("rejected connections: "+h.Name("MaxConnections")+" is reached", "address", address, "times", times)
		})
		h.Full.Add(1)
		return zapLater, "too many connections", ""
	}
	return zapOK, "OK", user
}
