package client

import (
	"context"

	"gorewind/wire"
)

// Ping returns once the server has answered.
func (c *Client) Ping(ctx context.Context) error {
	_, err := read[wire.Pong](ctx, c, wire.Ping{})
	return err
}
