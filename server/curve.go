package server

import (
	"errors"
	"fmt"

	zmq "github.com/pebbe/zmq4"

	"gorewind/server/internal/auth"
)

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
