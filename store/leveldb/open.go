package leveldb

import (
	"errors"
	"fmt"

	"github.com/syndtr/goleveldb/leveldb"
	ldberrors "github.com/syndtr/goleveldb/leveldb/errors"
	"github.com/syndtr/goleveldb/leveldb/opt"
	"github.com/syndtr/goleveldb/leveldb/storage"
)

// openFiles opens a database for writing on guarded files; dir is their directory, or
// nil. When it fails, both are closed.
func openFiles(files storage.Storage, dir directory) (*leveldb.DB, *guard, error) {
	return openDatabase(files, dir, &settings, leveldb.Open)
}

// openDatabase opens a database on guarded files, as open does; dir is their
// directory, or nil. When it fails, both are closed.
func openDatabase(files storage.Storage, dir directory, o *opt.Options,
	open func(storage.Storage, *opt.Options) (*leveldb.DB, error)) (*leveldb.DB, *guard, error) {
	g := newGuard(files, dir)
	db, err := open(g, o)
	if err != nil {
		if refused := g.err(); refused != nil {
			err = refused // LevelDB does not wrap it
		}
		g.Close()
		return nil, nil, fault("leveldb", named(err))
	}
	return db, g, nil
}

// named adds the names of files to an error of LevelDB that leaves them out.
func named(err error) error {
	var corrupted *ldberrors.ErrCorrupted
	if !errors.As(err, &corrupted) || !corrupted.Fd.Zero() {
		return err
	}
	if missing, ok := corrupted.Err.(*ldberrors.ErrMissingFiles); ok {
		return fmt.Errorf("%w: %v", err, missing.Fds[:min(len(missing.Fds), 10)])
	}
	return fmt.Errorf("%w: CURRENT, or the manifest that it names", err)
}
