package leveldb

import (
	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store/leveldb/internal/logscan"
	"gorewind/store/leveldb/internal/record"
)

// erase purges the bytes of some pending erasures from the disk, and removes their
// records.
func (d *DB) erase() error {
	var batch []record.Erasure
	var on *leveldb.DB
	err := d.maintain(func(db *leveldb.DB) error {
		on = db
		err := logscan.Erasures(db, func(e record.Erasure) bool {
			batch = append(batch, e)
			return len(batch) < eraseMost
		})
		if err == nil && len(batch) == 0 {
			d.eraser.pending.Store(0)
		}
		return err
	})
	if err != nil || len(batch) == 0 {
		return err
	}
	var ranges []util.Range
	for i := range batch {
		of, err := d.removePages(&batch[i])
		if err != nil {
			return err
		}
		ranges = append(ranges, of...)
	}
	if err := d.compact(on, ranges); err != nil {
		return err
	}
	if err := d.awaitRemoval(on); err != nil {
		return err
	}
	return d.maintain(func(db *leveldb.DB) error {
		if db != on {
			return errReopened
		}
		return d.eraser.finish(db, batch)
	})
}

// finish removes the records of finished erasures.
func (e *eraser) finish(db *leveldb.DB, batch []record.Erasure) error {
	var done leveldb.Batch
	for i := range batch {
		done.Delete(record.ErasureKey(batch[i].Position))
	}
	if err := db.Write(&done, nil); err != nil { // not synced: what a crash brings back is done again
		return err
	}
	for i := range batch {
		if batch[i].Kind == record.OpDelete {
			e.removed(batch[i].Number, batch[i].Last)
		}
	}
	e.pending.Add(-int64(len(batch)))
	return nil
}
