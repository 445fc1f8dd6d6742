package client

import (
	"context"

	"gorewind/wire"
)

// Replace replaces the data of an event; the old data is then purged from disk. The event keeps
// its id, position and time. Errors are UNKNOWN-ID for an event that the stream does not hold,
// and those of Publish.
func (c *Client) Replace(ctx context.Context, stream string, id uint64, data []byte) error {
	_, err := write[wire.Replaced](ctx, c, wire.Replace{Stream: []byte(stream), ID: id, Data: data})
	return err
}
