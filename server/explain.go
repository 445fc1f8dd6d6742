package server

import (
	"errors"
	"strconv"
	"time"

	"gorewind/store"
	"gorewind/wire"
)

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
