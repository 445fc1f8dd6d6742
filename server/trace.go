package server

import (
	"fmt"

	"gorewind/wire"
)

// trace logs a request without its contents, which may be secret.
func (l *loop) trace(c *conn, request [][]byte) {
	size := 0
	for _, f := range request {
		size += len(f)
	}
	l.log.Debug("request", "command", commands[commandOf(request)], "stream_bytes", len(streamOf(request)),
		"frames", len(request), "bytes", size, "peer", fmt.Sprintf("%x", c.id))
}

// streamOf returns the frame of a request that names its stream, or its first stream;
// nil if there is none.
func streamOf(request [][]byte) []byte {
	at := 0
	switch commands[commandOf(request)] {
	case wire.PUBLISH, wire.QUERY, wire.STREAMS, wire.REPLACE, wire.DELETE:
		at = 1
	case wire.APPEND, wire.COMMIT, wire.CURSOR, wire.WAIT:
		at = 2
	}
	if at == 0 || at >= len(request) {
		return nil
	}
	return request[at]
}
