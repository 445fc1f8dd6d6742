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

// rebuildManifest is leveldb.Recover that also handles damaged tables. LevelDB
// would rebuild those itself, but it compares their keys in the wrong order, and
// gives up if a table has two values of one key.
func (r *repair) rebuildManifest(files storage.Storage, o *opt.Options) (*leveldb.DB, error) {
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

// findSuspects returns what a database may lack, or hold in an older version,
// because blocks of its tables were dropped, although nothing in it shows so. It
// also restores the erasure records that may have been in these blocks.
func (r *repair) findSuspects(db *leveldb.DB) (suspects []Damage, err error) {
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
				suspects = append(suspects, Damage{number: e.Number, First: e.First, Last: e.First,
					What: "it was replaced, and this may be the data from before"})
			}
			return true
		})
	}
	if covered(record.CommitKey(last + 1)) {
		suspects = append(suspects, Damage{What: fmt.Sprintf("commits after the position %d, if there were any", last)})
	}
	return suspects, err
}
