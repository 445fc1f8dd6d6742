// Package datadir manages what a store's directory holds beside its database: the
// lock, the store's identity and the high-water file. It creates databases and
// replaces them. It imports package ldb, which opens databases.
package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/syndtr/goleveldb/leveldb"
	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
)

// Names in a store's directory; see package record.
const (
	lockName   = "LOCK"
	DBName     = "db"
	newDBName  = "db.new"
	FormatName = "FORMAT"
)

// dirMode is the mode of new directories: only the owner may read them, because
// FORMAT holds the secret.
const dirMode = 0o700

// Errors of Probe and Open about a directory that cannot be opened as a store.
var (
	ErrNotDirectory = errors.New("not a directory")
	ErrNotEmpty     = errors.New("not empty, and holds no gorewind store")
	ErrFormat       = errors.New("format not known to this version")
	ErrInUse        = errors.New("in use by another process")
)

// Probe reports why Open would refuse dir, as far as that can be told without
// creating or changing anything.
func Probe(dir string) error {
	if err := inspect(dir); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	f, err := os.Open(filepath.Join(dir, lockName))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() // closing unlocks
	return flock(f)
}

// inspect looks at a directory without touching it.
func inspect(dir string) error {
	fi, err := os.Stat(dir)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if !fi.IsDir() {
		return ErrNotDirectory
	}
	const write, search = 2, 1
	if err := syscall.Access(dir, write|search); err != nil {
		return fmt.Errorf("not writable: %w", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	foreign := false
	for _, e := range entries {
		switch name := e.Name(); {
		case name == DBName:
			_, _, err := ReadIdentity(Dir(dir))
			return err
		case name == restoringName:
			return ErrUnfinished
		case name == lockName, name == newDBName, name == HighwaterName, strings.HasPrefix(name, keptName):
		default:
			foreign = true
		}
	}
	if foreign {
		return ErrNotEmpty
	}
	return nil
}

func flock(f *os.File) error {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return fmt.Errorf("%s: %w", filepath.Dir(f.Name()), ErrInUse)
	}
	return err
}

// Lock creates dir if need be and locks it; closing the file unlocks. Errors are
// those of Probe.
func Lock(dir string) (*os.File, error) {
	if err := inspect(dir); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, err
	}
	return lockFile(dir)
}

// lockFile locks an existing directory.
func lockFile(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, lockName), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, err
	}
	if err := flock(f); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// Create makes an empty database in dir, all or nothing: db appears once it is
// complete. Create discards what an earlier attempt left. It refuses with an
// ErrDamaged if there was a database before.
func Create(dir string) error {
	h, err := OpenHighwater(Dir(dir), true)
	if err != nil {
		return err
	}
	defer h.Close()
	if h.Last.Position > 0 {
		return fmt.Errorf("%w: the database %s is missing; it held commits up to position %d",
			store.ErrDamaged, filepath.Join(dir, DBName), h.Last.Position)
	}
	making := filepath.Join(dir, newDBName)
	if err := os.RemoveAll(making); err != nil {
		return err
	}
	if err := os.Mkdir(making, dirMode); err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(making, FormatName), identityText(NewIdentity())); err != nil {
		return err
	}
	if err := makeDatabase(making); err != nil {
		return err
	}
	if err := syncDir(making); err != nil {
		return err
	}
	if err := os.Rename(making, filepath.Join(dir, DBName)); err != nil {
		return err
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Dir(filepath.Clean(dir))))
}

// makeDatabase makes an empty database in a directory. If a crash or a full disk
// interrupts LevelDB, it leaves files that look like a database that was lost.
func makeDatabase(path string) error {
	db, g, err := openPath(path)
	if err != nil {
		return err
	}
	return errors.Join(db.Close(), g.Close())
}

// openPath opens the database in a directory, or makes an empty one in it.
func openPath(path string) (*leveldb.DB, *ldb.Guard, error) {
	files, err := storage.OpenFile(path, false)
	if err != nil {
		return nil, nil, err
	}
	dir, err := os.Open(path)
	if err != nil {
		return nil, nil, errors.Join(err, files.Close())
	}
	return ldb.Open(files, dir)
}

func writeSynced(path, text string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err := f.WriteString(text); err != nil {
		f.Close()
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

// ErrUnfinished means that the directory holds an unfinished restore.
var ErrUnfinished = errors.New("holds an unfinished restore")

// Missing returns an error that says why there is no database in dir. cause is the
// error that was met looking for it.
func Missing(dir string, cause error) error {
	if h, missing := OpenHighwater(Dir(dir), false); missing == nil {
		defer h.Close()
		if h.Last.Position > 0 {
			return fmt.Errorf("%w: the database is missing; it held commits up to position %d", store.ErrDamaged, h.Last.Position)
		}
	}
	if _, restoring := os.Stat(filepath.Join(dir, restoringName)); restoring == nil {
		return ErrUnfinished
	}
	if errors.Is(cause, fs.ErrNotExist) {
		return &NoStoreError{dir}
	}
	return cause
}

// A NoStoreError says that a directory holds no store. It is an fs.ErrNotExist.
type NoStoreError struct{ Dir string }

func (e *NoStoreError) Error() string { return "there is no store in " + e.Dir }

// Is makes a NoStoreError an fs.ErrNotExist.
func (e *NoStoreError) Is(err error) bool { return err == fs.ErrNotExist }
