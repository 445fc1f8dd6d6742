package client

import (
	"context"

	"gorewind/wire"
)

// A Delete removes the first events of a stream. Its ids go on after the last
// that was given.
type Delete struct {
	Stream   string
	UpTo     Bound // the last to be removed, any id that was ever given; without it all are
	Expected Bound // as in a Group
}

// Delete removes events. Deleting what is not there, or no longer, is no error.
// Errors are UNKNOWN-ID for an id that was never given, CONFLICT, and as those of
// Publish.
func (c *Client) Delete(ctx context.Context, d Delete) error {
	_, err := write[wire.Deleted](ctx, c, wire.Delete{Stream: []byte(d.Stream), UpTo: d.UpTo, Expected: d.Expected})
	return err
}
