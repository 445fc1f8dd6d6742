package client

import (
	"context"

	"gorewind/wire"
)

// Publish stores one event at the end of a stream, and returns its id when it is
// on disk. The stream has 1 to 255 octets, the event none to Info.MaxEvent.
//
// An error of the server says that the event is absent, for ever; only
// OUTCOME-UNKNOWN, which is also what a connection that breaks gives, and the
// error of ctx leave that open. To repeat safely, use Append with a key.
func (c *Client) Publish(ctx context.Context, stream string, data []byte) (id uint64, err error) {
	r, err := write[wire.Published](ctx, c, wire.Publish{Stream: []byte(stream), Data: data})
	return r.ID, err
}
