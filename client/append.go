package client

import (
	"context"

	"gorewind/wire"
)

// An Append adds events to the end of streams: all groups or none, in one commit,
// in their order. At most 10,000 events, 1,000 groups and 8 MiB of data.
type Append struct {
	// Key makes a repetition safe for ever, if it is not empty: the first request
	// with it that succeeds is stored, and the same request under it gets the same
	// answer; another one gets KEY-REUSED. It belongs to the stream of the first
	// group. At most 64 octets.
	Key    string
	Groups []Group
}

// A Group is the events that an Append adds to a stream.
type Group struct {
	Stream string // 1 to 255 octets
	// Expected is the id of the stream's last event before this request, Some(0)
	// if it has to hold no event; without it the stream may hold anything. Only a
	// stream's first group in a request may have it.
	Expected Bound
	Events   [][]byte // at least one
}

// Append stores events, and returns the id of the last event of each group when
// they are on disk. Where an expectation is not met, nothing is stored and
// AsConflict says which.
//
// With a key it is sent again when the connection breaks or the server stops,
// until it is answered or ctx ends. Without one its errors mean what those of
// Publish do.
func (c *Client) Append(ctx context.Context, a Append) (ids []uint64, err error) {
	request := wire.Append{Key: []byte(a.Key)}
	for _, g := range a.Groups {
		request.Groups = append(request.Groups, wire.Group{Stream: []byte(g.Stream), Expected: g.Expected, Events: g.Events})
	}
	send := write[wire.Appended]
	if a.Key != "" {
		send = rewrite[wire.Appended]
	}
	r, err := send(ctx, c, request)
	if err == nil && len(r.IDs) != len(a.Groups) {
		return nil, unexpected(r)
	}
	return r.IDs, err
}
