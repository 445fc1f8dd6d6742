package leveldb

import (
	"sync/atomic"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
)

// counts are the engine's counters for Stats.
type counts struct {
	commits histogram // from a commit's first request to its end, in nanoseconds
	syncs   histogram // of the journal, in nanoseconds
	events  histogram // per commit

	delays  atomic.Uint64 // commits delayed by the pacer
	delayed atomic.Int64  // total delay, in nanoseconds

	event   atomic.Uint64          // position of the last event; 0: this process has committed none yet
	writing atomic.Int64           // when the commit being written began, in nanoseconds since 1970; 0: none is
	refusal atomic.Pointer[string] // why writes are refused; nil: they are not
}

func (c *counts) init() {
	c.commits.bounds, c.syncs.bounds, c.events.bounds = durations, durations, numbers
}

func (c *counts) delay(waited time.Duration) {
	if waited > 0 {
		c.delays.Add(1)
		c.delayed.Add(int64(waited))
	}
}

// refuse notes why writes are refused; nil means that they are accepted.
func (c *counts) refuse(err error) {
	switch {
	case err != nil:
		why := err.Error()
		c.refusal.Store(&why)
	case c.refusal.Load() != nil:
		c.refusal.Store(nil)
	}
}

// Stats are the counters since the store was opened, and its present state.
type Stats struct {
	Commits Histogram // seconds from a commit's first request to its end
	Syncs   Histogram // seconds per sync of a commit
	Events  Histogram // events per commit

	Refusal string        // why writes are refused; empty: they are accepted
	Writing time.Duration // see DB.Writing
	Free    int64         // bytes the store may still write; -1 in memory

	Delays  uint64        // commits that waited for LevelDB's compactions
	Delayed time.Duration // total wait

	LevelDB *LevelDBStats // nil while the database is closed or being reopened
}

// LevelDBStats are LevelDB's own counters. They start again at zero when the
// database is reopened after a fault.
type LevelDBStats struct {
	Levels      []Level
	Paused      bool              // it takes no writes until it has compacted
	Read        uint64            // bytes
	Written     uint64            // bytes, including those of compactions
	Compactions map[string]uint64 // by kind
}

// A Level is one of LevelDB's.
type Level struct {
	Tables int
	Bytes  int64
}

// Writing returns how long the commit under way has taken so far, including undoing
// it after a fault; 0 if there is none.
func (d *DB) Writing() time.Duration {
	since := d.counts.writing.Load()
	if since == 0 {
		return 0
	}
	return max(1, time.Since(time.Unix(0, since)))
}

// Stats returns the present counters. It does not wait for commits, nor for a
// database that is being opened.
func (d *DB) Stats() Stats {
	c := &d.counts
	s := Stats{
		Commits: c.commits.read(float64(time.Second)), Syncs: c.syncs.read(float64(time.Second)), Events: c.events.read(1),
		Writing: d.Writing(), Free: -1, Delays: c.delays.Load(), Delayed: time.Duration(c.delayed.Load()),
	}
	if why := c.refusal.Load(); why != nil {
		s.Refusal = *why
	}
	if free, err := d.disk.Free(); err == nil && d.lock != nil {
		s.Free = free
	}
	if !d.handle.TryRLock() {
		return s
	}
	defer d.handle.RUnlock()
	if d.db == nil {
		return s
	}
	var l leveldb.DBStats
	if d.db.Stats(&l) != nil {
		return s
	}
	s.Delays += uint64(l.WriteDelayCount)
	s.Delayed += l.WriteDelayDuration
	s.LevelDB = &LevelDBStats{
		Paused: l.WritePaused, Read: l.IORead, Written: l.IOWrite,
		Compactions: map[string]uint64{
			"memory": uint64(l.MemComp), "level0": uint64(l.Level0Comp), "levels": uint64(l.NonLevel0Comp), "seeks": uint64(l.SeekComp),
		},
	}
	s.LevelDB.Levels = make([]Level, max(1, len(l.LevelTablesCounts))) // LevelDB has no level before the first table
	for i, n := range l.LevelTablesCounts {
		s.LevelDB.Levels[i] = Level{Tables: n, Bytes: l.LevelSizes[i]}
	}
	return s
}
