package zsock

import (
	"errors"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// Configure sets what a socket that strangers connect to needs, whatever it is for. A
// handshake may take so long.
func Configure(z *zmq.Socket, handshake time.Duration) error {
	return errors.Join(
		z.SetLinger(0),
		z.SetBacklog(backlog),
		z.SetHandshakeIvl(handshake),
		z.SetTcpKeepalive(1), // so that a peer that vanished without a word is noticed
		z.SetTcpKeepaliveIdle(60),
		z.SetTcpKeepaliveIntvl(10),
		z.SetTcpKeepaliveCnt(6),
	)
}
