package ldb

import "syscall"

// allocate preallocates a new file, unless it would take a large part of the free
// space.
func allocate(fd uintptr, size int64) error {
	const part = 4
	var fs syscall.Statfs_t
	if err := syscall.Fstatfs(int(fd), &fs); err != nil {
		return err
	}
	if int64(fs.Bavail)*fs.Bsize < part*size {
		return syscall.ENOSPC
	}
	return syscall.Fallocate(int(fd), 0, 0, size)
}
