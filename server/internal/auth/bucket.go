package auth

import (
	"strconv"
	"time"

	"gorewind/wire"
)

// A Bucket bounds the requests a second of a key or a connection: each takes a
// token, and there are as many new ones every second, and at most, as are
// allowed.
type Bucket struct {
	tokens float64
	filled time.Time
}

// take reports whether there was a token.
func (b *Bucket) take(rate int, now time.Time) bool {
	b.tokens = min(b.tokens+now.Sub(b.filled).Seconds()*float64(rate), float64(rate))
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// Rates bounds the requests a second of keys and of connections. It is the loop's.
type Rates struct {
	most    int                // of each; 0: no limit
	buckets map[string]*Bucket // of keys
}

// NewRates returns rates of so many requests a second at most; 0: no limit.
func NewRates(most int) Rates { return Rates{most, make(map[string]*Bucket)} }

// Bucket returns the bucket of a connection: that of its key if it has one. It is nil
// where there is no limit.
func (r *Rates) Bucket(user string) *Bucket {
	if r.most == 0 {
		return nil
	}
	if user == "" {
		return new(Bucket)
	}
	b := r.buckets[user]
	if b == nil {
		b = new(Bucket)
		r.buckets[user] = b
	}
	return b
}

// Busy returns what a connection is told that asks too often, nil if it does not.
func (r *Rates) Busy(b *Bucket) *wire.Error {
	if b == nil || b.take(r.most, time.Now()) {
		return nil
	}
	return wire.Errorf(wire.Busy, "send it again in a second, and fewer at once", "too many requests a second came from you").
		With(wire.Param{Name: "limit", Value: strconv.Itoa(r.most)})
}

// Forget drops the buckets of keys that rules do not have.
func (r *Rates) Forget(rules *Rules) {
	for user := range r.buckets {
		if rules.principals[user] == nil {
			delete(r.buckets, user)
		}
	}
}
