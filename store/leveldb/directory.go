package leveldb

import "gorewind/store/leveldb/internal/datadir"

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
