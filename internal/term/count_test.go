package term

import "testing"

func TestCounted(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 events", 1: "1 event", 2: "2 events", 1000: "1,000 events", 1_000_001: "1,000,001 events",
	} {
		if have := Counted(n, "event"); have != want {
			t.Errorf("want %q, have %q", want, have)
		}
	}
}
