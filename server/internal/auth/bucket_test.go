package auth

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	var b Bucket
	now := time.Now()
	take := func(want int) {
		t.Helper()
		have := 0
		for b.take(10, now) {
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
}
