package server

import (
	"context"

	"gorewind/wire"
)

// ping answers PING with its frames.
func (l *loop) ping(ln *lane, p wire.Ping) { l.reply(ln, wire.Pong(p)) }

// Alive has the loop run a function, and returns once it has. It returns ctx's
// error if the loop does not come to it before ctx is done: it hangs, or Run has
// not begun, or has ended.
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
