package leveldb

import (
	"time"

	"gorewind/store/leveldb/internal/ldb"
)

// eraseLoop is the eraser's goroutine.
func (d *DB) eraseLoop() {
	e := &d.eraser
	defer close(e.ended)
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	damaged := false // what is pending cannot leave the disk
	for stopping := false; !stopping; {
		select {
		case <-e.wake:
			stopping = e.pause(e.gather)
		case <-tick.C:
			if err := d.sweep(); err != nil {
				d.log.Warn("tables that are not in use cannot be removed", "error", err)
			}
		case <-e.stop:
			stopping = true
		}
		if !damaged {
			stopping, damaged = d.erasePending(stopping)
		}
	}
}

// erasePending erases until no record is left. It reports whether it is time to finish, and
// whether it met damage: then nothing more is to be erased.
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
			d.log.Warn("old bytes cannot be removed yet; trying again", "pending", e.pending.Load(), "error", err)
			wait = eraseRetry
		}
		if e.pending.Load() > 0 {
			stopping = e.pause(wait)
		}
	}
	return stopping, false
}

// leaveErased leaves what is erased where it is, until the store is opened the next
// time: a block that cannot be read is not merged with others. LevelDB has met it, and
// would refuse every write from now on, of all streams; so the database is opened again.
func (d *DB) leaveErased(cause error) {
	d.log.Error("the store is damaged: what was replaced or deleted cannot leave the disk; restore a backup, or see with gorewind verify and gorewind repair what can be done",
		"pending", d.eraser.pending.Load(), "error", cause)
	d.turn.Lock()
	defer d.turn.Unlock()
	if d.eraser.abandoned() || d.fault() != nil {
		return
	}
	_, err := d.reopen(cause)
	d.counts.refuse(err)
}
