package server

import (
	"context"
	"sync"

	"gorewind/store"
	"gorewind/wire"
)

const (
	chunkOctets    = 256 << 10 // of packed messages, about; at least one event
	maxChunkOctets = 64 << 20  // of all chunks in memory: above it, reading waits
)

// A query reads its events in chunks, the next one only when the last has gone
// out. Between chunks it keeps nothing but its place.
//
// It is the loop's; while reading is set, the fields above it are the reader's.
type query struct {
	lane  *lane
	r     store.Range // After is its place: the last event that libzmq has taken
	empty bool        // upto was id zero: only After is looked at
	fixed bool        // r.UpTo is its end
	small bool        // read one event only
	chunk []byte      // packed messages that are ready to be sent
	next  uint64      // the place after the chunk
	last  bool        // the chunk ends the answer

	reading bool
	sent    int // octets of chunk
	charge  int // octets that count in loop.inHand
	ended   bool
	counted bool // it is one of conn.running
}

// query deals with a QUERY.
func (l *loop) query(ln *lane, w wire.Query) {
	if ln.conn.dead {
		return
	}
	q := &query{
		lane:  ln,
		r:     store.Range{Stream: append([]byte(nil), w.Stream...), After: w.After.ID, UpTo: w.UpTo.ID},
		empty: w.UpTo.Given && w.UpTo.ID == 0,
	}
	if ln.idle() {
		l.startQuery(q)
		return
	}
	l.wait(ln, request{query: q})
}

// startQuery begins a query, or has it wait until its connection has fewer.
func (l *loop) startQuery(q *query) {
	ln := q.lane
	if l.stopping {
		l.answer(ln, ln.envelope.pack(nil, stopping().Frames()))
		return
	}
	c := ln.conn
	ln.query = q
	l.stats.Queries.Add(1)
	l.stats.QueriesRunning.Add(1)
	if c.running >= maxRunning {
		c.later = append(c.later, q)
		ln.count(new(request), +1)
		l.boundWaiting(c)
		return
	}
	l.admit(c, q)
}

func (l *loop) admit(c *conn, q *query) {
	c.running++
	q.counted = true
	c.toRead = append(c.toRead, q)
	l.readLater(c)
}

// readLater has the loop see whether a connection's queries need reading.
func (l *loop) readLater(c *conn) {
	if !c.readable && len(c.toRead) > 0 {
		c.readable = true
		l.reads = append(l.reads, c)
	}
}

// readNext hands chunks to the readers, connections taking turns.
func (l *loop) readNext() {
	charge := chunkOctets + l.maxEvent // as large as a chunk may turn out
	for len(l.reads) > 0 && l.inHand+charge <= maxChunkOctets {
		c := l.reads[0]
		l.reads[0] = nil
		if l.reads = l.reads[1:]; len(l.reads) == 0 {
			l.reads = nil
		}
		c.readable = false
		probing := c.full && c.heapSlot < 0 && c.inHand == 0
		if c.dead || c.deaf || len(c.toRead) == 0 || c.inHand >= maxReadAhead || c.full && !probing {
			continue
		}
		q := c.toRead[0]
		c.toRead = c.toRead[1:]
		c.inHand++
		l.reading++
		q.charge = charge
		l.inHand += q.charge
		q.small = probing
		q.reading = true
		l.jobs <- q
		l.readLater(c)
	}
}

// read is called when a query's chunk is at hand.
func (l *loop) read(q *query) {
	q.reading = false
	l.reading--
	l.inHand += len(q.chunk) - q.charge
	q.charge = len(q.chunk)
	c := q.lane.conn
	if q.ended {
		l.releaseChunk(q)
		l.readLater(c)
		return
	}
	c.toSend = append(c.toSend, q)
	l.flushLater(c)
}

func (l *loop) releaseChunk(q *query) {
	q.lane.conn.inHand--
	l.inHand -= q.charge
	q.charge, q.sent = 0, 0
	if b := q.chunk; cap(b) <= 2*chunkOctets {
		chunks.Put(&b)
	}
	q.chunk = nil
}

// giveBack forgets the chunk and goes back to the last event that was sent.
func (q *query) giveBack() {
	unsent := len(q.chunk) - q.sent
	for rest := q.chunk; len(rest) > unsent; {
		var frames [][]byte
		if frames, rest = q.lane.envelope.unpack(rest); string(frames[0]) == wire.EVENT {
			q.r.After, _ = wire.ParseID(frames[1])
		}
	}
	q.chunk, q.sent = nil, 0
}

// sentChunk is called when libzmq has taken all of a query's chunk.
func (l *loop) sentChunk(q *query) {
	l.releaseChunk(q)
	q.r.After = q.next
	if !q.last {
		q.lane.conn.toRead = append(q.lane.conn.toRead, q)
		return
	}
	l.endQuery(q.lane)
	l.advance(q.lane)
}

// endQuery takes the query off its lane. Its connection's lists are the
// caller's business.
func (l *loop) endQuery(ln *lane) {
	q := ln.query
	if q == nil {
		return
	}
	ln.query = nil
	q.ended = true
	l.stats.QueriesRunning.Add(-1)
	if !q.reading && q.chunk != nil {
		l.releaseChunk(q)
	}
	c := ln.conn
	if !q.counted {
		return
	}
	c.running--
	for len(c.later) > 0 && c.running < maxRunning && !c.dead && !c.deaf {
		next := c.later[0]
		c.later = c.later[1:]
		next.lane.count(new(request), -1)
		if !next.ended {
			l.admit(c, next)
		}
	}
}

// stopQuery ends a lane's query with an ERROR.
func (l *loop) stopQuery(ln *lane) {
	q := ln.query
	if q == nil {
		return
	}
	c := ln.conn
	for _, list := range []*[]*query{&c.toRead, &c.toSend, &c.later} {
		kept := (*list)[:0]
		for _, other := range *list {
			if other != q {
				kept = append(kept, other)
			}
		}
		*list = kept
	}
	if !q.counted {
		ln.count(new(request), -1)
	}
	l.endQuery(ln)
	l.answer(ln, ln.envelope.pack(nil, stopping().Frames()))
	l.advance(ln)
}

// chunks recycles the memory of chunks.
var chunks = sync.Pool{New: func() any {
	b := make([]byte, 0, chunkOctets+chunkOctets/8)
	return &b
}}

// readers reads chunks until jobs is closed. It posts each to the loop.
func readers(ctx context.Context, s store.Store, jobs <-chan *query, l *loop) {
	for q := range jobs {
		events := q.fill(ctx, s, l.explain)
		l.stats.EventsSent.Add(uint64(events))
		l.out.post(func() { l.read(q) })
	}
}

// fill reads the next chunk and returns how many events it has.
func (q *query) fill(ctx context.Context, s store.Store, explain func(error) *wire.Error) (events int) {
	env := q.lane.envelope
	b := (*chunks.Get().(*[]byte))[:0]
	err := q.fix(ctx, s)
	q.next = q.r.After
	if err == nil && q.r.UpTo > q.r.After {
		r := q.r
		if r.Octets = chunkOctets; q.small {
			r.Octets = 1
		}
		var e store.Event
		for e, err = range s.Read(ctx, r) {
			if err != nil {
				break
			}
			b = env.packEvent(b, e.ID, e.Data)
			q.next = e.ID
			if events++; len(b) >= chunkOctets || q.small {
				break
			}
		}
	}
	switch q.last = true; {
	case err != nil:
		b = env.pack(b, explain(err).With(wire.Hex("stream", q.r.Stream)).Frames())
	case q.next >= q.r.UpTo:
		b = env.pack(b, wire.End{}.Frames())
	default:
		q.last = false
	}
	q.chunk = b
	return events
}

// fix verifies a query's bounds and fixes its end, once.
func (q *query) fix(ctx context.Context, s store.Store) error {
	if q.fixed {
		return nil
	}
	_, last, err := s.Bounds(ctx, q.r)
	if err != nil {
		return err
	}
	if q.empty {
		last = q.r.After
	}
	q.r.UpTo, q.fixed = last, true
	return nil
}
