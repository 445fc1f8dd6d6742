// Package advice adds to errors of data directories, backups and exports what to do about them,
// in terms of the command line.
package advice

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"gorewind/backup"
	"gorewind/store"
	"gorewind/store/leveldb"
)

// ForDataDir is ForData, and recognises a directory that is not a data directory.
func ForDataDir(dir string, err error) error {
	if what := Misplaced(dir, backup.OfStore); what != "" {
		return fmt.Errorf("data directory: %s", what)
	}
	return ForData(err)
}

// ForStore is ForDataDir for commands that do not create a store.
func ForStore(dir string, err error) error {
	if _, missing := os.Stat(filepath.Join(dir, "db")); Misplaced(dir, backup.OfStore) == "" && errors.Is(err, fs.ErrNotExist) && errors.Is(missing, fs.ErrNotExist) {
		return fmt.Errorf("there is no store in %s; give its directory with --data-dir", dir)
	}
	return ForDataDir(dir, err)
}

// ForData adds to an error of a data directory what to do about it.
func ForData(err error) error {
	do := "choose another directory with --data-dir"
	switch {
	case errors.Is(err, leveldb.ErrUnfinished):
		do = "run the same gorewind restore or gorewind import again to continue it, or choose another directory with --data-dir"
	case errors.Is(err, leveldb.ErrInUse):
		do = "stop the other process, or choose another directory with --data-dir"
	case errors.Is(err, fs.ErrPermission):
		do = "check its owner and mode, or choose another directory with --data-dir"
	case errors.Is(err, leveldb.ErrFormat):
		do = "use the version of gorewind that created it, or choose another directory with --data-dir"
	case errors.Is(err, store.ErrFull), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		do = "free space on its disk, then try again"
	case errors.Is(err, store.ErrUnavailable):
		do = "fix what the system reported, then try again"
	case errors.Is(err, store.ErrDamaged):
		do = "nothing was changed; restore a backup, or run gorewind repair, which says what can be repaired without one"
	}
	return fmt.Errorf("data directory: %w; %s", err, do)
}

// Misplaced says what gorewind made at path, if it is not of the wanted kind, and which command
// takes it. It returns "" if the kind is right or gorewind did not make it.
func Misplaced(path string, wanted backup.Kind) string {
	kind := backup.KindOf(path)
	if kind == wanted {
		return ""
	}
	switch kind {
	case backup.OfStore:
		return fmt.Sprintf("%s is the data directory of a store; use it with --data-dir of gorewind serve, verify or repair", path)
	case backup.OfBackup:
		return fmt.Sprintf("%s is a backup; create a store from it with gorewind restore, or check it with gorewind backup --verify", path)
	case backup.OfSegment:
		return fmt.Sprintf("%s is a segment of a backup; give its directory to gorewind restore", path)
	case backup.OfExport:
		return fmt.Sprintf("%s is an export; use it with gorewind import", path)
	}
	return ""
}
