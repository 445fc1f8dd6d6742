package client

import (
	"context"

	"gorewind/wire"
)

// A Commit says how far a consumer has read in a stream or, without a stream, in the whole
// store.
type Commit struct {
	Consumer string // 1 to 255 bytes
	Stream   string // empty: the whole store
	ID       uint64 // any id ever used; for the whole store, any position up to the last; with Rewind, 0 removes the cursor
	Rewind   bool   // the cursor may move back
}

// Commit moves a consumer's cursor and returns once that is on disk. Errors are UNKNOWN-ID, and
// BEHIND if the cursor is already after ID; see AsBehind.
//
// When the connection breaks or the server stops, the request is sent again until it is
// answered or ctx ends. With Rewind it is not, since it might undo a later commit of another
// client; errors then mean what they mean for Publish.
func (c *Client) Commit(ctx context.Context, to Commit) error {
	send := rewrite[wire.Committed]
	if to.Rewind {
		send = write[wire.Committed]
	}
	_, err := send(ctx, c, wire.Commit{
		Consumer: []byte(to.Consumer), Stream: []byte(to.Stream), ID: to.ID, Rewind: to.Rewind,
	})
	return err
}
