package leveldb

import (
	"time"

	"gorewind/store/leveldb/internal/ldb"
)

// eraseLoop is the eraser's goroutine. It ends when Close tells it to stop and
// nothing is pending, or when Close abandons it.
func (d *DB) eraseLoop() {
	e := &d.eraser
	defer close(e.ended)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	damaged := false // pending erasures cannot leave the disk
	for stopping := false; !stopping; {
		select {
		case <-e.wake:
			stopping = e.pause(e.gather)
		case <-tick.C:
			if err := d.sweep(); err != nil {
				d.log.Warn("cannot remove unused tables", "error", err)
			}
		case <-e.stop:
			stopping = true
		}
		if !damaged {
			stopping, damaged = d.erasePending(stopping)
		}
	}
}

// erasePending erases until no record is left. finish reports that it is time to
// end; damaged reports that it met damage and must erase nothing more.
func (d *DB) erasePending(stopping bool) (finish, damaged bool) {
	e := &d.eraser
	for e.pending.Load() > 0 {
		wait := e.gather
		switch err := d.erase(); {
		case ldb.IsDamage(err):
			d.leaveErased(err)
			return stopping, true
		case err != nil && (stopping || e.abandoned()):
			return true, false
		case err != nil:
			d.log.Warn("cannot purge erased data from disk yet; trying again", "pending", e.pending.Load(), "error", err)
			wait = eraseRetry
		}
		if e.pending.Load() > 0 {
			stopping = e.pause(wait)
		}
	}
	return stopping, false
}

// leaveErased leaves pending erasures on disk until the store is next opened:
// LevelDB cannot merge a block that it cannot read. Having met such a block,
// LevelDB would refuse every further write, so the database is reopened.
func (d *DB) leaveErased(cause error) {
	d.log.Error("the store is damaged: replaced and deleted data cannot be purged from disk; restore a backup, or run gorewind verify and gorewind repair",
		"pending", d.eraser.pending.Load(), "error", cause)
	d.turn.Lock()
	defer d.turn.Unlock()
	if d.eraser.abandoned() || d.fault() != nil {
		return
	}
	_, err := d.reopen(cause)
	d.counts.refuse(err)
}
