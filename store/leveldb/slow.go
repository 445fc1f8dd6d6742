package leveldb

import (
	"log/slog"
	"time"
)

// A slowness logs commits whose sync took long, some of them: where a disk is
// slow, all are. Whoever has the turn owns it.
type slowness struct {
	told  time.Time // when one was logged
	since int       // how many there were after that
}

const (
	slowSync  = time.Second
	slowEvery = 10 * time.Second // one is logged
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
	log.Warn("slow commit: see to the disk", "took", took.Round(time.Millisecond), "events", c.count,
		"position", c.record.Last, "others_since", s.since)
	s.told, s.since = now, 0
}
