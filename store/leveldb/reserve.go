package leveldb

import "gorewind/store/leveldb/internal/ldb"

// FileReserve is how many descriptors an engine may need at once; see
// ReserveFiles.
const FileReserve = ldb.FileReserve

// ReserveFiles raises the process's limit of open files as far as it may be
// raised, keeps n of them (at most a quarter) for stores of this process, and
// returns how many are left for everybody else.
func ReserveFiles(n uint64) (left uint64, err error) { return ldb.ReserveFiles(n) }
