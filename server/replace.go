package server

import (
	"bytes"

	"gorewind/server/internal/auth"
	"gorewind/store"
	"gorewind/wire"
)

// replace is a REPLACE.
type replace store.Replace

// replace handles a REPLACE.
func (l *loop) replace(ln *lane, w wire.Replace) {
	if len(w.Data) > l.maxEvent {
		l.refuse(ln, l.tooLarge(len(w.Data)))
		return
	}
	l.write(ln, replace{Stream: bytes.Clone(w.Stream), ID: w.ID, Data: bytes.Clone(w.Data)})
}

func (r replace) check(principal *auth.Principal) *wire.Error {
	return principal.May(wire.REPLACE, auth.Admin, r.Stream)
}

func (r replace) memory() int { return len(r.Stream) + len(r.Data) }

func (r replace) stage(l *loop, ln *lane) { l.change(ln, r) }

func (r replace) apply(l *loop, done func(error)) {
	l.store.Replace(store.Replace(r), func(err error) {
		if err == nil {
			l.erasures.record(r.Stream, span{r.ID, r.ID})
		}
		done(err)
	})
}

func (r replace) applied(*loop) wire.Reply { return wire.Replaced{ID: r.ID} }

func (r replace) about() ([]byte, uint64) { return r.Stream, r.ID }
