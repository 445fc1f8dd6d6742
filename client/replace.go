package client

import (
	"context"

	"gorewind/wire"
)

// Replace puts other data in the place of an event's, which then leaves the disk.
// The event's id, position and time stay. Errors are UNKNOWN-ID for an event that
// the stream does not hold, and as those of Publish.
func (c *Client) Replace(ctx context.Context, stream string, id uint64, data []byte) error {
	_, err := write[wire.Replaced](ctx, c, wire.Replace{Stream: []byte(stream), ID: id, Data: data})
	return err
}
