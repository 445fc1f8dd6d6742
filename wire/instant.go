package wire

import (
	"regexp"
	"time"
)

// TimeForm is the form of times: RFC 3339 in UTC with all six digits of the
// microseconds, so that times sort and round-trip.
const TimeForm = "2006-01-02T15:04:05.000000Z"

// The first and the last time of since and until; earlier and later times are read
// as these. No event is older than the first. The first is not the zero time, which
// would mean no bound. No year after the last has four digits.
var (
	firstTime = time.Unix(0, 0).UTC()
	lastTime  = time.Date(9999, 12, 31, 23, 59, 59, 999_999_000, time.UTC)
)

// instant returns t as since and until compare it. Event times are whole
// microseconds, so a bound is rounded up to the next one.
func instant(t time.Time) time.Time {
	t = t.Add(time.Microsecond - time.Nanosecond).Truncate(time.Microsecond).UTC()
	switch {
	case t.Before(firstTime):
		return firstTime
	case t.After(lastTime):
		return lastTime
	}
	return t
}

// rfc3339 is stricter than package time, which accepts hours of one digit, commas,
// and zones a day away. Digits after the nanoseconds would be lost.
var rfc3339 = regexp.MustCompile(
	`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)$`)

// parseInstant reads a time in RFC 3339.
func parseInstant(b []byte) (t time.Time, ok bool) {
	if !rfc3339.Match(b) {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, string(b))
	if err != nil {
		return time.Time{}, false
	}
	return instant(t), true
}

// parseTime reads a time in a reply. Package time accepts more than TimeForm, for
// example hours of one digit.
func parseTime(b []byte) (t time.Time, ok bool) {
	t, err := time.Parse(TimeForm, string(b))
	return t, err == nil && t.Format(TimeForm) == string(b)
}
