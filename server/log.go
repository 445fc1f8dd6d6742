package server

import (
	"context"
	"fmt"
	"math"

	"gorewind/server/internal/auth"
	"gorewind/store"
	"gorewind/wire"
)

// entries is the source of LOG.
type entries struct {
	baseSource
	store string // ID.GENERATION of the store that the request is for, or empty
	fixed bool   // upTo is set
	upTo  uint64 // position at which the answer ends

	at, next entriesPlace // before the chunk and after it
}

// An entriesPlace is how far a LOG has come.
type entriesPlace struct {
	position uint64
	left     uint64 // entries until the limit
	begun    bool   // STORE was sent
}

// entries handles a LOG.
func (l *loop) entries(ln *lane, w wire.Log) {
	s := &entries{store: w.Store, at: entriesPlace{position: w.After, left: w.Limit}}
	if w.Limit == 0 {
		s.at.left = math.MaxUint64
	}
	l.task(ln, s, len(s.store))
}

// check implements source. LOG takes admin on all streams: its answer holds the store's
// secret, with which a copy passes for the store itself.
func (*entries) check(principal *auth.Principal) *wire.Error {
	return principal.MayAll(wire.LOG, auth.Admin)
}

// bytes implements source.
func (*entries) chunkSize() int { return selectionBytes }

// fill implements source.
func (s *entries) fill(ctx context.Context, r *reader, c *chunk) {
	s.next = s.at
	b, err := s.read(ctx, r, c, newChunk(selectionBytes))
	switch {
	case err != nil:
		b = c.pack(b, r.explain(err))
		c.last = true
	case s.next.left == 0 || s.next.position >= s.upTo:
		b = c.pack(b, wire.End{})
		c.last = true
	}
	c.packed = b
}

// read packs entries from the place on.
func (s *entries) read(ctx context.Context, r *reader, c *chunk, b []byte) ([]byte, error) {
	info := r.store.Info()
	if refused := otherStore(s.store, info); refused != nil {
		return b, refused
	}
	if !s.fixed {
		s.upTo, s.fixed = info.LastPosition, true
		if s.at.position > s.upTo {
			return b, fmt.Errorf("%w: the last position is %d, not %d", store.ErrUnknownID, s.upTo, s.at.position)
		}
	}
	if !s.next.begun {
		i := r.store.Identity()
		b = c.pack(b, wire.StoreReply{ID: i.ID, Generation: i.Generation, Secret: i.Secret, Position: s.upTo})
		s.next.begun = true
	}
	for e, err := range r.store.Log(ctx, s.next.position) {
		if err != nil {
			return b, err
		}
		if s.next.left == 0 || e.First > s.upTo {
			break
		}
		b = c.pack(b, entryReply(&e))
		s.next.position = e.Position
		s.next.left--
		if len(b) >= selectionBytes || c.small {
			break
		}
	}
	return b, nil
}

// kindWords maps kinds of changes to their words on the wire.
var kindWords = map[store.ChangeKind]string{
	store.Appended: wire.EventsAppended,
	store.Replaced: wire.EventReplaced,
	store.Deleted:  wire.EventsDeleted,
	store.Moved:    wire.CursorMoved,
	store.Keyed:    wire.RequestKeyed,
	store.Gap:      wire.PositionsLost,
	store.Omitted:  wire.PositionsOmitted,
}

// entryReply converts an entry to its form on the wire.
func entryReply(e *store.Entry) wire.Entry {
	w := wire.Entry{
		Position: e.Position, First: e.First, Time: e.Time, Next: e.NextStream, Bytes: e.Bytes, Chain: e.Chain,
		Changes: make([]wire.Change, len(e.Changes)),
	}
	for i, c := range e.Changes {
		w.Changes[i] = wire.Change{
			Kind: kindWords[c.Kind], Stream: c.Stream, Number: c.Number, Name: c.Name,
			First: c.First, Last: c.Last, Sum: c.Sum, IDs: c.IDs, Count: c.Count, Patch: c.Patch,
		}
	}
	return w
}

// pass implements source.
func (s *entries) pass(frames [][]byte) {
	switch string(frames[0]) {
	case wire.STORE:
		s.at.begun = true
	case wire.ENTRY:
		s.at.position, _ = wire.ParseID(frames[1])
		s.at.left--
	}
}

// passAll implements source.
func (s *entries) passAll() { s.at = s.next }

// cancelled implements source.
func (s *entries) cancelled() wire.Reply { return wire.End{} }
