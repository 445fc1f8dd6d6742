package leveldb

import "syscall"

// allocate gives a new file its room.
func allocate(fd uintptr, size int64) error { return syscall.Fallocate(int(fd), 0, 0, size) }

// syncData syncs what is needed to read a file's octets again.
func syncData(fd uintptr) error {
	for {
		if err := syscall.Fdatasync(int(fd)); err != syscall.EINTR {
			return err
		}
	}
}
