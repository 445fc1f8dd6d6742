package server

import "gorewind/wire"

// A write is a request that changes the store, in memory that stays. Those that
// are neighbours in a lane go to the store without waiting for each other.
type write interface {
	claim
	memory() int             // that it keeps
	stage(l *loop, ln *lane) // has it go to the store next
}

// write deals with a request that changes the store.
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

// A change is a write that is no Append: REPLACE, DELETE and COMMIT.
type change interface {
	write
	apply(l *loop, done func(error))   // calls the store
	applied(l *loop) wire.Reply        // is called on the loop when it is in the store
	about() (stream []byte, id uint64) // what is unknown if an id is
}

// change has the store make a change, after what was staged before.
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

// idParams names an id in a stream, or a position.
func idParams(stream []byte, id uint64) []wire.Param {
	params := []wire.Param{wire.Hex("id", wire.ID(id))}
	if len(stream) > 0 {
		params = append([]wire.Param{wire.Hex("stream", stream)}, params...)
	}
	return params
}
