package main

import "math/rand/v2"

// payload is random bytes, so that nobody can compress them. Events are
// slices of it at moving places: making them costs the clients nothing.
type payload []byte

func newPayload() payload {
	p := make(payload, 4<<20)
	_, _ = rand.NewChaCha8([32]byte{}).Read(p) // never fails
	return p
}

// event returns the i-th event of a size. It must not be changed.
func (p payload) event(i, size int) []byte {
	at := i * size % (len(p) - size)
	return p[at : at+size]
}
