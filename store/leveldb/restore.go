package leveldb

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
	"gorewind/store/leveldb/repair"
)

// A Restore makes a store from the log of another store, commit by commit, with the
// events that still exist. One goroutine uses it.
//
// Nothing is synced before Finish. A crash leaves the beginning of the log, and
// perhaps a part of the next commit; NewRestore continues from there.
type Restore struct {
	dir    string
	on     datadir.Restoring
	id     store.Identity
	source string
	lock   *os.File
	db     *leveldb.DB
	guard  *ldb.Guard
	last   record.Tip
	gap    bool // a store.Gap was added: earlier commits are not all known
	torn   bool // a part of the next commit may be on disk; see spill
	pacer  pacer
	cache  streams

	commit commit
	next   func() (*store.Event, error) // returns the remaining events of the commit
	event  *store.Event                 // the next of them, nil after the last
}

// NewRestore begins to make a store in dir, which must hold none, or continues one
// that it began; see Position. source names what the store is made from, for
// example by a checksum. A restore begun from the same source keeps the identity
// that it began with. A restore begun from another source is removed, because the
// two might not fit together. Errors are those of Open.
func NewRestore(dir string, id store.Identity, source string) (*Restore, error) {
	r := &Restore{dir: dir, on: datadir.Restoring(dir), id: id, source: source}
	err := r.open()
	if err != nil {
		r.Close()
		return nil, fmt.Errorf("restore store %s: %w", dir, err)
	}
	return r, nil
}

func (r *Restore) open() (err error) {
	if err := datadir.CheckIdentity(r.id); err != nil {
		return err
	}
	if r.lock, err = r.on.Lock(); err != nil {
		return err
	}
	id, begun, err := r.on.Begun(r.source)
	if err != nil {
		return err
	}
	if r.torn = begun; begun {
		r.id = id
	} else if err := r.on.Make(r.id, r.source); err != nil {
		return err
	}
	if r.db, r.guard, err = r.on.Open(); err != nil {
		return err
	}
	r.commit.keys, r.commit.cursors = make(map[string]int), make(map[string]cursorMove)
	r.cache.init()
	r.last, err = logscan.Follow(r.db, record.Tip{NextNumber: 1}, func(c *record.Commit) { r.gap = r.gap || c.Lost() })
	return err
}

// Identity returns the identity of the new store.
func (r *Restore) Identity() store.Identity { return r.id }

// Position returns the position of the last commit added, including those of an
// earlier, unfinished Restore.
func (r *Restore) Position() uint64 { return r.last.Position }

// put writes a batch, without a sync.
func (r *Restore) put(b *leveldb.Batch) error {
	if err := r.db.Write(b, nil); err != nil {
		return r.refused(err)
	}
	return nil
}

func (r *Restore) refused(err error) error {
	if refused := r.guard.Err(); refused != nil {
		err = refused
	}
	return ldb.Fault("leveldb", err)
}

// Finish verifies the store as repair.Verify does, syncs it, moves it into place,
// and closes it. If the store is not whole, the error is an ErrDamaged, the report
// says why, and the store stays as it is.
func (r *Restore) Finish(ctx context.Context, progress func(done, of int)) (repair.Report, error) {
	report, err := r.finish(ctx, progress)
	if err != nil {
		return report, fmt.Errorf("restore store %s: %w", r.dir, err)
	}
	return report, nil
}

func (r *Restore) finish(ctx context.Context, progress func(done, of int)) (repair.Report, error) {
	if err := r.sync(); err != nil {
		return repair.Report{}, err
	}
	report, err := repair.VerifyDatabase(ctx, r.db, progress)
	if err == nil && report.Damaged > 0 {
		err = fmt.Errorf("%w: %v", store.ErrDamaged, report.Damage[0])
	}
	if err == nil {
		err = r.closeDatabase()
	}
	if err == nil {
		err = r.on.Finish(r.id, datadir.Highwater{Position: r.last.Position, Chain: r.last.Chain})
	}
	if err == nil {
		err = r.Close()
	}
	return report, err
}

// sync makes everything that was added durable, by writing the last commit once
// more with a sync.
func (r *Restore) sync() error {
	if r.last.Position == 0 {
		return nil
	}
	value, err := r.db.Get(record.CommitKey(r.last.Position), nil)
	if err == nil {
		err = r.db.Put(record.CommitKey(r.last.Position), value, &opt.WriteOptions{Sync: true})
	}
	if err != nil {
		return r.refused(err)
	}
	return nil
}

func (r *Restore) closeDatabase() error {
	if r.db == nil {
		return nil
	}
	err := errors.Join(r.db.Close(), r.guard.Close())
	r.db = nil
	return err
}

// Close closes it. An unfinished restore can be continued.
func (r *Restore) Close() error {
	err := r.closeDatabase()
	if r.lock != nil {
		err = errors.Join(err, r.lock.Close())
		r.lock = nil
	}
	return err
}
