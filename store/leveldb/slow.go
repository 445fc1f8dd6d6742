package leveldb

import (
	"log/slog"
	"time"
)

// A slowness logs some of the commits whose sync was slow; on a slow disk all are.
// It belongs to the holder of the turn.
type slowness struct {
	told  time.Time // when one was logged
	since int       // how many came after that
}

const (
	slowSync  = time.Second
	slowEvery = 10 * time.Second // log one in this time
)

func (s *slowness) note(log *slog.Logger, c *commit, took time.Duration) {
	if took < slowSync {
		return
	}
	now := time.Now()
	if now.Sub(s.told) < slowEvery {
		s.since++
		return
	}
	log.Warn("slow commit: check the disk", "took", took.Round(time.Millisecond), "events", c.count,
		"position", c.record.Last, "others_since", s.since)
	s.told, s.since = now, 0
}
