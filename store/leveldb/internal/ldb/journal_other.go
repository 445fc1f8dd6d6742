//go:build !linux

package ldb

import "syscall"

// allocate reports that files cannot be preallocated.
func allocate(uintptr, int64) error { return syscall.ENOTSUP }
