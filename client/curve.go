package client

import (
	"fmt"

	zmq "github.com/pebbe/zmq4"
)

// Curve is the keys of CURVE, in Z85: one's own pair, and the server's public key.
type Curve struct{ Public, Secret, Server string }

// apply has a socket use the keys, if there are any, for what it connects to later.
func (c *Curve) apply(z *zmq.Socket) error {
	if c == nil {
		return nil
	}
	if err := z.ClientAuthCurve(c.Server, c.Public, c.Secret); err != nil {
		return fmt.Errorf("these keys cannot be used: %w; give three of 40 characters in Z85, and a libzmq that has CURVE", err)
	}
	return nil
}
