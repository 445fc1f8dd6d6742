package server

import (
	"errors"
	"strconv"
	"time"

	"gorewind/store"
	"gorewind/wire"
)

// A batch is the writes that go to the store in one call. It is the loop's,
// then the store's, then the loop's again.
type batch struct {
	reqs   []store.Append
	datas  [][]byte // the events; each request has a piece of it
	lanes  []*lane
	octets int
	arena  []byte // streams and events were copied here: the receive buffer is used again
}

const arenaBlock = 64 << 10

// keep copies b to memory that stays until the batch is settled and everybody
// who follows has let go of its events.
func (b *batch) keep(octets []byte) []byte {
	if cap(b.arena)-len(b.arena) < len(octets) {
		b.arena = make([]byte, 0, max(arenaBlock, len(octets)))
	}
	at := len(b.arena)
	b.arena = append(b.arena, octets...)
	return b.arena[at:len(b.arena):len(b.arena)]
}

// publish deals with a PUBLISH.
func (l *loop) publish(ln *lane, args [][]byte) {
	p, refused := wire.ParsePublish(args)
	switch {
	case refused != nil:
		l.refuse(ln, refused)
	case len(p.Data) > l.maxEvent:
		l.refuse(ln, tooLarge(len(p.Data), l.maxEvent))
	case ln.query == nil && len(ln.queue) == 0:
		l.stage(ln, p)
	default:
		kept := wire.Publish{Stream: append([]byte(nil), p.Stream...), Data: append([]byte(nil), p.Data...)}
		l.wait(ln, request{publish: &kept})
	}
}

func tooLarge(octets, limit int) *wire.Error {
	return wire.Errorf(wire.TooLarge, "send smaller events, or raise --max-event-bytes",
		"the event has %d octets, the limit is %d", octets, limit).
		With(wire.Param{Name: "limit", Value: strconv.Itoa(limit)})
}

// stage puts an event into the next batch.
func (l *loop) stage(ln *lane, p wire.Publish) {
	b := l.batch
	b.datas = append(b.datas, b.keep(p.Data))
	at := len(b.datas) - 1
	b.reqs = append(b.reqs, store.Append{Stream: b.keep(p.Stream), Events: b.datas[at : at+1 : at+1]})
	b.lanes = append(b.lanes, ln)
	octets := len(p.Stream) + len(p.Data)
	b.octets += octets
	l.queued++
	l.queuedOctets += octets
	ln.writes++
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
		l.out.post(func() { l.published(b, results) })
	})
}

// published answers the requests of a batch.
func (l *loop) published(b *batch, results []store.Result) {
	l.queued -= len(b.reqs)
	l.queuedOctets -= b.octets
	for i, r := range results {
		ln := b.lanes[i]
		c := ln.conn
		ln.writes--
		switch {
		case r.Err != nil:
			l.stats.Refused.Add(1)
			l.answer(ln, ln.envelope.pack(nil, l.explain(r.Err).Frames()))
		case !c.dead && !c.deaf:
			before := len(c.out)
			c.out = ln.envelope.packPublished(c.out, r.ID)
			l.answered(c, len(c.out)-before)
			fallthrough
		default:
			l.stats.Published.Add(1)
		}
		if ln.writes == 0 {
			l.advance(ln)
		}
	}
	b.recycle()
	l.spare = append(l.spare, b)
}

// recycle empties b but keeps what it can use again.
func (b *batch) recycle() {
	clear(b.reqs)
	clear(b.datas)
	clear(b.lanes)
	*b = batch{reqs: b.reqs[:0], datas: b.datas[:0], lanes: b.lanes[:0]}
}

// explain turns an error of the store into what the peer is told. It is the
// only place that does.
func (l *loop) explain(err error) *wire.Error {
	switch {
	case errors.Is(err, store.ErrTooLarge):
		return wire.Errorf(wire.TooLarge, "send less at once", "%v", err)
	case errors.Is(err, store.ErrUnknownID):
		return wire.Errorf(wire.UnknownID, "give an id that an event of the stream has", "the stream holds no such event: %v", err)
	case errors.Is(err, store.ErrBadRange):
		return wire.Errorf(wire.BadRange, "give an upto that is not before after", "%v", err)
	case errors.Is(err, store.ErrOutcomeUnknown):
		l.complain("outcome of a write unknown", err)
		return wire.Errorf(wire.OutcomeUnknown, "look whether it is there before sending it again", "the disk failed during the write")
	case errors.Is(err, store.ErrUnavailable):
		l.complain("store unavailable", err)
		return wire.Errorf(wire.ReadOnly, "nothing was changed; try again later; the server's log says more", "the store cannot be used: the disk failed")
	case errors.Is(err, store.ErrDamaged):
		l.complain("store damaged", err)
		return wire.Errorf(wire.Damaged, "the server's log says what; what came before this is good", "what is stored is damaged")
	case errors.Is(err, store.ErrClosed):
		return stopping()
	}
	l.complain("unexpected error of the store", err)
	return wire.Errorf(wire.Internal, "the server's log says more", "the server failed")
}

// complain logs an error of the store, at most once a second: there may be one
// for every request.
func (l *loop) complain(what string, err error) {
	if now := time.Now().Unix(); l.complained.Swap(now) != now {
		l.log.Error(what, "error", err)
	}
}

func stopping() *wire.Error {
	return wire.Errorf(wire.Stopping, "ask again when it is back", "the server is stopping")
}
