package main

import (
	"fmt"

	"gorewind/backup"
)

// misplaced says what there is at a path that was given to a command which takes
// another kind, and which command takes that; nothing where gorewind did not make it.
func misplaced(path string, wanted backup.Kind) string {
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
