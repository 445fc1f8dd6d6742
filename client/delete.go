package client

import (
	"context"

	"gorewind/wire"
)

// A Delete removes the first events of a stream. New events continue after the last id ever
// used.
type Delete struct {
	Stream   string
	UpTo     Bound // the last event to remove, any id ever used; none: all events
	Expected Bound // as in a Group
}

// Delete removes events. Deleting events that do not exist, or no longer, is not an error.
// Errors are UNKNOWN-ID for an id never used, CONFLICT, and those of Publish.
func (c *Client) Delete(ctx context.Context, d Delete) error {
	_, err := write[wire.Deleted](ctx, c, wire.Delete{Stream: []byte(d.Stream), UpTo: d.UpTo, Expected: d.Expected})
	return err
}
