package client

import (
	"context"

	"gorewind/wire"
)

// An Append adds events to the end of streams: all groups or none, in one commit,
// in their order. At most 10,000 events, 1,000 groups and 8 MiB of data.
type Append struct {
	// Key, if not empty, makes it safe to repeat the request at any time. The first
	// request with a key that succeeds is stored; the same request gets the same answer
	// again, a different one gets KEY-REUSED. The key belongs to the stream of the first
	// group. At most 64 bytes.
	Key    string
	Groups []Group
}

// A Group is the events that an Append adds to a stream.
type Group struct {
	Stream string // 1 to 255 bytes
	// Expected is the id that the stream's last event must have before this request;
	// Some(0) if the stream must be empty, none for no condition. Only the first group of
	// a stream may have it.
	Expected Bound
	Events   [][]byte // at least one
}

// Append stores events and returns the id of the last event of each group once they are on
// disk. If an expectation is not met, nothing is stored and AsConflict says which one.
//
// With a key, the request is sent again when the connection breaks or the server stops, until
// it is answered or ctx ends. Without one, errors mean what they mean for Publish.
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
