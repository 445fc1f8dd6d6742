package client

import (
	"context"

	"gorewind/wire"
)

// A Commit says how far a consumer has come in a stream, or without a stream in
// the whole store.
type Commit struct {
	Consumer string // 1 to 255 octets
	Stream   string // empty: the whole store
	ID       uint64 // any that was ever given; in the whole store a position, any up to the last; 0 removes the cursor, with Rewind
	Rewind   bool   // it may go back
}

// Commit moves a consumer's cursor, and returns when that is on disk. Errors are
// UNKNOWN-ID and BEHIND, where the cursor is beyond ID already; see AsBehind.
//
// When the connection breaks or the server stops, it is sent again until it is
// answered or ctx ends, but not with Rewind, which may take back what another one
// committed meanwhile: then its errors mean what those of Publish do.
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
