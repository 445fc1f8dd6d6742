package client

import (
	"context"

	"gorewind/wire"
)

// Cursor returns a consumer's cursor in a stream or, if stream is empty, in the whole store; 0 if
// there is none.
func (c *Client) Cursor(ctx context.Context, consumer, stream string) (uint64, error) {
	r, err := read[wire.CursorReply](ctx, c, wire.Cursor{Consumer: []byte(consumer), Stream: []byte(stream)})
	return r.ID, err
}
