package command

import (
	"math"
	"testing"
	"time"
)

func TestID(t *testing.T) {
	for text, want := range map[string]uint64{
		"0": 0, "17": 17, "0017": 17, "0x11": 17, "0xffffffffffffffff": math.MaxUint64, "18446744073709551615": math.MaxUint64,
		"0000000000000011": 17, "00000000000000FF": 255, "1000000000000000": 1 << 60, "01000000000000000": 1e15,
	} {
		var have id
		if err := have.UnmarshalText([]byte(text)); err != nil || uint64(have) != want {
			t.Errorf("%q: want %d, have %d, %v", text, want, have, err)
		}
	}
	for _, text := range []string{"", "-1", "+1", "1_000", "1e3", "11h", "0x", "0x-1", "18446744073709551616", "000000000000001g", "empty", " 1"} {
		var have id
		if err := have.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: want an error, have %d", text, have)
		}
	}
}

func TestTimeFlag(t *testing.T) {
	midnight := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"2026-03-01":                  midnight,
		"2026-03-01T09:30:00Z":        midnight.Add(9*time.Hour + 30*time.Minute),
		"2026-03-01T09:30:00.5+01:00": midnight.Add(8*time.Hour + 30*time.Minute + time.Second/2),
	} {
		var have timeFlag
		if err := have.UnmarshalText([]byte(text)); err != nil || !have.Equal(want) {
			t.Errorf("%q: want %v, have %v, %v", text, want, have, err)
		}
	}
	var ago timeFlag
	before := time.Now()
	if err := ago.UnmarshalText([]byte("90m")); err != nil || ago.Before(before.Add(-90*time.Minute)) || ago.After(time.Now().Add(-90*time.Minute)) {
		t.Errorf("90m: have %v, %v", ago, err)
	}
	for _, text := range []string{"", "yesterday", "-2h", "2026-03-01 09:30:00", "17"} {
		var have timeFlag
		if err := have.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q: want an error, have %v", text, have)
		}
	}
}
