// Package ldb opens goleveldb's databases, and stands between LevelDB and their
// files. It adds what LevelDB leaves out, classifies its errors, and reads tables
// that LevelDB would refuse. It imports the contract in store and the formats in
// package record.
package ldb

import (
	"errors"
	"fmt"

	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

// Open opens a database for writing on guarded files; dir is their directory, or
// nil. If it fails, both are closed, and the error is an ErrDamaged or
// ErrUnavailable.
func Open(files storage.Storage, dir Directory) (*leveldb.DB, *Guard, error) {
	return OpenWith(files, dir, &Settings, leveldb.Open)
}

// OpenWith is Open with another function that opens the database.
func OpenWith(files storage.Storage, dir Directory, o *opt.Options,
	open func(storage.Storage, *opt.Options) (*leveldb.DB, error)) (*leveldb.DB, *Guard, error) {
	g := newGuard(files, dir)
	db, err := open(g, o)
	if err != nil {
		if refused := g.Err(); refused != nil {
			err = refused // LevelDB does not wrap it
		}
		g.Close()
		return nil, nil, Fault("leveldb", named(err))
	}
	return db, g, nil
}

// named adds file names to errors of LevelDB that leave them out.
func named(err error) error {
	var corrupted *ldberrors.ErrCorrupted
	if !errors.As(err, &corrupted) || !corrupted.Fd.Zero() {
		return err
	}
	if missing := (*ldberrors.ErrMissingFiles)(nil); errors.As(corrupted.Err, &missing) {
		return fmt.Errorf("%w: %v", err, missing.Fds[:min(len(missing.Fds), 10)])
	}
	return fmt.Errorf("%w: CURRENT, or the manifest that it names", err)
}
