package auth

import (
	"time"

	"golang.org/x/time/rate"
)

// logInterval is how often a LogThrottle logs at most.
const logInterval = 10 * time.Second

// A LogThrottle limits how often something is logged that anybody can cause as often as
// they like. The zero value is ready for use, by one goroutine at a time.
type LogThrottle struct {
	throttle rate.Sometimes
	times    int // since it was last logged
}

// Log calls log at once, or not at all if it did so less than logInterval ago. times is
// the number of calls to Log since then, this one included.
func (t *LogThrottle) Log(log func(times int)) {
	t.times++
	t.throttle.Interval = logInterval
	t.throttle.Do(func() {
		log(t.times)
		t.times = 0
	})
}
