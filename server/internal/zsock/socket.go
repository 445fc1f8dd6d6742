package zsock

import (
	"errors"
	"time"

	zmq "github.com/pebbe/zmq4"
)

// Configure sets the options that every public socket needs. handshake limits the time
// of a handshake.
func Configure(z *zmq.Socket, handshake time.Duration) error {
	return errors.Join(
		z.SetLinger(0),
		z.SetBacklog(backlog),
		z.SetHandshakeIvl(handshake),
		z.SetTcpKeepalive(1), // notices peers that vanished without closing
		z.SetTcpKeepaliveIdle(60),
		z.SetTcpKeepaliveIntvl(10),
		z.SetTcpKeepaliveCnt(6),
	)
}
