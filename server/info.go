package server

import (
	"strconv"

	"gorewind/store"
	"gorewind/wire"
)

// inform handles an INFO.
func (l *loop) inform(ln *lane) {
	if ln.idle() {
		l.reply(ln, l.info())
		return
	}
	l.wait(ln, request{info: true})
}

// info returns the current facts for INFO.
func (s *Server) info() wire.InfoReply {
	i := s.loop.store.Info()
	number := func(n uint64) string { return strconv.FormatUint(n, 10) }
	return wire.InfoReply{Facts: []wire.Param{
		{Name: "protocol", Value: "1"},
		{Name: "version", Value: s.opts.Version},
		{Name: "store", Value: i.ID},
		{Name: "generation", Value: number(i.Generation)},
		{Name: "position", Value: number(i.LastPosition)},
		{Name: "erasing", Value: strconv.Itoa(i.Erasing)},
		{Name: "max-event-bytes", Value: strconv.Itoa(s.opts.MaxEvent)},
		{Name: "max-stream-bytes", Value: strconv.Itoa(wire.MaxStream)},
		{Name: "max-append-events", Value: strconv.Itoa(store.MaxCommitEvents)},
		{Name: "max-append-bytes", Value: strconv.Itoa(store.MaxCommitBytes)},
		{Name: "max-groups", Value: strconv.Itoa(store.MaxGroups)},
	}}
}
