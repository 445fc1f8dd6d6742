package client

import (
	"context"
	"iter"

	"gorewind/wire"
)

// A Stream is a stream that holds events.
type Stream struct {
	Name string
	Last uint64 // id of its last event
}

// Streams yields the streams whose names begin with prefix and sort after a name, in byte order.
// It leaves out empty streams. A stream created meanwhile may or may not be included. Like Query
// it buffers a bounded amount and continues over a new connection, and has the same errors.
func (c *Client) Streams(ctx context.Context, prefix, after string) iter.Seq2[Stream, error] {
	return func(yield func(Stream, error) bool) {
		s := names{Prefix: []byte(prefix), After: []byte(after)}
		for part, err := range c.parts(ctx, s, 0) {
			r, _ := part.(wire.StreamReply)
			if !yield(Stream{string(r.Name), r.Last}, err) {
				return
			}
		}
	}
}

// names are the pages of a STREAMS.
type names wire.Streams

// page implements source.
func (n names) page(_ context.Context, after wire.Reply, limit uint64) (wire.Request, error) {
	s := wire.Streams(n)
	s.Limit = limit
	if r, ok := after.(wire.StreamReply); ok {
		s.After = r.Name
	}
	return s, nil
}

// has implements source.
func (names) has(r wire.Reply) bool {
	_, ok := r.(wire.StreamReply)
	return ok
}

// follows implements source.
func (names) follows() bool { return false }
