package server

import (
	"errors"
	"fmt"

	zmq "github.com/pebbe/zmq4"

	"gorewind/server/internal/auth"
	"gorewind/store"
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
// it has each right. A nil selection holds no stream.
type Principal struct {
	Name  string
	Key   string // public, in Z85
	Read  *store.Selection
	Write *store.Selection
	Admin *store.Selection
}

// An Access is the set of principals that a server knows. It is immutable; Server.Allow
// replaces it.
type Access struct{ rules *auth.Rules }

// NewAccess returns an Access for principals. Each must have a name and a key of its
// own.
func NewAccess(principals []Principal) (*Access, error) {
	known := make([]auth.Principal, len(principals))
	for i, p := range principals {
		known[i] = auth.Principal(p)
	}
	rules, err := auth.NewRules(known)
	if err != nil {
		return nil, err
	}
	return &Access{rules}, nil
}

// Len returns the number of principals.
func (a *Access) Len() int { return a.rules.Len() }

// ruleset returns the rules of a, or nil if a is nil and everybody may do everything.
func (a *Access) ruleset() *auth.Rules {
	if a == nil {
		return nil
	}
	return a.rules
}

// Curve is a CURVE key pair, in Z85.
type Curve struct{ Public, Secret string }

// IsKey reports whether text is a CURVE key in Z85.
func IsKey(text string) bool { return auth.IsKey(text) }

// NewCurve generates a key pair.
func NewCurve() (Curve, error) {
	public, secret, err := zmq.NewCurveKeypair()
	if err != nil {
		return Curve{}, fmt.Errorf("libzmq was built without CURVE: %w", err)
	}
	return Curve{public, secret}, nil
}

// CurveOf returns the key pair of a secret key.
func CurveOf(secret string) (Curve, error) {
	if !IsKey(secret) {
		return Curve{}, errors.New("the secret key is not 40 characters of Z85")
	}
	public, err := zmq.AuthCurvePublic(secret)
	if err != nil {
		return Curve{}, fmt.Errorf("libzmq was built without CURVE: %w", err)
	}
	return Curve{public, secret}, nil
}
