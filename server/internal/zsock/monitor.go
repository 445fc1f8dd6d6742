package zsock

import (
	"errors"

	zmq "github.com/pebbe/zmq4"
)

// A Monitor tells of the connections of a socket. Its own is a PAIR.
type Monitor struct{ socket *zmq.Socket }

// watched is what monitors tell of.
const watched = zmq.EVENT_LISTENING | zmq.EVENT_ACCEPTED | zmq.EVENT_DISCONNECTED |
	zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL

// What libzmq says of a handshake that broke the protocol, where it says more than
// that: the peer's first message of CURVE cannot be read with the server's key, or
// the peer does not speak CURVE.
const (
	CryptographicError = 0x11000001
	MechanismMismatch  = 0x11000002
)

// NewMonitor returns what tells of another socket's connections. name is an inproc
// endpoint of its own. After an error it is to be closed too.
func NewMonitor(zctx *zmq.Context, z *zmq.Socket, name string) (*Monitor, error) {
	socket, err := zctx.NewSocket(zmq.PAIR)
	if err != nil {
		return nil, err
	}
	return &Monitor{socket}, errors.Join(
		// Without a bound: libzmq's I/O thread waits for room here, and no peer
		// may have it wait.
		socket.SetRcvhwm(0),
		z.Monitor(name, watched),
		socket.Connect(name),
	)
}

// Next returns what happened next, and the descriptor that it happened to or, of a
// handshake that failed, why. It is false if there is no more.
func (m *Monitor) Next() (event zmq.Event, value int, ok bool) {
	event, _, value, err := m.socket.RecvEvent(zmq.DONTWAIT)
	return event, value, err == nil
}

// Close closes the monitor's socket, after the other one's.
func (m *Monitor) Close() error { return errors.Join(m.socket.SetLinger(0), m.socket.Close()) }
