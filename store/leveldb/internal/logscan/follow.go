// Package logscan reads a database: commits in order, verifying that none is
// missing; erasure records; the events in pages; and the names of streams. It
// changes nothing. It imports the formats in package record, and package datadir
// for how far the log must reach.
package logscan

import (
	"errors"
	"fmt"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/ldb"
	"gorewind/store/leveldb/internal/record"
)

// Check verifies that the commits reach at least as far as least and that none
// after it is missing, and returns the end of the log. It reads the commits of
// about a second, however large the store is. A missing or different commit is an
// ErrDamaged.
func Check(db *leveldb.DB, least datadir.Highwater) (record.Tip, error) {
	last := record.Tip{NextNumber: 1}
	if least.Position > 0 {
		value, err := db.Get(record.CommitKey(least.Position), nil)
		if errors.Is(err, leveldb.ErrNotFound) {
			return last, fmt.Errorf("%w: the commit at position %d is missing", store.ErrDamaged, least.Position)
		}
		if err != nil {
			return last, ldb.Fault(fmt.Sprintf("commit at position %d", least.Position), err)
		}
		var c record.Commit
		if err := c.Parse(record.CommitKey(least.Position), value); err != nil {
			return last, err
		}
		if c.Chain != least.Chain {
			return last, fmt.Errorf("%w: the commit at position %d is not the one that the store had", store.ErrDamaged, least.Position)
		}
		last = c.Tip()
	}
	return Follow(db, last, func(*record.Commit) {})
}

// Follow verifies that no commit after last is missing, calls f for each, and
// returns the end of the log. A gap is an ErrDamaged.
func Follow(db *leveldb.DB, last record.Tip, f func(c *record.Commit)) (record.Tip, error) {
	err := CommitsAfter(db, last.Position, func(c *record.Commit, value []byte) error {
		if !c.Follows(last.Chain, value) {
			return MissingBetween(last.Position, c.Last)
		}
		last = c.Tip()
		f(c)
		return nil
	})
	return last, err
}

// MissingBetween returns the error for a commit that does not follow the one
// before.
func MissingBetween(position, next uint64) error {
	return fmt.Errorf("%w: a commit between the positions %d and %d is missing", store.ErrDamaged, position, next)
}

// CommitsAfter calls f for each commit after position, in order. c and its encoding
// value are valid until f returns. It ends with f's first error.
func CommitsAfter(db *leveldb.DB, position uint64, f func(c *record.Commit, value []byte) error) error {
	it := db.NewIterator(&util.Range{Start: record.CommitKey(position + 1), Limit: []byte{record.KindCommit + 1}}, nil)
	defer it.Release()
	var c record.Commit
	for it.Next() {
		if err := c.Parse(it.Key(), it.Value()); err != nil {
			return err
		}
		if err := f(&c, it.Value()); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return ldb.Fault(fmt.Sprintf("commits after position %d", position), err)
	}
	return nil
}

// Erasures calls f for each erasure record in the order of positions, until f
// returns false.
func Erasures(db *leveldb.DB, f func(record.Erasure) (more bool)) error {
	it := db.NewIterator(util.BytesPrefix([]byte{record.KindErasure}), nil)
	defer it.Release()
	for it.Next() {
		e, err := record.ParseErasure(it.Key(), it.Value())
		if err != nil {
			return err
		}
		if !f(e) {
			break
		}
	}
	if err := it.Error(); err != nil {
		return ldb.Fault("erasure records", err)
	}
	return nil
}
