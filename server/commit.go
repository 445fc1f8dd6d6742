package server

import (
	"bytes"

	"gorewind/server/internal/auth"
	"gorewind/store"
	"gorewind/wire"
)

// commit is a COMMIT.
type commit store.Cursor

// commit handles a COMMIT.
func (l *loop) commit(ln *lane, w wire.Commit) {
	l.write(ln, commit{Consumer: bytes.Clone(w.Consumer), Stream: bytes.Clone(w.Stream), ID: w.ID, Rewind: w.Rewind})
}

// check implements claim. Committing takes the right to read: for the stream, or for
// all streams where the cursor is one of the whole store.
func (c commit) check(principal *auth.Principal) *wire.Error {
	return principal.MayIn(wire.COMMIT, auth.Read, c.Stream)
}

func (c commit) memory() int { return len(c.Consumer) + len(c.Stream) }

func (c commit) stage(l *loop, ln *lane) { l.change(ln, c) }

func (c commit) apply(l *loop, done func(error)) { l.store.SetCursor(store.Cursor(c), done) }

func (c commit) applied(l *loop) wire.Reply {
	l.moved(c.Consumer, c.Stream, c.ID)
	return wire.Committed{ID: c.ID}
}

func (c commit) about() ([]byte, uint64) { return c.Stream, c.ID }
