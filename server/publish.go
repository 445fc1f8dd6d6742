package server

import (
	"bytes"
	"errors"
	"strconv"
	"time"

	"gorewind/server/internal/auth"
	"gorewind/store"
	"gorewind/wire"
)

// A batch is the PUBLISHes and APPENDs that go to the store in one call. It is
// the loop's, then the store's, then the loop's again.
type batch struct {
	reqs    []store.Append
	groups  []store.Group // of PUBLISHes; each has a piece of it
	datas   [][]byte      // their events; each group has a piece of it
	authors []author
	events  int
	octets  int
	arena   []byte // streams and events were copied here: the receive buffer is used again
}

// An author is where a request of a batch came from.
type author struct {
	lane    *lane
	events  int32
	data    int32 // octets of theirs
	appends bool  // it is an APPEND
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

// publication is a PUBLISH that waits in its lane.
type publication wire.Publish

func (p publication) check(c *auth.Client) *wire.Error {
	return c.May(wire.PUBLISH, auth.Write, p.Stream)
}

func (p publication) octets() int { return len(p.Stream) + len(p.Data) }

func (p publication) stage(l *loop, ln *lane) { l.stage(ln, wire.Publish(p)) }

// publish deals with a PUBLISH.
func (l *loop) publish(ln *lane, args [][]byte) {
	p, refused := wire.ParsePublish(args)
	switch {
	case refused != nil:
		l.refuse(ln, refused)
	case len(p.Data) > l.maxEvent:
		l.refuse(ln, l.tooLarge(len(p.Data)))
	case l.who != nil && !l.who.Write.Matches(p.Stream):
		l.refuse(ln, publication(p).check(l.who))
	case ln.ready():
		l.stage(ln, p)
	default:
		l.wait(ln, request{write: publication{bytes.Clone(p.Stream), bytes.Clone(p.Data)}})
	}
}

func (l *loop) tooLarge(octets int) *wire.Error {
	return wire.Errorf(wire.TooLarge, "send smaller events, or have the server run with a larger "+l.name("MaxEvent"),
		"the event has %d octets, the limit is %d", octets, l.maxEvent).
		With(wire.Param{Name: "limit", Value: strconv.Itoa(l.maxEvent)})
}

// stage puts an event into the next batch.
func (l *loop) stage(ln *lane, p wire.Publish) {
	b := l.batch
	b.datas = append(b.datas, b.keep(p.Data))
	at := len(b.datas) - 1
	b.groups = append(b.groups, store.Group{Stream: b.keep(p.Stream), Events: b.datas[at : at+1 : at+1]})
	b.reqs = append(b.reqs, store.Append{Groups: b.groups[at : at+1 : at+1]})
	l.staged(author{lane: ln, events: 1, data: int32(len(p.Data))}, len(p.Stream)+len(p.Data))
}

// staged counts a request that was put into the batch.
func (l *loop) staged(a author, octets int) {
	b := l.batch
	b.authors = append(b.authors, a)
	b.events += int(a.events)
	b.octets += octets
	l.queued += int(a.events)
	l.queuedOctets += octets
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
	l.queuedOctets -= b.octets
	events, octets := 0, 0 // that are stored
	for i, r := range results {
		a := &b.authors[i]
		ln := a.lane
		c := ln.conn
		ln.writes--
		switch {
		case r.Err != nil:
			l.settle(ln, l.explain(r.Err))
		case !c.dead && !c.deaf:
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
			octets += int(a.data)
		}
		if ln.writes == 0 {
			l.advance(ln)
		}
	}
	l.stats.Published.Add(uint64(events))
	l.stats.PublishedOctets.Add(uint64(octets))
	b.recycle()
	l.spare = append(l.spare, b)
}

// recycle empties b but keeps what it can use again.
func (b *batch) recycle() {
	clear(b.reqs)
	clear(b.groups)
	clear(b.datas)
	clear(b.authors)
	*b = batch{reqs: b.reqs[:0], groups: b.groups[:0], datas: b.datas[:0], authors: b.authors[:0]}
}

// explain turns an error of the store into what the peer is told. It is the
// only place that does.
func (l *loop) explain(err error) *wire.Error {
	if refused := (*wire.Error)(nil); errors.As(err, &refused) {
		return refused
	}
	if e := explainWrite(err); e != nil {
		return e
	}
	switch {
	case errors.Is(err, store.ErrTooLarge):
		return wire.Errorf(wire.TooLarge, "send less at once", "%v", err)
	case errors.Is(err, store.ErrUnknownID):
		return wire.Errorf(wire.UnknownID, "give an id that is there; a QUERY can have nearest", "%v", err)
	case errors.Is(err, store.ErrBadRange):
		return wire.Errorf(wire.BadRange, "give an upto that is not before after", "%v", err)
	case errors.Is(err, store.ErrOutcomeUnknown):
		l.complain("outcome of a write unknown", err)
		return wire.Errorf(wire.OutcomeUnknown, "look whether it is there before sending it again", "the disk failed during the write")
	case errors.Is(err, store.ErrFull):
		l.complain("store cannot be written to", err)
		return wire.Errorf(wire.ReadOnly, "nothing was changed; it takes writes again by itself when there is more; queries are answered", "the server's disk has too little room")
	case errors.Is(err, store.ErrUnavailable):
		l.complain("store unavailable", err)
		return wire.Errorf(wire.ReadOnly, "nothing was changed; try again later; the server's log says more", "the store cannot be used: the disk failed")
	case errors.Is(err, store.ErrDamaged):
		damaged := wire.Errorf(wire.Damaged, "the server's log says what; what came before this is good, and what comes after can be asked for", "what is stored is damaged")
		if errors.Is(err, store.ErrAccepted) {
			damaged.What, damaged.Do = "it was lost when the store was repaired", "what came before this is good; ask for what comes after"
		} else {
			l.complain("store damaged", err)
		}
		if lost := (*store.Lost)(nil); errors.As(err, &lost) {
			damaged.With(wire.Hex("after", wire.ID(lost.After)))
		}
		return damaged
	case errors.Is(err, store.ErrClosed):
		return stopping()
	}
	l.complain("unexpected error of the store", err)
	return wire.Errorf(wire.Internal, "the server's log says more", "the server failed")
}

// explainWrite does so for what only writes meet.
func explainWrite(err error) *wire.Error {
	var conflict *store.Conflict
	var behind *store.Behind
	switch {
	case errors.As(err, &conflict):
		return wire.Errorf(wire.Conflict, "read what came in between, then decide anew", "the stream's last event is not the one that was expected").
			With(wire.Param{Name: "group", Value: strconv.Itoa(conflict.Group)}, wire.Hex("stream", conflict.Stream), wire.Hex("last", wire.ID(conflict.Last)))
	case errors.As(err, &behind):
		return wire.Errorf(wire.Behind, "send rewind with it to go back", "the cursor is past this already").
			With(wire.Hex("cursor", wire.ID(behind.Cursor)))
	case errors.Is(err, store.ErrKeyReused):
		return wire.Errorf(wire.KeyReused, "give each request a key of its own", "another request was stored under this key")
	case errors.Is(err, store.ErrInvalid):
		return wire.Errorf(wire.Malformed, "see the protocol for what it may be", "%v", err)
	}
	return nil
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
