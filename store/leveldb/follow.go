package leveldb

import (
	"errors"
	"fmt"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/util"

	"gorewind/store"
)

// check verifies that the commits reach at least as far as least and that none
// after it is missing, and returns the last one. It reads the commits of about
// a second, however large the store is.
func check(db *leveldb.DB, least highwater) (tip, error) {
	last := tip{nextNumber: 1}
	if least.position > 0 {
		value, err := db.Get(commitKey(least.position), nil)
		if errors.Is(err, leveldb.ErrNotFound) {
			return last, fmt.Errorf("%w: the commit at position %d is missing", store.ErrDamaged, least.position)
		}
		if err != nil {
			return last, fault(fmt.Sprintf("commit at position %d", least.position), err)
		}
		var c commitRecord
		if err := c.parse(commitKey(least.position), value); err != nil {
			return last, err
		}
		if c.chain != least.chain {
			return last, fmt.Errorf("%w: the commit at position %d is another one than the store had", store.ErrDamaged, least.position)
		}
		last = c.tip()
	}
	return follow(db, last, func(*commitRecord) {})
}

// follow verifies that no commit after last is missing, calls f for each, and returns
// the last one.
func follow(db *leveldb.DB, last tip, f func(c *commitRecord)) (tip, error) {
	err := commitsAfter(db, last.position, func(c *commitRecord, value []byte) error {
		if !c.follows(last.chain, value) {
			return missingBetween(last.position, c.last)
		}
		last = c.tip()
		f(c)
		return nil
	})
	return last, err
}

// missingBetween returns the error of a commit that does not follow the one before.
func missingBetween(position, next uint64) error {
	return fmt.Errorf("%w: a commit between the positions %d and %d is missing", store.ErrDamaged, position, next)
}

// commitsAfter calls f for each commit after position, in order, with its
// record and the octets of that, which are valid until f returns. It ends with
// f's first error.
func commitsAfter(db *leveldb.DB, position uint64, f func(c *commitRecord, value []byte) error) error {
	it := db.NewIterator(&util.Range{Start: commitKey(position + 1), Limit: []byte{kindCommit + 1}}, nil)
	defer it.Release()
	var c commitRecord
	for it.Next() {
		if err := c.parse(it.Key(), it.Value()); err != nil {
			return err
		}
		if err := f(&c, it.Value()); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fault(fmt.Sprintf("commits after position %d", position), err)
	}
	return nil
}

// erasures calls f for each record.
func erasures(db *leveldb.DB, f func(erasure) (more bool)) error {
	it := db.NewIterator(util.BytesPrefix([]byte{kindErasure}), nil)
	defer it.Release()
	for it.Next() {
		e, err := parseErasure(it.Key(), it.Value())
		if err != nil {
			return err
		}
		if !f(e) {
			break
		}
	}
	if err := it.Error(); err != nil {
		return fault("records of erasures", err)
	}
	return nil
}
