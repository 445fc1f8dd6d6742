package server

import (
	"strconv"

	"gorewind/server/internal/auth"
	"gorewind/store"
	"gorewind/wire"
)

// appending is an APPEND. size counts its bytes with the overhead of groups and events.
type appending struct {
	store.Append
	events, data, size int
}

// append handles an APPEND.
func (l *loop) append(ln *lane, w wire.Append) {
	total, events, data := len(w.Key), 0, 0
	for i, g := range w.Groups {
		total += len(g.Stream)
		events += len(g.Events)
		for _, e := range g.Events {
			if len(e) > l.maxEvent {
				l.refuse(ln, l.tooLarge(len(e)).With(
					wire.Param{Name: "group", Value: strconv.Itoa(i)}, wire.Hex("stream", g.Stream)))
				return
			}
			data += len(e)
		}
	}
	total += data
	size := total + len(w.Groups)*groupBytes + events*eventBytes
	l.write(ln, appending{keepAppend(w, total, events), events, data, size})
}

// Memory that a group and an event take besides their bytes.
const (
	groupBytes = 80
	eventBytes = 24
)

// keepAppend copies a request out of the receive buffer, with one allocation each for
// its bytes, its events and its groups.
func keepAppend(w wire.Append, total, events int) store.Append {
	arena := make([]byte, 0, total)
	keep := func(b []byte) []byte {
		at := len(arena)
		arena = append(arena, b...)
		return arena[at:len(arena):len(arena)]
	}
	datas := make([][]byte, 0, events)
	a := store.Append{Key: keep(w.Key), Groups: make([]store.Group, len(w.Groups))}
	for i, g := range w.Groups {
		at := len(datas)
		for _, e := range g.Events {
			datas = append(datas, keep(e))
		}
		a.Groups[i] = store.Group{Stream: keep(g.Stream), Expected: optional(g.Expected), Events: datas[at:len(datas):len(datas)]}
	}
	return a
}

func (a appending) check(principal *auth.Principal) *wire.Error {
	for i := range a.Groups {
		if refused := principal.May(wire.APPEND, auth.Write, a.Groups[i].Stream); refused != nil {
			return refused.With(wire.Param{Name: "group", Value: strconv.Itoa(i)})
		}
	}
	return nil
}

func (a appending) memory() int { return a.size }

// stage implements write. APPENDs share a batch with PUBLISHes.
func (a appending) stage(l *loop, ln *lane) {
	l.batch.reqs = append(l.batch.reqs, a.Append)
	l.staged(sender{lane: ln, events: int32(a.events), data: int32(a.data), appends: true}, a.size)
}
