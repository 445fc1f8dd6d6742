package auth

import (
	"slices"
	"time"
)

// Admissions bounds how many connections there are. Only those count that were
// let in: whoever has a connection and does not get through the handshake keeps
// nobody out. libzmq does not tell which connection it was let in, only when one
// comes, and when it ends; but it ends those whose handshake takes too long. So all
// that are older than that are in, and of the others as many at most as were let
// in of late. It is the loop's.
type Admissions struct {
	most      int                // 0: no limit
	handshake time.Duration      // how long one may take
	came      map[ConnID]arrival // until they end
	arrivals  int                // so far
	young     []arrival          // in order of time; some have ended
	younger   int                // of came, those of young
	admitted  []time.Time        // of late, in order
}

// NewAdmissions returns the admissions of a server that has no connection. There may be
// so many; 0: no limit. A handshake takes so long at most.
func NewAdmissions(most int, handshake time.Duration) Admissions {
	return Admissions{most: most, handshake: handshake, came: make(map[ConnID]arrival)}
}

// A ConnID is who has a descriptor, at a domain. When one
// domain's connection gets the descriptor that the other's had, its coming may be
// heard of before that one's end.
type ConnID struct {
	Domain Domain
	FD     int
}

// An arrival is a connection that came at a time. Descriptors are used again,
// numbers are not.
type arrival struct {
	ConnID
	number int
	at     time.Time
}

// Accepted is called when a connection has come.
func (a *Admissions) Accepted(c ConnID, now time.Time) {
	if a.most == 0 {
		return
	}
	a.arrivals++
	a.came[c] = arrival{c, a.arrivals, now}
	a.young = append(a.young, a.came[c])
	a.younger++
	a.age(now)
}

// Ended is called when a connection has ended. A request came over it if it asked:
// then it was let in for certain, and keeps nobody out while strangers come.
func (a *Admissions) Ended(c ConnID, asked bool, now time.Time) {
	if a.most == 0 {
		return
	}
	a.age(now)
	came, ok := a.came[c]
	if !ok {
		return
	}
	delete(a.came, c)
	if now.Sub(came.at) > a.handshake {
		return
	}
	a.younger--
	if in := slices.IndexFunc(a.admitted, func(at time.Time) bool { return !at.Before(came.at) }); asked && in >= 0 {
		a.admitted = slices.Delete(a.admitted, in, in+1)
	}
}

// age moves on what is no longer young.
func (a *Admissions) age(now time.Time) {
	for len(a.young) > 0 && now.Sub(a.young[0].at) > a.handshake {
		if first := a.young[0]; a.came[first.ConnID].number == first.number {
			a.younger--
		}
		a.young = a.young[1:]
	}
	for len(a.admitted) > 0 && now.Sub(a.admitted[0]) > a.handshake {
		a.admitted = a.admitted[1:]
	}
}

// Admit reports whether one of the young connections may be let in, and counts it.
func (a *Admissions) Admit(now time.Time) bool {
	a.age(now)
	others := max(a.younger-1, 0)
	if len(a.came)-a.younger+min(others, len(a.admitted)) >= a.most {
		return false
	}
	a.admitted = append(a.admitted, now)
	return true
}
