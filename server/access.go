package server

import (
	"gorewind/server/internal/auth"
	"gorewind/store"
)

// A Right is what a client needs for a command.
type Right string

// The rights.
const (
	Read  Right = "read"  // QUERY, STREAMS, COMMIT, CURSOR, WAIT; of everything: broadcasts
	Write Right = "write" // PUBLISH, APPEND
	Admin Right = "admin" // REPLACE, DELETE; of everything: LOG
)

// A Client is somebody whom the server knows by a key, and the streams for which
// it has each right; nil is none.
type Client struct {
	Name  string
	Key   string // public, in Z85
	Read  *store.Selection
	Write *store.Selection
	Admin *store.Selection
}

// An Access is the clients that a server knows. It does not change: to have other
// rules, a server is given another one.
type Access struct{ rules *auth.Rules }

// NewAccess returns an Access of clients. Each has a name and a key of its own.
func NewAccess(clients []Client) (*Access, error) {
	known := make([]auth.Client, len(clients))
	for i, c := range clients {
		known[i] = auth.Client(c)
	}
	rules, err := auth.NewRules(known)
	if err != nil {
		return nil, err
	}
	return &Access{rules}, nil
}

// Len returns how many clients there are.
func (a *Access) Len() int { return a.rules.Len() }

// decides returns the rules of a; nil if a is, and everybody may do everything.
func (a *Access) decides() *auth.Rules {
	if a == nil {
		return nil
	}
	return a.rules
}
