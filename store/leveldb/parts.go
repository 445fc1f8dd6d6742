package leveldb

import (
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/ldb"
)

// Errors of Probe and Open about a directory that cannot be this store's.
var (
	ErrNotDirectory = datadir.ErrNotDirectory
	ErrNotEmpty     = datadir.ErrNotEmpty
	ErrFormat       = datadir.ErrFormat
	ErrInUse        = datadir.ErrInUse
)

// ErrUnfinished: the directory has a store that is being restored.
var ErrUnfinished = datadir.ErrUnfinished

// Probe reports why Open would refuse dir, as far as that can be told without
// making or changing anything.
func Probe(dir string) error { return datadir.Probe(dir) }

// NewID returns the id of a new store.
func NewID() string { return datadir.NewID() }

// FileReserve is how many descriptors an engine may need at once; see
// ReserveFiles.
const FileReserve = ldb.FileReserve

// ReserveFiles raises the process's limit of open files as far as it may be
// raised, keeps n of them (at most a quarter) for stores of this process, and
// returns how many are left for everybody else.
func ReserveFiles(n uint64) (left uint64, err error) { return ldb.ReserveFiles(n) }
