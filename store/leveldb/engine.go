// Package leveldb is the store engine on LevelDB, by way of syndtr/goleveldb.
//
// Goroutines, each owned by a DB and awaited by its Close:
//
//   - commitLoop, the committer: commits what the queue holds; ends when the queue is
//     closed and empty. A caller's goroutine commits small requests itself.
//   - highwaterLoop: records about once a second how far the commits reach, and
//     reopens the database after a fault; ends after the committer.
//   - eraseLoop: purges old bytes from the disk; ends when Close tells it to stop and
//     it has finished, or when Close tells it to abandon the rest.
//
// The engine imports these packages, from the highest down. None of them imports
// it: repair rebuilds a damaged store; logscan reads the log of a database; datadir
// knows the store's directory; ldb guards goleveldb; record defines the formats on
// disk.
//
// The path of an Append: call.go measures it, queue.go gathers it with others
// unless nothing else waits, and commit.go checks its expectations, gives out ids
// and positions, writes one batch and answers. ldb's guard writes the batch to the
// journal with one fsync. A Read goes through read.go for one stream, and through
// select.go for several.
package leveldb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// Options of Open. The zero value works.
type Options struct {
	// Log receives what the engine reports about faults. Default: discarded.
	Log *slog.Logger

	// GaveUp is called once if the disk has failed for a minute, attempts to reopen
	// the database included. Somebody should look at the disk, and the program
	// should close the store. It must not block and must not call the store.
	// Default: nothing.
	GaveUp func(error)

	// Progress is called every few seconds while Open repairs a damaged database,
	// with the arguments of repair.Options.Progress. Default: nothing.
	Progress func(what string, done, of int)

	// wrap puts a layer between the disk and the engine, for tests.
	wrap func(datadir.Disk) datadir.Disk
	// eager purges erased bytes from the disk at once, for tests.
	eager bool
}

// A DB is a store on LevelDB. It implements store.Store.
type DB struct {
	log      *slog.Logger
	disk     datadir.Disk
	lock     *os.File               // nil in memory
	high     *datadir.HighwaterFile // nil in memory; owned by start, then highwaterLoop, then Close
	identity store.Identity

	merging sync.Mutex // held while LevelDB merges for the eraser and must not be closed

	handle sync.RWMutex // protects the fields below; held for reading while db is used
	db     *leveldb.DB  // nil if it could not be reopened after a fault
	guard  *ldb.Guard
	opened map[int64]bool // tables in use when the database was opened; see sweep.go

	state sync.Mutex // protects the field below
	last  record.Tip // the end of the log on disk; written by the committer

	// The holder of turn may commit: the committer, or a caller with a small
	// request. turn protects the fields below and everything documented as the
	// committer's.
	turn     sync.Mutex
	commit   commit
	health   health
	inverse  *leveldb.Batch // removes the commit that failed, until that has been done
	pacer    pacer
	syncTook time.Duration // by the last commit
	slowness slowness

	counts   counts
	faults   faultTimer
	gaveUp   func(error)
	progress func(what string, done, of int) // nil once the store is open, or if nobody asked

	queue   queue
	streams streams
	names   logscan.Names
	recent  recent
	eraser  eraser
	secret  []byte // see key.go

	committed chan struct{} // closed when commitLoop has ended
	recorded  chan struct{} // closed when highwaterLoop has ended
	closing   sync.Once
	closeErr  error
}

var _ store.Store = (*DB)(nil)

// Open opens the store in dir, or makes one in a directory that is empty or does
// not exist. It repairs a damaged database if the repair loses nothing, and keeps
// the damaged one beside it. Open refuses an incomplete store and then changes
// nothing in it: it first opens the database on an overlay, and only then for real.
func Open(dir string, o Options) (*DB, error) {
	lock, err := datadir.Lock(dir)
	if err != nil {
		return nil, fmt.Errorf("open store: %w", err)
	}
	d, err := openLocked(dir, o)
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("open store %s: %w", dir, err)
	}
	d.lock = lock
	return d, nil
}

func openLocked(dir string, o Options) (*DB, error) {
	on, made := datadir.Dir(dir), false
	if err := on.FinishReplace(); err != nil {
		return nil, err
	}
	if _, err := os.Stat(on.Database()); errors.Is(err, os.ErrNotExist) {
		if err := datadir.Create(dir); err != nil {
			return nil, err
		}
		made = true
	}
	id, copied, err := datadir.ReadIdentity(on)
	if err != nil {
		return nil, err
	}
	if err := on.RemoveLeft(); err != nil {
		return nil, err
	}
	d := newDB(o, id, on)
	began := time.Now()
	d.log.Info("opening the store", "directory", dir, "store", id.ID, "generation", id.Generation)
	if err := d.start(); err != nil {
		return nil, err
	}
	d.log.Info("store opened", "position", d.tip().Position, "erasing", d.eraser.pending.Load(), "took", time.Since(began).Round(time.Millisecond))
	if made {
		d.log.Info("created a new, empty store", "directory", dir)
	}
	if copied {
		d.log.Warn("the file with the store's identity was damaged; rewriting it", "file", datadir.FormatName)
	}
	if err := on.KeepIdentity(id, copied); err != nil {
		d.log.Warn("cannot write the second copy of the store's identity", "error", err)
	}
	return d, nil
}

// OpenMemory makes an empty store that writes no files and ends with the process.
func OpenMemory(o Options) (*DB, error) {
	d := newDB(o, datadir.NewIdentity(), datadir.Memory{Storage: storage.NewMemStorage()})
	return d, d.start()
}

func newDB(o Options, id store.Identity, on datadir.Disk) *DB {
	d := &DB{
		log: o.Log, identity: id, disk: on,
		committed: make(chan struct{}), recorded: make(chan struct{}),
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if o.wrap != nil {
		d.disk = o.wrap(on)
	}
	d.secret = []byte(id.Secret)
	d.commit.keys, d.commit.cursors = make(map[string]int), make(map[string]cursorMove)
	d.faults.limit, d.gaveUp, d.progress = giveUpAfter, o.GaveUp, o.Progress
	if d.gaveUp == nil {
		d.gaveUp = func(error) {}
	}
	d.counts.init()
	d.queue.init()
	d.streams.init()
	d.names.Init()
	d.recent.init()
	d.eraser.init()
	if o.eager {
		d.eraser.gather = 0
	}
	return d
}

// start opens the database, checks that its log is complete, and starts the
// goroutines.
func (d *DB) start() (err error) {
	if d.high, err = datadir.OpenHighwater(d.disk, false); err != nil {
		return err
	}
	var least datadir.Highwater
	if d.high != nil {
		defer func() {
			if err != nil {
				d.high.Close()
			}
		}()
		least = d.high.Last
	}
	d.last, err = d.openFirst(least)
	if errors.Is(err, store.ErrDamaged) {
		if err = d.repairOnOpen(least, err); err == nil {
			d.last, err = d.openFirst(least)
		}
	}
	if err != nil {
		return err
	}
	d.counts.refuse(d.health.cause)
	d.recent.last = d.last.Position
	d.progress = nil
	go d.commitLoop()
	go d.highwaterLoop()
	go d.eraseLoop()
	return nil
}

// highwaterLoop records about once a second how far the commits reach, and once
// more after the committer has ended. It also reopens the database after a fault,
// even when no requests come.
func (d *DB) highwaterLoop() {
	defer close(d.recorded)
	if d.high == nil {
		<-d.committed
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for ended := false; !ended; {
		select {
		case <-tick.C:
		case <-d.committed:
			ended = true
		}
		if !ended {
			d.probe()
		}
		last := d.tip()
		if last.Position == d.high.Last.Position {
			continue
		}
		if err := d.high.Write(datadir.Highwater{Position: last.Position, Chain: last.Chain}); err != nil {
			d.log.Warn("cannot write the high-water file", "error", err)
			d.noteFault(err)
		}
	}
}

func (d *DB) tip() record.Tip {
	d.state.Lock()
	defer d.state.Unlock()
	return d.last
}

// Info implements store.Store.
func (d *DB) Info() store.Info {
	return store.Info{
		ID: d.identity.ID, Generation: d.identity.Generation,
		Format: record.Version, LastPosition: d.tip().Position, Erasing: int(d.eraser.pending.Load()),
	}
}

// Close implements store.Store.
func (d *DB) Close() error {
	d.closing.Do(func() {
		d.queue.close() // 1. accept no more writes
		<-d.committed   // 2. commit what was accepted
		d.recent.close()
		<-d.recorded     // 3. record how far the commits reach
		d.eraser.close() // 4. finish the pending erasures, if that is quick
		d.turn.Lock()    // and keep the turn: nobody writes any more
		d.handle.Lock()  // 5. wait for the readers, then close the database
		full := d.guard != nil && errors.Is(ldb.WithFull(d.guard.Err()), store.ErrFull)
		if err := d.closeHandle(); full {
			// A merge found no room. Its input is still there, and synced.
			d.log.Warn("closing the database on a full disk", "error", err)
		} else {
			d.closeErr = err
		}
		d.handle.Unlock()
		d.turn.Unlock()
		<-d.eraser.ended // it may have waited for either lock
		if d.high != nil {
			d.closeErr = errors.Join(d.closeErr, d.high.Close())
		}
		if d.lock != nil {
			d.closeErr = errors.Join(d.closeErr, d.lock.Close())
		}
	})
	return d.closeErr
}

// use calls f with the database, which stays open until f returns.
func (d *DB) use(ctx context.Context, f func(*leveldb.DB) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	d.handle.RLock()
	defer d.handle.RUnlock()
	if d.db == nil {
		if d.queue.isClosed() {
			return store.ErrClosed
		}
		return fmt.Errorf("%w: the database could not be reopened after a fault", store.ErrUnavailable)
	}
	return f(d.db)
}
