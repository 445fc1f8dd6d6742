package auth

import (
	"testing"
	"time"
)

// TestRates: a key may send a second's requests at once, and gets new ones as time
// passes, up to a second's.
func TestRates(t *testing.T) {
	r := NewRates(10)
	l := r.Limiter("key")
	now := time.Now()
	take := func(want int) {
		t.Helper()
		have := 0
		for l.AllowN(now, 1) {
			have++
		}
		if have != want {
			t.Errorf("want %d, have %d", want, have)
		}
	}
	take(10)
	now = now.Add(500 * time.Millisecond)
	take(5)
	now = now.Add(time.Hour)
	take(10)
	first, second := r.Limiter(""), r.Limiter("")
	if r.Limiter("key") != l || r.Limiter("other") == l || first == second {
		t.Error("want one limiter for each key, and one for each connection without a key")
	}
}

func BenchmarkBusy(b *testing.B) {
	r := NewRates(1 << 40)
	l := r.Limiter("key")
	for b.Loop() {
		if r.Busy(l) != nil {
			b.Fatal("want no limit reached")
		}
	}
}
