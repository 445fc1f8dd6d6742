package ldb

import (
	"errors"
	"sync"
	"syscall"
)

// reserve keeps file descriptors for the store. The process's soft limit stays
// below the hard limit, and is raised for the moment in which the store opens a
// file and finds no descriptor. libzmq accepts connections until descriptors run
// out, and a store that cannot open its files would stop.
var reserve struct {
	sync.Mutex
	high uint64 // the raised limit; 0 while nothing is reserved
	low  uint64
}

// FileReserve is how many file descriptors an engine may need at once; see
// ReserveFiles.
const FileReserve = maxTables + 64

// ReserveFiles raises the process's limit of open files as far as allowed, reserves
// n of them (at most a quarter) for the stores of this process, and returns how
// many are left for everything else.
func ReserveFiles(n uint64) (left uint64, err error) {
	reserve.Lock()
	defer reserve.Unlock()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return 0, err
	}
	reserve.high = limit.Max
	reserve.low = limit.Max - min(n, limit.Max/4)
	limit.Cur = reserve.low
	return reserve.low, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}

// withReserve calls open, and calls it again with the reserve if it fails for want
// of file descriptors. open should be short: meanwhile others may take from the
// reserve too.
func withReserve(open func() error) error {
	err := open()
	if !errors.Is(err, syscall.EMFILE) {
		return err
	}
	reserve.Lock()
	defer reserve.Unlock()
	if reserve.high == 0 {
		return err
	}
	raised := syscall.Rlimit{Cur: reserve.high, Max: reserve.high}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err != nil {
		return err
	}
	err = open()
	lowered := syscall.Rlimit{Cur: reserve.low, Max: reserve.high}
	return errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lowered))
}
