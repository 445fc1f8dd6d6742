package datadir

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"

	"github.com/syndtr/goleveldb/leveldb/storage"

	"gorewind/store"
	"gorewind/store/leveldb/internal/ldb"
)

// A Disk holds the files of a store: a directory, memory, or a simulation in tests.
type Disk interface {
	// Files opens the database's files.
	Files(readOnly bool) (storage.Storage, error)
	// Directory opens the database's directory, to be synced; nil if there is
	// nothing to sync.
	Directory() (ldb.Directory, error)
	// Highwater opens the high-water file, and creates it if create is set; nil if
	// the disk has none.
	Highwater(create bool) (Slots, error)
	// Free returns how many more bytes the store may write.
	Free() (int64, error)
	// Replace puts the contents of an overlay in the place of the database, all or
	// nothing. The overlay's files stay open. It returns where the old database is
	// kept.
	Replace(o *ldb.Overlay, id store.Identity) (keptAt string, err error)
}

// Slots is the high-water file.
type Slots interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Close() error
}

// A Dir is a store's directory.
type Dir string

// Database returns the path of the database.
func (d Dir) Database() string { return filepath.Join(string(d), DBName) }

// Files implements Disk.
func (d Dir) Files(readOnly bool) (storage.Storage, error) {
	return storage.OpenFile(d.Database(), readOnly)
}

// Directory implements Disk.
func (d Dir) Directory() (ldb.Directory, error) { return os.Open(d.Database()) }

// Highwater implements Disk.
func (d Dir) Highwater(create bool) (Slots, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	return os.OpenFile(filepath.Join(string(d), HighwaterName), flags, 0o644)
}

// Free implements Disk.
func (d Dir) Free() (int64, error) {
	var fs syscall.Statfs_t
	err := syscall.Statfs(string(d), &fs)
	return int64(fs.Bavail) * int64(fs.Bsize), err
}

// A Memory ends with the process.
type Memory struct{ storage.Storage }

// Files implements Disk.
func (m Memory) Files(bool) (storage.Storage, error) { return m.Storage, nil }

// Directory implements Disk.
func (Memory) Directory() (ldb.Directory, error) { return nil, nil }

// Highwater implements Disk.
func (Memory) Highwater(bool) (Slots, error) { return nil, nil }

// Free implements Disk.
func (Memory) Free() (int64, error) { return 1 << 62, nil }

// Replace implements Disk.
func (Memory) Replace(*ldb.Overlay, store.Identity) (string, error) {
	return "", errors.New("a store in memory cannot be repaired")
}
