package server

import (
	"bytes"
	"strconv"

	"gorewind/server/internal/auth"
	"gorewind/store"
	"gorewind/wire"
)

// A batch is the PUBLISHes and APPENDs that go to the store in one call. It belongs to
// the loop, then to the store, then to the loop again.
type batch struct {
	reqs    []store.Append
	groups  []store.Group // of PUBLISHes; each request has a slice of it
	datas   [][]byte      // their events; each group has a slice of it
	senders []sender
	events  int
	size    int    // bytes of streams and events
	arena   []byte // streams and events are copied here out of the receive buffer
}

// A sender says where a request of a batch came from.
type sender struct {
	lane    *lane
	events  int32
	data    int32 // bytes of its events
	appends bool  // an APPEND, not a PUBLISH
}

const arenaBlock = 64 << 10

// keep copies data to memory that stays until the requests are answered and followers
// have let go of the events.
func (b *batch) keep(data []byte) []byte {
	if cap(b.arena)-len(b.arena) < len(data) {
		b.arena = make([]byte, 0, max(arenaBlock, len(data)))
	}
	at := len(b.arena)
	b.arena = append(b.arena, data...)
	return b.arena[at:len(b.arena):len(b.arena)]
}

// publication is a PUBLISH that waits in its lane.
type publication wire.Publish

func (p publication) check(principal *auth.Principal) *wire.Error {
	return principal.May(wire.PUBLISH, auth.Write, p.Stream)
}

func (p publication) memory() int { return len(p.Stream) + len(p.Data) }

func (p publication) stage(l *loop, ln *lane) { l.stage(ln, wire.Publish(p)) }

// publish handles a PUBLISH.
func (l *loop) publish(ln *lane, args [][]byte) {
	p, refused := wire.ParsePublish(args)
	switch {
	case refused != nil:
		l.refuse(ln, refused)
	case len(p.Data) > l.maxEvent:
		l.refuse(ln, l.tooLarge(len(p.Data)))
	case l.principal != nil && !l.principal.Write.Matches(p.Stream):
		l.refuse(ln, publication(p).check(l.principal))
	case ln.ready():
		l.stage(ln, p)
	default:
		l.wait(ln, request{write: publication{bytes.Clone(p.Stream), bytes.Clone(p.Data)}})
	}
}

func (l *loop) tooLarge(size int) *wire.Error {
	return wire.Errorf(wire.TooLarge, "send smaller events, or run the server with a larger "+l.name("MaxEvent"),
		"the event has %d bytes; the limit is %d", size, l.maxEvent).
		With(wire.Param{Name: "limit", Value: strconv.Itoa(l.maxEvent)})
}

// stage adds an event to the next batch.
func (l *loop) stage(ln *lane, p wire.Publish) {
	b := l.batch
	b.datas = append(b.datas, b.keep(p.Data))
	at := len(b.datas) - 1
	b.groups = append(b.groups, store.Group{Stream: b.keep(p.Stream), Events: b.datas[at : at+1 : at+1]})
	b.reqs = append(b.reqs, store.Append{Groups: b.groups[at : at+1 : at+1]})
	l.staged(sender{lane: ln, events: 1, data: int32(len(p.Data))}, len(p.Stream)+len(p.Data))
}

// staged counts a request that was added to the batch.
func (l *loop) staged(a sender, size int) {
	b := l.batch
	b.senders = append(b.senders, a)
	b.events += int(a.events)
	b.size += size
	l.queued += int(a.events)
	l.queuedBytes += size
	a.lane.writes++
}

// submit hands the batch to the store.
func (l *loop) submit() {
	b := l.batch
	if len(b.reqs) == 0 {
		return
	}
	l.batch = new(batch)
	if n := len(l.spare); n > 0 {
		l.batch, l.spare = l.spare[n-1], l.spare[:n-1]
		l.batch.arena = b.arena[len(b.arena):] // the rest of the block
	}
	l.store.Append(b.reqs, func(results []store.Result) {
		l.out.post(func() { l.appended(b, results) })
	})
}

// appended answers the requests of a batch.
func (l *loop) appended(b *batch, results []store.Result) {
	l.queued -= b.events
	l.queuedBytes -= b.size
	events, size := 0, 0 // of requests that are stored
	for i, r := range results {
		a := &b.senders[i]
		ln := a.lane
		c := ln.conn
		ln.writes--
		switch {
		case r.Err != nil:
			l.respond(ln, l.explain(r.Err))
		case !c.dead && !c.muted:
			before := len(c.out)
			if a.appends {
				c.out = ln.envelope.Pack(c.out, wire.Appended{IDs: r.IDs}.Frames())
			} else {
				c.out = ln.envelope.Published(c.out, r.IDs[0])
			}
			l.answered(c, len(c.out)-before)
			fallthrough
		default:
			events += int(a.events)
			size += int(a.data)
		}
		if ln.writes == 0 {
			l.advance(ln)
		}
	}
	l.stats.Published.Add(uint64(events))
	l.stats.PublishedBytes.Add(uint64(size))
	b.recycle()
	l.spare = append(l.spare, b)
}

// recycle empties b and keeps its memory.
func (b *batch) recycle() {
	clear(b.reqs)
	clear(b.groups)
	clear(b.datas)
	clear(b.senders)
	*b = batch{reqs: b.reqs[:0], groups: b.groups[:0], datas: b.datas[:0], senders: b.senders[:0]}
}
