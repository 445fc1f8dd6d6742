package client

import (
	"context"

	"gorewind/wire"
)

// Publish appends one event to a stream and returns its id once the event is on disk. The name
// of the stream has 1 to 255 bytes, the event 0 to Info.MaxEvent.
//
// An error of the server means that the event is not stored and never will be, except
// OUTCOME-UNKNOWN, which a broken connection gives too. After an error of ctx the outcome is
// also unknown. To repeat safely, use Append with a key.
func (c *Client) Publish(ctx context.Context, stream string, data []byte) (id uint64, err error) {
	r, err := write[wire.Published](ctx, c, wire.Publish{Stream: []byte(stream), Data: data})
	return r.ID, err
}
