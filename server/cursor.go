package server

import (
	"context"

	"gorewind/server/internal/auth"
	"gorewind/wire"
)

// cursor is the source of CURSOR.
type cursor struct {
	baseSource
	consumer, stream []byte
}

// cursor handles a CURSOR.
func (l *loop) cursor(ln *lane, w wire.Cursor) {
	c := &cursor{consumer: append([]byte(nil), w.Consumer...), stream: append([]byte(nil), w.Stream...)}
	l.task(ln, c, len(c.consumer)+len(c.stream))
}

// check implements source.
func (c *cursor) check(principal *auth.Principal) *wire.Error {
	return principal.MayIn(wire.CURSOR, auth.Read, c.stream)
}

// fill implements source.
func (c *cursor) fill(ctx context.Context, r *reader, k *chunk) {
	k.last = true
	id, err := r.store.Cursor(ctx, c.consumer, c.stream)
	if err != nil {
		k.packed = k.pack(nil, r.explain(err))
		return
	}
	k.packed = k.pack(nil, wire.CursorReply{ID: id})
}
