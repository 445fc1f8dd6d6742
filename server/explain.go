package server

import (
	"errors"
	"strconv"

	"gorewind/store"
	"gorewind/wire"
)

// explain turns an error of the store into the ERROR that the peer gets. Nothing else
// does.
func (l *loop) explain(err error) *wire.Error {
	if refused := (*wire.Error)(nil); errors.As(err, &refused) {
		return refused
	}
	if e := explainWrite(err); e != nil {
		return e
	}
	switch {
	case errors.Is(err, store.ErrTooLarge):
		return wire.Errorf(wire.TooLarge, "send less in one request", "%v", err)
	case errors.Is(err, store.ErrUnknownID):
		return wire.Errorf(wire.UnknownID, "give an id that the stream holds; or add nearest to a QUERY", "%v", err)
	case errors.Is(err, store.ErrBadRange):
		return wire.Errorf(wire.BadRange, "give an upto that is not before after", "%v", err)
	case errors.Is(err, store.ErrOutcomeUnknown):
		l.complain("outcome of a write unknown: it may or may not have been applied", err)
		return wire.Errorf(wire.OutcomeUnknown, "check whether it was stored before sending it again", "the disk failed during the write")
	case errors.Is(err, store.ErrFull):
		l.complain("cannot write to the store", err)
		return wire.Errorf(wire.ReadOnly, "nothing was changed; writes resume by themselves once there is space; queries still work", "the server's disk is full")
	case errors.Is(err, store.ErrUnavailable):
		l.complain("store unavailable", err)
		return wire.Errorf(wire.ReadOnly, "nothing was changed; try again later; see the server's log", "the store is unavailable: the disk failed")
	case errors.Is(err, store.ErrDamaged):
		damaged := wire.Errorf(wire.Damaged, "see the server's log; events before this are intact, and those after it can be queried", "stored data is damaged")
		if errors.Is(err, store.ErrAccepted) {
			damaged.What, damaged.Do = "events were lost when the store was repaired", "events before this are intact; query those after it"
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
	return wire.Errorf(wire.Internal, "see the server's log", "internal error of the server")
}

// explainWrite explains the errors that only writes return; nil for other errors.
func explainWrite(err error) *wire.Error {
	var conflict *store.Conflict
	var behind *store.Behind
	switch {
	case errors.As(err, &conflict):
		return wire.Errorf(wire.Conflict, "read the events in between, then decide again", "the stream's last event is not the expected one").
			With(wire.Param{Name: "group", Value: strconv.Itoa(conflict.Group)}, wire.Hex("stream", conflict.Stream), wire.Hex("last", wire.ID(conflict.Last)))
	case errors.As(err, &behind):
		return wire.Errorf(wire.Behind, "add rewind to move it back", "the cursor is already past this").
			With(wire.Hex("cursor", wire.ID(behind.Cursor)))
	case errors.Is(err, store.ErrKeyReused):
		return wire.Errorf(wire.KeyReused, "give each request a key of its own", "another request was stored under this key")
	case errors.Is(err, store.ErrInvalid):
		return wire.Errorf(wire.Malformed, "see protocol.md for what is allowed", "%v", err)
	}
	return nil
}

// complain logs an error of the store, at most once a second: every request may cause
// one.
func (l *loop) complain(what string, err error) {
	due := false
	l.complaints.Do(func() { due = true }) // which holds a mutex, as a log that blocks must not
	if due {
		l.log.Error(what, "error", err)
	}
}

func stopping() *wire.Error {
	return wire.Errorf(wire.Stopping, "try again when it is back", "the server is stopping")
}
