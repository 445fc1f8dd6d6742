package repair

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// Verify reads all of the store in dir, which must not be open, and reports whether
// it is whole: each event's checksum, id, position and time, the commits from the
// first one on, and all other records. It changes nothing. progress, which may be
// nil, is called now and then with the number of events done and in total. Verify
// takes about 150 bytes of memory per stream.
//
// Damage is not an error. An error says why the store could not be verified, or not
// to the end, for example leveldb.ErrInUse, leveldb.ErrFormat, store.ErrUnavailable
// or that of ctx.
func Verify(ctx context.Context, dir string, progress func(done, of int)) (Report, error) {
	return newVerifier(ctx, progress).verify(dir)
}

// VerifyAll is Verify that reports every piece of damage. That may take as much
// memory as there are events.
func VerifyAll(ctx context.Context, dir string, progress func(done, of int)) (Report, error) {
	v := newVerifier(ctx, progress)
	v.report.all = true
	return v.verify(dir)
}

// VerifyDatabase verifies an open database, without the files beside it. It is for
// the engine. progress and errors are those of Verify.
func VerifyDatabase(ctx context.Context, db *leveldb.DB, progress func(done, of int)) (Report, error) {
	v := newVerifier(ctx, progress)
	v.db = db
	err := v.all()
	return v.report, err
}

// verify verifies the store in dir.
func (v *verifier) verify(dir string) (Report, error) {
	err := v.open(dir)
	if errors.Is(err, store.ErrDamaged) {
		v.tell(Damage{What: err.Error()})
		err = nil
	}
	if err != nil {
		return v.report, fmt.Errorf("verify store %s: %w", dir, err)
	}
	return v.report, nil
}

// A verifier compares the copies of the same facts that a store holds in several
// places. It reads each kind of key once, in order. Events and commits have
// different orders, so it compares checksums of them.
type verifier struct {
	ctx      context.Context
	progress func(done, of int)
	db       *leveldb.DB
	report   Report
	told     map[string]bool // damaged files already reported
	streams  map[uint64]*verified
	reach    map[uint64]uint64 // chains in the high-water file, by position
	last     record.Tip        // the end of the commits so far
	gaps     []Damage          // ids that no commit has
	lost     bool              // there are commits lost in an earlier repair
	cursorAt map[string]uint64 // cursors by key, according to the commits
	done, of uint64            // events
	keys     int
}

// A verified is what was found of a stream.
type verified struct {
	record.Counter
	name      uint64 // checksum of its name
	named     bool
	committed uint64       // the last event according to the commits
	removed   uint64       // deleted up to this id according to the commits
	erasing   uint64       // deleted events up to this id may still exist
	read      uint64       // events up to this id were read
	expected  uint64       // checksum of its events according to the commits
	found     uint64       // checksum of the events that were read
	damaged   bool         // the checksums differ because of it
	lost      []record.Run // events lost in an earlier repair
	requests  uint64       // checksum of its requests with keys in commits, minus that of their records
}

func newVerifier(ctx context.Context, progress func(done, of int)) *verifier {
	return &verifier{
		ctx: ctx, progress: progress,
		streams: make(map[uint64]*verified), told: make(map[string]bool), reach: make(map[uint64]uint64),
		cursorAt: make(map[string]uint64),
	}
}

// verifyEvery is how many keys are read between calls of progress.
const verifyEvery = 1 << 12

// open opens the store in dir and verifies it.
func (v *verifier) open(dir string) error {
	path := filepath.Join(dir, datadir.DBName)
	if _, err := os.Stat(path); err != nil {
		return datadir.Missing(dir, err)
	}
	lock, err := datadir.Lock(dir)
	if err != nil {
		return err
	}
	defer lock.Close()
	if _, copied, err := datadir.ReadIdentity(datadir.Dir(dir)); err != nil {
		return err
	} else if copied {
		v.tellf(datadir.DamagedIdentity)
	}
	if err := v.highwater(filepath.Join(dir, datadir.HighwaterName)); err != nil {
		return err
	}
	files, err := storage.OpenFile(path, true)
	if err != nil {
		return err
	}
	db, g, err := ldb.OpenOverlay(files)
	if err != nil {
		return err
	}
	v.db = db
	return errors.Join(v.all(), db.Close(), g.Close())
}

// all verifies all kinds of keys, each after those that it depends on.
func (v *verifier) all() error {
	for _, verify := range []func() error{
		v.counters, v.names, v.commits, v.erasures, v.pages, v.compare, v.cursors, v.requests, v.unknownKeys, v.place,
	} {
		if err := v.tick(); err != nil {
			return err
		}
		if err := verify(); err != nil {
			return err
		}
	}
	return nil
}

// tell adds a piece of damage to the report.
func (v *verifier) tell(d Damage) {
	if d.number > 0 && v.report.takes(len(v.report.Damage)) {
		// An unreadable name is reported where names are verified.
		d.Stream, _ = v.db.Get(record.NameKey(d.number), &leniently)
	}
	v.report.addDamage(d)
}

func (v *verifier) tellf(format string, args ...any) {
	v.tell(Damage{What: fmt.Sprintf(format, args...)})
}

// highwater verifies the high-water file, and keeps its chains for the check of
// commits.
func (v *verifier) highwater(path string) error {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		v.tellf("the file %s is missing: cannot tell whether the end of the log is lost", path)
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close()
	var halves [2]datadir.Highwater
	var ok, blank [2]bool
	for i := range halves {
		if halves[i], ok[i], blank[i], err = datadir.ReadSlot(f, int64(i)); err != nil {
			return err
		}
		if ok[i] && halves[i].Position > 0 {
			v.reach[halves[i].Position] = halves[i].Chain
		}
	}
	for i := range halves {
		switch other := 1 - i; {
		case ok[i]:
		case ok[other] && blank[i] && halves[other].Position == 0: // never written
		case ok[other]:
			v.report.Notes = append(v.report.Notes, fmt.Sprintf(
				"one half of the file %s is unreadable, as after a power cut; the other half is intact, at position %d", path, halves[other].Position))
		case i == 0:
			v.tellf("neither half of the file %s is readable: cannot tell whether the end of the log is lost", path)
		}
	}
	return nil
}

// leniently skips damaged blocks; strictly ends a scan at one.
var (
	strictly  = opt.ReadOptions{DontFillCache: true}
	leniently = opt.ReadOptions{DontFillCache: true, Strict: opt.StrictOverride | opt.StrictBlockChecksum}
)

// scan calls f for each key from start to limit, and reports damage. It goes on
// behind it.
func (v *verifier) scan(start, limit []byte, f func(key, value []byte)) error {
	var last []byte
	for _, o := range []*opt.ReadOptions{&strictly, &leniently} {
		it := v.db.NewIterator(&util.Range{Start: start, Limit: limit}, o)
		for it.Next() {
			if v.keys++; v.keys%verifyEvery == 0 {
				if err := v.tick(); err != nil {
					it.Release()
					return err
				}
			}
			f(it.Key(), it.Value())
			last = append(last[:0], it.Key()...)
		}
		err := it.Error()
		it.Release()
		switch {
		case err == nil:
			return nil
		case !ldberrors.IsCorrupted(err) && !errors.Is(err, os.ErrNotExist):
			return ldb.Fault("leveldb", err)
		case !v.told[err.Error()]:
			v.told[err.Error()] = true
			v.tell(Damage{What: err.Error()})
		}
		if last != nil {
			start = append(last[:len(last):len(last)], 0)
		}
	}
	return nil
}

// kind scans the keys of a kind.
func (v *verifier) kind(kind byte, f func(key, value []byte)) error {
	return v.scan([]byte{kind}, []byte{kind + 1}, f)
}

// tick reports progress, and returns an error if ctx is done.
func (v *verifier) tick() error {
	if v.progress != nil {
		v.progress(int(min(v.done, v.of)+1)/2, int(v.of+1)/2) // each event is read in two places
	}
	return v.ctx.Err()
}
