package client

import (
	"context"

	"gorewind/wire"
)

// Wait waits until a consumer has committed id or a later one in a stream, and returns its
// cursor. If stream is empty, id is a position in the whole store. The consumer need not exist
// yet. Wait waits until ctx ends: give it one with a deadline.
func (c *Client) Wait(ctx context.Context, consumer, stream string, id uint64) (cursor uint64, err error) {
	w := wire.Wait{Consumer: []byte(consumer), Stream: []byte(stream), ID: id, Timeout: wire.MaxWait}
	r, err := read[wire.Reached](ctx, c, w)
	for IsCode(err, wire.Timeout) {
		r, err = read[wire.Reached](ctx, c, w)
	}
	return r.Cursor, err
}
