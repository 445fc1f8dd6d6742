package client

import (
	"context"

	"gorewind/wire"
)

// Wait waits until a consumer, which need not exist yet, has committed an id of a
// stream or a later one, or with an empty stream a position, and returns where
// its cursor is. It waits until ctx ends: give it one with a deadline.
func (c *Client) Wait(ctx context.Context, consumer, stream string, id uint64) (cursor uint64, err error) {
	w := wire.Wait{Consumer: []byte(consumer), Stream: []byte(stream), ID: id, Timeout: wire.MaxWait}
	r, err := read[wire.Reached](ctx, c, w)
	for IsCode(err, wire.Timeout) {
		r, err = read[wire.Reached](ctx, c, w)
	}
	return r.Cursor, err
}
