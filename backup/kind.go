package backup

import (
	"os"
	"path/filepath"
)

// A Kind says what is at a path.
type Kind int

// Kinds of what gorewind writes.
const (
	Other     Kind = iota // gorewind did not write it
	OfStore               // the data directory of a store
	OfBackup              // the directory of a backup
	OfSegment             // a file of a backup
	OfExport
)

// KindOf says what is at a path, so that an error can name the right command for
// it.
func KindOf(path string) Kind {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(path, name))
		return err == nil
	}
	switch fi, err := os.Stat(path); {
	case err != nil:
		return Other
	case fi.IsDir() && has(manifestName):
		return OfBackup
	case fi.IsDir() && (has("db") || has("highwater")):
		return OfStore
	case !fi.Mode().IsRegular():
		return Other
	}
	if _, err := readHeader(path); err != nil {
		return Other
	}
	if segmentName.MatchString(filepath.Base(path)) {
		return OfSegment
	}
	return OfExport
}
