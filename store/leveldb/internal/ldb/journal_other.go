//go:build !linux

package ldb

import "syscall"

// allocate says that files cannot be given their room.
func allocate(uintptr, int64) error { return syscall.ENOTSUP }
