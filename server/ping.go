package server

import (
	"context"

	"gorewind/wire"
)

// ping answers PING with its frames.
func (l *loop) ping(ln *lane, p wire.Ping) { l.reply(ln, wire.Pong(p)) }

// Alive posts to the loop and returns nil once the loop has called back. It returns
// ctx's error if ctx is done first: the loop hangs, or Run has not begun, or Run has
// ended.
func (s *Server) Alive(ctx context.Context) error {
	ran := make(chan struct{})
	s.loop.out.post(func() { close(ran) })
	select {
	case <-ran:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
