package leveldb

import (
	"gorewind/store/leveldb/internal/datadir"
	"gorewind/store/leveldb/internal/ldb"
)

// Errors of Probe and Open about a directory that cannot be opened as a store.
var (
	ErrNotDirectory = datadir.ErrNotDirectory
	ErrNotEmpty     = datadir.ErrNotEmpty
	ErrFormat       = datadir.ErrFormat
	ErrInUse        = datadir.ErrInUse
)

// ErrUnfinished means that the directory holds an unfinished restore.
var ErrUnfinished = datadir.ErrUnfinished

// Probe reports why Open would refuse dir, as far as that can be told without
// creating or changing anything.
func Probe(dir string) error { return datadir.Probe(dir) }

// NewID returns the id of a new store.
func NewID() string { return datadir.NewID() }

// FileReserve is how many file descriptors an engine may need at once; see
// ReserveFiles.
const FileReserve = ldb.FileReserve

// ReserveFiles raises the process's limit of open files as far as allowed, reserves
// n of them (at most a quarter) for the stores of this process, and returns how
// many are left for everything else.
func ReserveFiles(n uint64) (left uint64, err error) { return ldb.ReserveFiles(n) }
