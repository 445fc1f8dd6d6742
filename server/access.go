package server

import (
	"errors"
	"fmt"

	zmq "github.com/pebbe/zmq4"

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

// A Principal is somebody whom the server knows by a key, and the streams for which
// it has each right; nil is none.
type Principal struct {
	Name  string
	Key   string // public, in Z85
	Read  *store.Selection
	Write *store.Selection
	Admin *store.Selection
}

// An Access is the principals that a server knows. It does not change: to have other
// rules, a server is given another one.
type Access struct{ rules *auth.Rules }

// NewAccess returns an Access of principals. Each has a name and a key of its own.
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

// Len returns how many principals there are.
func (a *Access) Len() int { return a.rules.Len() }

// decides returns the rules of a; nil if a is, and everybody may do everything.
func (a *Access) decides() *auth.Rules {
	if a == nil {
		return nil
	}
	return a.rules
}

// Curve is a CURVE key pair, in Z85.
type Curve struct{ Public, Secret string }

// IsKey reports whether text is a CURVE key in Z85.
func IsKey(text string) bool { return auth.IsKey(text) }

// NewCurve makes a key pair.
func NewCurve() (Curve, error) {
	public, secret, err := zmq.NewCurveKeypair()
	if err != nil {
		return Curve{}, fmt.Errorf("this libzmq makes no CURVE keys: %w", err)
	}
	return Curve{public, secret}, nil
}

// CurveOf returns the pair that a secret key is of.
func CurveOf(secret string) (Curve, error) {
	if !IsKey(secret) {
		return Curve{}, errors.New("the secret key is not 40 characters of Z85")
	}
	public, err := zmq.AuthCurvePublic(secret)
	if err != nil {
		return Curve{}, fmt.Errorf("this libzmq has no CURVE: %w", err)
	}
	return Curve{public, secret}, nil
}
