package leveldb

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

// A disk is where the files of a store are: a directory, memory, or what tests
// put in their place.
type disk interface {
	// files opens the database's files.
	files(readOnly bool) (storage.Storage, error)
	// directory opens theirs, to be synced; nil where there is nothing to sync.
	directory() (ldb.Directory, error)
	// highwater opens the high-water file, or makes it if create is set; nil
	// where there is none.
	highwater(create bool) (slots, error)
	// free returns how many octets more the store may write.
	free() (int64, error)
	// replace puts what is on an overlay over the files, which stay open, in the
	// place of the database, all or nothing, and returns where that is kept.
	replace(o *ldb.Overlay, id store.Identity) (aside string, err error)
}

// slots is the high-water file.
type slots interface {
	io.ReaderAt
	io.WriterAt
	Sync() error
	Close() error
}

// A directoryDisk is the directory of a store.
type directoryDisk string

func (d directoryDisk) db() string { return filepath.Join(string(d), dbName) }

func (d directoryDisk) files(readOnly bool) (storage.Storage, error) {
	return storage.OpenFile(d.db(), readOnly)
}

func (d directoryDisk) directory() (ldb.Directory, error) { return os.Open(d.db()) }

func (d directoryDisk) highwater(create bool) (slots, error) {
	flags := os.O_RDWR
	if create {
		flags |= os.O_CREATE
	}
	return os.OpenFile(filepath.Join(string(d), highwaterName), flags, 0o644)
}

func (d directoryDisk) free() (int64, error) {
	var fs syscall.Statfs_t
	err := syscall.Statfs(string(d), &fs)
	return int64(fs.Bavail) * int64(fs.Bsize), err
}

// A memoryDisk is gone with the process.
type memoryDisk struct{ storage.Storage }

func (m memoryDisk) files(bool) (storage.Storage, error) { return m.Storage, nil }
func (memoryDisk) directory() (ldb.Directory, error)     { return nil, nil }
func (memoryDisk) highwater(bool) (slots, error)         { return nil, nil }
func (memoryDisk) free() (int64, error)                  { return 1 << 62, nil }
func (memoryDisk) replace(*ldb.Overlay, store.Identity) (string, error) {
	return "", errors.New("memory cannot be repaired")
}
