package main

import (
	"fmt"
	"os"
	"syscall"
)

// makeDir makes a directory that is removed at the end. It refuses a file
// system in memory, where a sync costs nothing and all figures are wrong.
func makeDir(parent string) (string, error) {
	const tmpfs, ramfs = 0x01021994, 0x858458f6
	var fs syscall.Statfs_t
	if err := syscall.Statfs(parent, &fs); err != nil {
		return "", fmt.Errorf("-dir %s: %w; name a directory on the disk to be measured", parent, err)
	}
	if t := uint32(fs.Type); t == tmpfs || t == ramfs {
		return "", fmt.Errorf("-dir %s is in memory; name a directory on the disk to be measured", parent)
	}
	dir, err := os.MkdirTemp(parent, "gorewind-bench-")
	if err != nil {
		return "", fmt.Errorf("%w; name another directory with -dir", err)
	}
	return dir, nil
}
