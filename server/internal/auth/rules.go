// Package auth decides who may connect to the broker, who may do what, and how much of
// it: the rules of principals, the handler of ZAP that libzmq asks about connections, and
// the limits of connections and of requests.
//
// It stands on wire, for what is answered, on store's selections and on pebbe/zmq4, and
// knows neither the loop nor what requests do.
package auth

import (
	"fmt"

	"gorewind/store"
	"gorewind/wire"
)

// A Right is what a client needs for a command.
type Right string

// The rights.
const (
	Read  Right = "read"  // QUERY, STREAMS, COMMIT, CURSOR, WAIT; of everything: broadcasts
	Write Right = "write" // PUBLISH, APPEND
	Admin Right = "admin" // REPLACE, DELETE; of everything: LOG
)

// A Principal is somebody whom the server knows by a key, and the streams for which
// it has each right; nil is none. server.Principal has the same fields, so that one
// converts to the other.
type Principal struct {
	Name  string
	Key   string // public, in Z85
	Read  *store.Selection
	Write *store.Selection
	Admin *store.Selection
}

// Rules are the principals that a server knows. They do not change: a server is given others.
type Rules struct{ principals map[string]*Principal }

// NewRules returns rules of principals. Each has a name and a key of its own.
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
			return nil, fmt.Errorf("client %q: its key %q is none; give the 40 characters that gorewind keygen prints", p.Name, p.Key)
		case r.principals[p.Key] != nil:
			return nil, fmt.Errorf("client %q has the key of %q; give each a key of its own", p.Name, r.principals[p.Key].Name)
		}
		names[p.Name] = true
		r.principals[p.Key] = &p
	}
	return r, nil
}

// Of returns the client with a key in Z85; nil if there is none.
func (r *Rules) Of(key []byte) *Principal { return r.principals[string(key)] }

// Len returns how many principals there are.
func (r *Rules) Len() int { return len(r.principals) }

// of returns the streams for which c has a right.
func (p *Principal) of(right Right) *store.Selection {
	switch right {
	case Read:
		return p.Read
	case Write:
		return p.Write
	}
	return p.Admin
}

// May returns why c may not do something to a stream, nil if it may.
func (p *Principal) May(command string, right Right, stream []byte) *wire.Error {
	if p.of(right).Matches(stream) {
		return nil
	}
	return denied(command, right, "that stream").With(wire.Hex("stream", stream))
}

// MaySelect does so for several streams. A part of an answer would look like a
// whole one: so whoever may not have all of it gets none.
func (p *Principal) MaySelect(command string, right Right, streams *store.Selection) *wire.Error {
	if p.of(right).Covers(streams) {
		return nil
	}
	return denied(command, right, "every stream that is asked for")
}

// MayIn does so for a stream or, if it is empty, for the whole store.
func (p *Principal) MayIn(command string, right Right, stream []byte) *wire.Error {
	if len(stream) > 0 {
		return p.May(command, right, stream)
	}
	return p.MayAll(command, right)
}

// everything is all streams.
var everything = store.Prefix(nil)

// MayAll does so for what is of the whole store.
func (p *Principal) MayAll(command string, right Right) *wire.Error {
	if p.of(right).Covers(everything) {
		return nil
	}
	return denied(command, right, "all streams")
}

func denied(command string, right Right, streams string) *wire.Error {
	return wire.Errorf(wire.Denied, "ask for less, or have the server's operator allow it",
		"%s takes the right %s for %s, which this key has not", command, right, streams).
		With(wire.Param{Name: "command", Value: command}, wire.Param{Name: "right", Value: string(right)})
}

// UnknownKey is for a key that was removed while its connection goes on.
func UnknownKey() *wire.Error {
	return wire.Errorf(wire.Denied, "have the server's operator add it", "the server knows this key no more")
}

// Narrows reports whether somebody may do less by the rules of b than by those of
// a.
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
