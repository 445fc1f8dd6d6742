package auth

import (
	"slices"
	"time"
)

// Admissions limits the number of connections. Only admitted ones count: a connection that
// does not get through its handshake keeps nobody out.
//
// libzmq reports when a connection begins and ends, but not which connection a request to
// admit is about. It does end connections whose handshake takes too long. So every
// connection that is older than a handshake was admitted, and of the younger ones at
// most as many as Admit has recently admitted. The loop owns it.
type Admissions struct {
	most      int                   // 0 for no limit
	handshake time.Duration         // how long one may take
	open      map[ConnID]connection // accepted and not yet ended
	accepted  int                   // so far
	recent    []connection          // young ones in order of time; some have ended
	young     int                   // connections in open that are young
	admitted  []time.Time           // recent admissions, in order
}

// NewAdmissions returns the admissions of a server without connections. most limits them, 0
// for no limit; a handshake takes at most so long.
func NewAdmissions(most int, handshake time.Duration) Admissions {
	return Admissions{most: most, handshake: handshake, open: make(map[ConnID]connection)}
}

// A ConnID names an open connection: its descriptor, and the socket that it belongs to. The
// socket is needed because the two report on their own: one may report a new connection
// before the other reports the end of the connection that had the same descriptor.
type ConnID struct {
	Domain Domain
	FD     int
}

// A connection was accepted at a time. Descriptors are reused, numbers are not.
type connection struct {
	ConnID
	number int
	at     time.Time
}

// Accepted is called when a connection begins.
func (a *Admissions) Accepted(c ConnID, now time.Time) {
	if a.most == 0 {
		return
	}
	a.accepted++
	a.open[c] = connection{c, a.accepted, now}
	a.recent = append(a.recent, a.open[c])
	a.young++
	a.age(now)
}

// Ended is called when a connection ends. used says that a request came over it: then it
// certainly was admitted, and its admission does not count for others any more.
func (a *Admissions) Ended(c ConnID, used bool, now time.Time) {
	if a.most == 0 {
		return
	}
	a.age(now)
	was, ok := a.open[c]
	if !ok {
		return
	}
	delete(a.open, c)
	if now.Sub(was.at) > a.handshake {
		return
	}
	a.young--
	if in := slices.IndexFunc(a.admitted, func(at time.Time) bool { return !at.Before(was.at) }); used && in >= 0 {
		a.admitted = slices.Delete(a.admitted, in, in+1)
	}
}

// age drops what is no longer young.
func (a *Admissions) age(now time.Time) {
	for len(a.recent) > 0 && now.Sub(a.recent[0].at) > a.handshake {
		if first := a.recent[0]; a.open[first.ConnID].number == first.number {
			a.young--
		}
		a.recent = a.recent[1:]
	}
	for len(a.admitted) > 0 && now.Sub(a.admitted[0]) > a.handshake {
		a.admitted = a.admitted[1:]
	}
}

// Admit reports whether one of the young connections may be admitted, and counts it.
func (a *Admissions) Admit(now time.Time) bool {
	a.age(now)
	others := max(a.young-1, 0)
	if len(a.open)-a.young+min(others, len(a.admitted)) >= a.most {
		return false
	}
	a.admitted = append(a.admitted, now)
	return true
}
