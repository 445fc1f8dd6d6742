package server

import "gorewind/wire"

// ping answers PING with its frames.
func (l *loop) ping(ln *lane, p wire.Ping) { l.reply(ln, wire.Pong(p)) }
