package server

import "time"

// admissions bounds how many connections there are. Only those count that were
// let in: whoever has a connection and does not get through the handshake keeps
// nobody out. libzmq does not tell which connection it was let in, only when one
// comes, and when it ends; but it ends those whose handshake takes too long. So all
// that are older than that are in, and of the others as many at most as were let
// in of late. It is the loop's.
type admissions struct {
	most      int             // 0: no limit
	handshake time.Duration   // how long one may take
	came      map[int]arrival // by descriptor, until they end
	arrivals  int             // so far
	young     []arrival       // in order of time; some have ended
	younger   int             // of came, those of young
	admitted  []time.Time     // of late, in order
}

// An arrival is a connection that came at a time. Descriptors are used again,
// numbers are not.
type arrival struct {
	fd, number int
	at         time.Time
}

// accepted is called when a connection has come.
func (a *admissions) accepted(fd int, now time.Time) {
	if a.most == 0 {
		return
	}
	a.arrivals++
	a.came[fd] = arrival{fd, a.arrivals, now}
	a.young = append(a.young, a.came[fd])
	a.younger++
	a.age(now)
}

// ended is called when a connection has ended.
func (a *admissions) ended(fd int, now time.Time) {
	if a.most == 0 {
		return
	}
	a.age(now)
	if c, ok := a.came[fd]; ok {
		delete(a.came, fd)
		if now.Sub(c.at) <= a.handshake {
			a.younger--
		}
	}
}

// age moves on what is no longer young.
func (a *admissions) age(now time.Time) {
	for len(a.young) > 0 && now.Sub(a.young[0].at) > a.handshake {
		if first := a.young[0]; a.came[first.fd].number == first.number {
			a.younger--
		}
		a.young = a.young[1:]
	}
	for len(a.admitted) > 0 && now.Sub(a.admitted[0]) > a.handshake {
		a.admitted = a.admitted[1:]
	}
}

// admit reports whether one of the young connections may be let in, and counts it.
func (a *admissions) admit(now time.Time) bool {
	a.age(now)
	others := max(a.younger-1, 0)
	if len(a.came)-a.younger+min(others, len(a.admitted)) >= a.most {
		return false
	}
	a.admitted = append(a.admitted, now)
	return true
}
