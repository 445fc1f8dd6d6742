package repair

import (
	"fmt"
	"slices"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// recoverDatabase is leveldb.Recover for files with damaged tables, too. LevelDB
// would make those anew itself, but compares their keys in another order than the
// one they are in, and gives up where a table has two values of one key.
func (r *repair) recoverDatabase(files storage.Storage, o *opt.Options) (*leveldb.DB, error) {
	tables, err := files.List(storage.TypeTable)
	if err != nil {
		return nil, err
	}
	if r.missing {
		r.holes = append(r.holes, ldb.Hole{})
	}
	for _, fd := range tables {
		lost, err := ldb.Salvage(files, fd)
		if err != nil {
			return nil, err
		}
		r.holes = append(r.holes, lost...)
	}
	return leveldb.Recover(files, o)
}

// doubt returns what may be missing of a database, or be older than it was, though
// nothing that is there tells so, since blocks of its tables were left out. And it
// makes the records of erasures anew that may have been in these.
func (r *repair) doubt(db *leveldb.DB) (doubts []Damage, err error) {
	if len(r.holes) == 0 {
		return nil, nil
	}
	covered := func(key []byte) bool {
		return slices.ContainsFunc(r.holes, func(d ldb.Hole) bool { return d.Covers(key) })
	}
	var again leveldb.Batch
	last := uint64(0)
	err = logscan.CommitsAfter(db, 0, func(c *record.Commit, _ []byte) error {
		last = c.Last
		c.Erasures(func(position uint64, e record.Erasure) {
			if key := record.ErasureKey(position); covered(key) {
				again.Put(key, e.Append(nil))
			}
		})
		if len(again.Dump()) < rebuildBytes {
			return nil
		}
		defer again.Reset()
		return db.Write(&again, nil)
	})
	if err == nil {
		err = db.Write(&again, nil)
	}
	if err == nil {
		err = logscan.Erasures(db, func(e record.Erasure) bool {
			if e.Kind == record.OpReplace && covered(record.AppendEventKey(nil, e.Number, e.Last)) {
				doubts = append(doubts, Damage{number: e.Number, First: e.First, Last: e.First,
					What: "it was replaced, and nobody can tell whether this is what it was replaced with"})
			}
			return true
		})
	}
	if covered(record.CommitKey(last + 1)) {
		doubts = append(doubts, Damage{What: fmt.Sprintf("commits after the position %d, if there were any", last)})
	}
	return doubts, err
}
