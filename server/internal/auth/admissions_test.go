package auth

import (
	"testing"
	"time"
)

// TestAdmissions goes through what time does, without it.
func TestAdmissions(t *testing.T) {
	now := time.Now()
	a := Admissions{most: 2, handshake: time.Second, came: make(map[ConnID]arrival)}
	come := func(fd int, want bool) {
		t.Helper()
		a.Accepted(ConnID{FD: fd}, now)
		if have := a.Admit(now); have != want {
			t.Fatalf("connection %d at %v: want %v, have %v", fd, now, want, have)
		}
	}
	a.Accepted(ConnID{FD: 1}, now) // only handshakes
	come(2, true)
	a.Ended(ConnID{FD: 1}, false, now)
	come(1, true) // its number is used again
	come(3, false)
	a.Ended(ConnID{FD: 3}, false, now)
	now = now.Add(2 * time.Second) // 1 and 2 are old
	come(4, false)
	a.Ended(ConnID{FD: 4}, false, now)
	a.Ended(ConnID{FD: 2}, false, now)
	come(5, true)
	come(6, false)
	now = now.Add(2 * time.Second)
	a.Ended(ConnID{FD: 6}, false, now)
	a.Ended(ConnID{FD: 5}, false, now)
	a.Ended(ConnID{FD: 1}, false, now)
	a.age(now)
	if len(a.came) != 0 || a.younger != 0 || len(a.young) != 0 || len(a.admitted) != 0 {
		t.Errorf("something is left: %+v", a)
	}
}

// TestAdmissionsOfTwoSockets: a descriptor that was one domain's may be heard of as the
// other's before its end is. Strangers who came and went at both had a limit count
// for nothing, in the end.
func TestAdmissionsOfTwoSockets(t *testing.T) {
	now := time.Now()
	one, other := ConnID{Requests, 7}, ConnID{Broadcasts, 7}
	a := Admissions{most: 1, handshake: time.Second, came: make(map[ConnID]arrival)}
	a.Accepted(one, now)
	a.Accepted(other, now)
	a.Ended(one, false, now)
	if !a.Admit(now) {
		t.Fatal("the first one is not let in")
	}
	now = now.Add(2 * time.Second)
	a.Accepted(one, now)
	if a.Admit(now) {
		t.Error("a second one is let in")
	}
	a.Ended(one, false, now)
	a.Ended(other, false, now)
	if len(a.came) != 0 || a.younger != 0 {
		t.Errorf("something is left: %+v", a)
	}
}

// TestAdmissionsBesideUnknownPeers: of those who came and went, only those count who may
// be strangers.
func TestAdmissionsBesideUnknownPeers(t *testing.T) {
	now := time.Now()
	a := Admissions{most: 2, handshake: time.Minute, came: make(map[ConnID]arrival)}
	for range 5 {
		a.Accepted(ConnID{FD: 1}, now)
		if !a.Admit(now) {
			t.Fatal("it is kept out by who went")
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
