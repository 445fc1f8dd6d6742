package daemontest

import (
	"testing"
	"time"
)

// Await polls until a condition holds.
func Await(t testing.TB, is func() bool, what func() string) {
	t.Helper()
	for until := time.Now().Add(time.Minute); !is(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(until) {
			t.Fatal(what())
		}
	}
}
