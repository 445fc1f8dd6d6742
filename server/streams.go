package server

import (
	"context"
	"math"

	"gorewind/server/internal/auth"
	"gorewind/store"
	"gorewind/wire"
)

// streams is the source of STREAMS.
type streams struct {
	baseSource
	prefix []byte

	after, next    []byte // places before the chunk and after it: names of streams
	left, nextLeft uint64 // streams until the limit, at these places
}

// streams handles a STREAMS.
func (l *loop) streams(ln *lane, w wire.Streams) {
	s := &streams{prefix: append([]byte(nil), w.Prefix...), after: append([]byte(nil), w.After...), left: w.Limit}
	if s.left == 0 {
		s.left = math.MaxUint64
	}
	l.task(ln, s, len(s.prefix)+wire.MaxStream)
}

// check implements source.
func (s *streams) check(principal *auth.Principal) *wire.Error {
	return principal.MaySelect(wire.STREAMS, auth.Read, store.Prefix(s.prefix))
}

// fill implements source.
func (s *streams) fill(ctx context.Context, r *reader, c *chunk) {
	b := newChunk(chunkBytes)
	s.next, s.nextLeft = s.after, s.left
	c.last = true
	for stream, err := range r.store.Streams(ctx, s.prefix, s.after) {
		if err != nil {
			c.packed = c.pack(b, r.explain(err))
			return
		}
		b = c.envelope.Stream(b, stream.Name, stream.Last)
		s.next = append(s.next[:0:0], stream.Name...)
		if s.nextLeft--; s.nextLeft == 0 {
			break
		}
		if len(b) >= chunkBytes || c.small {
			c.packed, c.last = b, false
			return
		}
	}
	c.packed = c.pack(b, wire.End{})
}

// pass implements source.
func (s *streams) pass(frames [][]byte) {
	if string(frames[0]) == wire.STREAM {
		s.after = append([]byte(nil), frames[1]...)
		s.left--
	}
}

// passAll implements source.
func (s *streams) passAll() { s.after, s.left = s.next, s.nextLeft }

// cancelled implements source.
func (s *streams) cancelled() wire.Reply { return wire.End{} }
