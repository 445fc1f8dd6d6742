package client

import (
	"fmt"

	zmq "github.com/pebbe/zmq4"
)

// Curve holds the keys for CURVE, in Z85: the client's pair and the server's public key.
type Curve struct{ Public, Secret, Server string }

// apply sets the keys, if there are any, for later connections of a socket.
func (c *Curve) apply(z *zmq.Socket) error {
	if c == nil {
		return nil
	}
	if err := z.ClientAuthCurve(c.Server, c.Public, c.Secret); err != nil {
		return fmt.Errorf("cannot use these CURVE keys: %w; give three keys of 40 characters in Z85, and use a libzmq with CURVE", err)
	}
	return nil
}
