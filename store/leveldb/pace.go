package leveldb

import (
	"time"

	"github.com/syndtr/goleveldb/leveldb"
)

// A pacer slows the committer down while LevelDB's compactions fall behind. Left to
// itself, LevelDB takes writes at full speed until too many tables wait, and then
// none for seconds. A short wait before each commit lets compactions keep up. The
// pacer belongs to the committer.
type pacer struct {
	looked time.Time
	step   time.Duration // wait per event
}

const (
	paceLook  = 10 * time.Millisecond // how often it looks
	paceFrom  = 32                    // number of level-0 tables above which it slows down
	paceStep  = 500 * time.Nanosecond // per event and per table above that
	paceLimit = 100 * time.Millisecond
)

// pace waits as long as db needs before a commit of so many events. It returns how
// long it waited.
func (p *pacer) pace(db *leveldb.DB, events int) (waited time.Duration) {
	if now := time.Now(); now.Sub(p.looked) >= paceLook {
		p.looked = now
		var s leveldb.DBStats
		p.step = 0
		if err := db.Stats(&s); err == nil && len(s.LevelTablesCounts) > 0 {
			p.step = time.Duration(max(s.LevelTablesCounts[0]-paceFrom, 0)) * paceStep
		}
	}
	if p.step > 0 {
		waited = min(p.step*time.Duration(events), paceLimit)
		time.Sleep(waited)
	}
	return waited
}
