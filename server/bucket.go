package server

import (
	"strconv"
	"time"

	"gorewind/wire"
)

// A bucket bounds the requests a second of a key or a connection: each takes a
// token, and there are as many new ones every second, and at most, as are
// allowed.
type bucket struct {
	tokens float64
	filled time.Time
}

// take reports whether there was a token.
func (b *bucket) take(rate int, now time.Time) bool {
	b.tokens = min(b.tokens+now.Sub(b.filled).Seconds()*float64(rate), float64(rate))
	b.filled = now
	if b.tokens < 1 {
		return false
	}
	b.tokens--
	return true
}

// bucketOf returns the bucket of a connection: that of its key if it has one.
func (l *loop) bucketOf(user string) *bucket {
	if l.maxRequests == 0 {
		return nil
	}
	if user == "" {
		return new(bucket)
	}
	b := l.buckets[user]
	if b == nil {
		b = new(bucket)
		l.buckets[user] = b
	}
	return b
}

// busy returns what a connection is told that asks too often, nil if it does not.
func (l *loop) busy(c *conn) *wire.Error {
	if c.bucket == nil || c.bucket.take(l.maxRequests, time.Now()) {
		return nil
	}
	return wire.Errorf(wire.Busy, "send it again in a second, and fewer at once", "too many requests a second came from you").
		With(wire.Param{Name: "limit", Value: strconv.Itoa(l.maxRequests)})
}
