// Package advice says what to do about what went wrong with a data directory, a backup or an
// export, in the words of the command line.
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

// ForDataDir is ForData for an error of the directory that was given.
func ForDataDir(dir string, err error) error {
	if what := Misplaced(dir, backup.OfStore); what != "" {
		return fmt.Errorf("data directory: %s", what)
	}
	return ForData(err)
}

// ForStore is ForDataDir for a command that makes no store where there is none.
func ForStore(dir string, err error) error {
	if _, missing := os.Stat(filepath.Join(dir, "db")); Misplaced(dir, backup.OfStore) == "" && errors.Is(err, fs.ErrNotExist) && errors.Is(missing, fs.ErrNotExist) {
		return fmt.Errorf("there is no store in %s; give its directory with --data-dir", dir)
	}
	return ForDataDir(dir, err)
}

// ForData adds to an error of the data directory what to do about it.
func ForData(err error) error {
	do := "choose another with --data-dir"
	switch {
	case errors.Is(err, leveldb.ErrUnfinished):
		do = "run the same gorewind restore or gorewind import again, which goes on with it, or choose another with --data-dir"
	case errors.Is(err, leveldb.ErrInUse):
		do = "stop the other one, or choose another with --data-dir"
	case errors.Is(err, fs.ErrPermission):
		do = "see whose it is, or choose another with --data-dir"
	case errors.Is(err, leveldb.ErrFormat):
		do = "use the version of gorewind that made it, or choose another with --data-dir"
	case errors.Is(err, store.ErrFull), errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		do = "make room on its disk, then try again"
	case errors.Is(err, store.ErrUnavailable):
		do = "see to what the system refused, then try again"
	case errors.Is(err, store.ErrDamaged):
		do = "nothing was changed; restore a backup, or see with gorewind repair what can be had without one"
	}
	return fmt.Errorf("data directory: %w; %s", err, do)
}

// Misplaced says what there is at a path that was given to a command which takes
// another kind, and which command takes that; nothing where gorewind did not make it.
func Misplaced(path string, wanted backup.Kind) string {
	kind := backup.KindOf(path)
	if kind == wanted {
		return ""
	}
	switch kind {
	case backup.OfStore:
		return fmt.Sprintf("%s is the data directory of a store; gorewind serve, verify and repair take it with --data-dir", path)
	case backup.OfBackup:
		return fmt.Sprintf("%s is a backup; gorewind restore makes a store of it, and gorewind backup --verify reads it", path)
	case backup.OfSegment:
		return fmt.Sprintf("%s is a segment of a backup; gorewind restore makes a store of the directory that it is in", path)
	case backup.OfExport:
		return fmt.Sprintf("%s is an export; gorewind import makes a store of it, or appends its events", path)
	}
	return ""
}
