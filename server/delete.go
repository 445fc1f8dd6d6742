package server

import (
	"bytes"
	"math"

	"gorewind/server/internal/auth"
	"gorewind/store"
	"gorewind/wire"
)

// deletion is a DELETE.
type deletion store.Delete

// delete handles a DELETE.
func (l *loop) delete(ln *lane, w wire.Delete) {
	l.write(ln, deletion{Stream: bytes.Clone(w.Stream), UpTo: optional(w.UpTo), Expected: optional(w.Expected)})
}

// optional converts a bound to the store's type.
func optional(b wire.Bound) store.Optional { return store.Optional{N: b.ID, Given: b.Given} }

func (d deletion) check(principal *auth.Principal) *wire.Error {
	return principal.May(wire.DELETE, auth.Admin, d.Stream)
}

func (d deletion) memory() int { return len(d.Stream) }

func (d deletion) stage(l *loop, ln *lane) { l.change(ln, d) }

func (d deletion) apply(l *loop, done func(error)) {
	l.store.Delete(store.Delete(d), func(err error) {
		if err == nil {
			gone := span{1, math.MaxUint64}
			if d.UpTo.Given {
				gone.last = d.UpTo.N
			}
			l.erasures.record(d.Stream, gone)
		}
		done(err)
	})
}

func (d deletion) applied(*loop) wire.Reply { return wire.Deleted{} }

func (d deletion) about() ([]byte, uint64) { return d.Stream, d.UpTo.N }
