// Package auth decides who may connect to the broker, who may do what, and how often:
// the rules of principals, the ZAP handler that libzmq asks about connections, and the
// limits of connections and of requests.
//
// It builds on wire for ERRORs, on store for selections and on pebbe/zmq4. It knows
// neither the loop nor what requests do.
package auth

import (
	"fmt"

	"gorewind/store"
	"gorewind/wire"
)

// A Right is what a principal needs for a command.
type Right string

// The rights.
const (
	Read  Right = "read"  // QUERY, STREAMS, COMMIT, CURSOR, WAIT; for all streams: broadcasts
	Write Right = "write" // PUBLISH, APPEND
	Admin Right = "admin" // REPLACE, DELETE; for all streams: LOG
)

// A Principal is a client that the server knows by its key, with the streams for which
// it has each right. A nil selection holds no stream. server.Principal has the same
// fields, so that one converts to the other.
type Principal struct {
	Name  string
	Key   string // public, in Z85
	Read  *store.Selection
	Write *store.Selection
	Admin *store.Selection
}

// Rules are the principals that a server knows. They are immutable: to change them, a
// server is given others.
type Rules struct{ principals map[string]*Principal }

// NewRules returns rules for principals. Each must have a name and a key of its own.
func NewRules(principals []Principal) (*Rules, error) {
	r := &Rules{principals: make(map[string]*Principal, len(principals))}
	names := make(map[string]bool, len(principals))
	for i, p := range principals {
		switch {
		case p.Name == "":
			return nil, fmt.Errorf("client %d has no name; give it one, for the log", i+1)
		case names[p.Name]:
			return nil, fmt.Errorf("two clients are called %q; give each a name of its own", p.Name)
		case !IsKey(p.Key):
			return nil, fmt.Errorf("client %q: %q is not a valid public key; give the 40 characters that gorewind keygen prints", p.Name, p.Key)
		case r.principals[p.Key] != nil:
			return nil, fmt.Errorf("client %q has the same key as %q; give each a key of its own", p.Name, r.principals[p.Key].Name)
		}
		names[p.Name] = true
		r.principals[p.Key] = &p
	}
	return r, nil
}

// Of returns the principal with a key in Z85; nil if there is none.
func (r *Rules) Of(key []byte) *Principal { return r.principals[string(key)] }

// Len returns the number of principals.
func (r *Rules) Len() int { return len(r.principals) }

// of returns the streams for which p has a right.
func (p *Principal) of(right Right) *store.Selection {
	switch right {
	case Read:
		return p.Read
	case Write:
		return p.Write
	}
	return p.Admin
}

// May returns an ERROR if p does not have a right on a stream, and nil if it has.
func (p *Principal) May(command string, right Right, stream []byte) *wire.Error {
	if p.of(right).Matches(stream) {
		return nil
	}
	return denied(command, right, "that stream").With(wire.Hex("stream", stream))
}

// MaySelect does so for a selection. A partial answer would look like a complete one,
// so p needs the right on every stream that the selection can match.
func (p *Principal) MaySelect(command string, right Right, streams *store.Selection) *wire.Error {
	if p.of(right).Covers(streams) {
		return nil
	}
	return denied(command, right, "every stream that it selects")
}

// MayIn does so for a stream or, if the name is empty, for all streams.
func (p *Principal) MayIn(command string, right Right, stream []byte) *wire.Error {
	if len(stream) > 0 {
		return p.May(command, right, stream)
	}
	return p.MayAll(command, right)
}

// everything selects all streams.
var everything = store.Prefix(nil)

// MayAll does so for all streams.
func (p *Principal) MayAll(command string, right Right) *wire.Error {
	if p.of(right).Covers(everything) {
		return nil
	}
	return denied(command, right, "all streams")
}

func denied(command string, right Right, streams string) *wire.Error {
	return wire.Errorf(wire.Denied, "ask for less, or ask the server's operator to allow it",
		"%s needs the right %s on %s, which this key does not have", command, right, streams).
		With(wire.Param{Name: "command", Value: command}, wire.Param{Name: "right", Value: string(right)})
}

// UnknownKey is the ERROR for a key that was removed while its connection was open.
func UnknownKey() *wire.Error {
	return wire.Errorf(wire.Denied, "ask the server's operator to add it", "the server does not know this key any more")
}

// Narrows reports whether a change to other rules takes a right away from anybody.
func (r *Rules) Narrows(to *Rules) bool {
	for key, old := range r.principals {
		p := to.principals[key]
		if p == nil {
			return true
		}
		for _, right := range []Right{Read, Write, Admin} {
			if !p.of(right).Covers(old.of(right)) {
				return true
			}
		}
	}
	return false
}
