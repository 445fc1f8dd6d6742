package auth

import (
	"strconv"

	"golang.org/x/time/rate"

	"gorewind/wire"
)

// Rates limits the requests per second of keys and of connections. The loop owns it.
type Rates struct {
	most     int                      // of each; 0 for no limit
	limiters map[string]*rate.Limiter // by key
}

// NewRates returns rates of at most so many requests per second; 0 for no limit.
func NewRates(most int) Rates { return Rates{most, make(map[string]*rate.Limiter)} }

// Limiter returns the limiter of a connection. Connections with the same key share one.
// It is nil if there is no limit.
func (r *Rates) Limiter(key string) *rate.Limiter {
	if r.most == 0 {
		return nil
	}
	if key == "" {
		return r.newLimiter()
	}
	l := r.limiters[key]
	if l == nil {
		l = r.newLimiter()
		r.limiters[key] = l
	}
	return l
}

// newLimiter returns a limiter that allows a second's requests at once.
func (r *Rates) newLimiter() *rate.Limiter { return rate.NewLimiter(rate.Limit(r.most), r.most) }

// Busy counts a request. It returns an ERROR if there were too many, and nil otherwise.
func (r *Rates) Busy(l *rate.Limiter) *wire.Error {
	if l == nil || l.Allow() {
		return nil
	}
	return wire.Errorf(wire.Busy, "send it again in a second, and fewer at once", "you sent too many requests per second").
		With(wire.Param{Name: "limit", Value: strconv.Itoa(r.most)})
}

// Forget drops the limiters of keys that rules do not have.
func (r *Rates) Forget(rules *Rules) {
	for key := range r.limiters {
		if rules.principals[key] == nil {
			delete(r.limiters, key)
		}
	}
}
