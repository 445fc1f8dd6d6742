package auth

import (
	"testing"
	"time"
)

// TestAdmissions plays a sequence of connections with times of its own.
func TestAdmissions(t *testing.T) {
	now := time.Now()
	a := NewAdmissions(2, time.Second)
	connect := func(fd int, want bool) {
		t.Helper()
		a.Accepted(ConnID{FD: fd}, now)
		if have := a.Admit(now); have != want {
			t.Fatalf("connection %d at %v: want %v, have %v", fd, now, want, have)
		}
	}
	a.Accepted(ConnID{FD: 1}, now) // never gets through its handshake
	connect(2, true)
	a.Ended(ConnID{FD: 1}, false, now)
	connect(1, true) // its descriptor is reused
	connect(3, false)
	a.Ended(ConnID{FD: 3}, false, now)
	now = now.Add(2 * time.Second) // 1 and 2 are old
	connect(4, false)
	a.Ended(ConnID{FD: 4}, false, now)
	a.Ended(ConnID{FD: 2}, false, now)
	connect(5, true)
	connect(6, false)
	now = now.Add(2 * time.Second)
	a.Ended(ConnID{FD: 6}, false, now)
	a.Ended(ConnID{FD: 5}, false, now)
	a.Ended(ConnID{FD: 1}, false, now)
	a.age(now)
	if len(a.open) != 0 || a.young != 0 || len(a.recent) != 0 || len(a.admitted) != 0 {
		t.Errorf("something is left: %+v", a)
	}
}

// TestAdmissionsOfTwoSockets: one socket may report a descriptor before the other reports
// the end of the connection that had it. Peers that connected to both and left at once
// wore the limit down until it held nobody off.
func TestAdmissionsOfTwoSockets(t *testing.T) {
	now := time.Now()
	one, other := ConnID{Requests, 7}, ConnID{Broadcasts, 7}
	a := NewAdmissions(1, time.Second)
	a.Accepted(one, now)
	a.Accepted(other, now)
	a.Ended(one, false, now)
	if !a.Admit(now) {
		t.Fatal("the first connection is not admitted")
	}
	now = now.Add(2 * time.Second)
	a.Accepted(one, now)
	if a.Admit(now) {
		t.Error("a second connection is admitted")
	}
	a.Ended(one, false, now)
	a.Ended(other, false, now)
	if len(a.open) != 0 || a.young != 0 {
		t.Errorf("something is left: %+v", a)
	}
}

// TestAdmissionsOfUsedConnections: an ended connection that sent a request does not count,
// however many others are still in their handshakes.
func TestAdmissionsOfUsedConnections(t *testing.T) {
	now := time.Now()
	a := NewAdmissions(2, time.Minute)
	for range 5 {
		a.Accepted(ConnID{FD: 1}, now)
		if !a.Admit(now) {
			t.Fatal("an ended connection keeps it out")
		}
		a.Ended(ConnID{FD: 1}, true, now)
	}
	for fd := 10; fd < 20; fd++ {
		a.Accepted(ConnID{FD: fd}, now)
	}
	for fd, want := range []bool{true, true, false} {
		a.Accepted(ConnID{FD: fd}, now)
		if have := a.Admit(now); have != want {
			t.Errorf("connection %d: want %v, have %v", fd, want, have)
		}
	}
}
