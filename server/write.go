package server

import "gorewind/wire"

// A write is a request that changes the store, copied out of the receive buffer.
// Neighbouring writes of a lane go to the store without waiting for each other.
type write interface {
	claim
	memory() int             // bytes that it keeps
	stage(l *loop, ln *lane) // hands it to the store next
}

// write stages a request that changes the store, or queues it in its lane.
func (l *loop) write(ln *lane, w write) {
	if !l.allowed(ln, w) {
		return
	}
	if ln.ready() {
		w.stage(l, ln)
		return
	}
	l.wait(ln, request{write: w})
}

// A change is a write other than an Append: REPLACE, DELETE and COMMIT.
type change interface {
	write
	apply(l *loop, done func(error))   // calls the store
	applied(l *loop) wire.Reply        // returns the answer; called on the loop when the store has applied it
	about() (stream []byte, id uint64) // the parameters of ERROR UNKNOWN-ID
}

// change hands a change to the store, after what was staged before it.
func (l *loop) change(ln *lane, w change) {
	l.submit()
	size := w.memory()
	l.queued++
	l.queuedBytes += size
	ln.writes++
	w.apply(l, func(err error) {
		l.out.post(func() {
			l.queued--
			l.queuedBytes -= size
			l.changed(ln, w, err)
		})
	})
}

// changed answers a change.
func (l *loop) changed(ln *lane, w change, err error) {
	ln.writes--
	var r wire.Reply
	if err == nil {
		r = w.applied(l)
	} else {
		e := l.explain(err)
		if stream, id := w.about(); e.Code == wire.UnknownID {
			e.With(idParams(stream, id)...)
		}
		r = e
	}
	l.respond(ln, r)
	if ln.writes == 0 {
		l.advance(ln)
	}
}

// idParams returns the parameters of an ERROR that name an id in a stream, or a
// position.
func idParams(stream []byte, id uint64) []wire.Param {
	params := []wire.Param{wire.Hex("id", wire.ID(id))}
	if len(stream) > 0 {
		params = append([]wire.Param{wire.Hex("stream", stream)}, params...)
	}
	return params
}
