package command

import (
	"fmt"
	"time"
)

// timeFlag is the value of a flag that takes a time.
type timeFlag struct{ time.Time }

// UnmarshalText implements encoding.TextUnmarshaler. A duration means that long ago.
func (m *timeFlag) UnmarshalText(text []byte) (err error) {
	if ago, err := time.ParseDuration(string(text)); err == nil && ago >= 0 {
		m.Time = time.Now().Add(-ago)
		return nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if m.Time, err = time.Parse(form, string(text)); err == nil {
			return nil
		}
	}
	return fmt.Errorf("%q is not a valid time; give one such as 2026-03-01T09:30:00Z, a day such as 2026-03-01 (midnight UTC), or how long ago, such as 90m", text)
}
