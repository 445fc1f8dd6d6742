package zsock

import (
	"errors"

	zmq "github.com/pebbe/zmq4"
)

// A Monitor reports the connections of a socket. It is a PAIR socket itself.
type Monitor struct{ socket *zmq.Socket }

// watched are the events that monitors report.
const watched = zmq.EVENT_LISTENING | zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED |
	zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL

// What libzmq reports about a handshake that broke the protocol: the peer encrypted its
// first message for another server's key, or it does not use CURVE.
const (
	CryptographicError = 0x11000001
	MechanismMismatch  = 0x11000002
)

// NewMonitor returns a monitor of z. name is an inproc endpoint for it alone. Close the
// monitor even after an error.
func NewMonitor(zctx *zmq.Context, z *zmq.Socket, name string) (*Monitor, error) {
	socket, err := zctx.NewSocket(zmq.PAIR)
	if err != nil {
		return nil, err
	}
	return &Monitor{socket}, errors.Join(
		// No limit: libzmq's I/O thread would wait for room here, and no peer may make
		// it wait.
		socket.SetRcvhwm(0),
		z.Monitor(name, watched),
		socket.Connect(name),
	)
}

// Next returns the next event. value is the descriptor that it is about or, for a
// failed handshake, the reason. ok is false if there is no event.
func (m *Monitor) Next() (event zmq.Event, value int, ok bool) {
	event, _, value, err := m.socket.RecvEvent(zmq.DONTWAIT)
	return event, value, err == nil
}

// Close closes the monitor. Close the monitored socket first.
func (m *Monitor) Close() error { return errors.Join(m.socket.SetLinger(0), m.socket.Close()) }
