// Package term is all that knows a terminal: what is one, bars of progress, tables,
// colours, and what text may be shown without driving it. Nothing of events is in it.
package term

import (
	"io"
	"os"

	"golang.org/x/term"
)

// IsTerminal reports whether a file is a terminal, or another device such as
// /dev/null, which takes and gives anything.
func IsTerminal(file any) bool {
	f, ok := file.(*os.File)
	if !ok {
		return false
	}
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}

// IsScreen reports whether what is written is shown on a screen.
func IsScreen(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// IsRegular reports whether what is written goes into a file on a disk.
func IsRegular(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	fi, err := f.Stat()
	return err == nil && fi.Mode().IsRegular()
}

// IsDumb reports whether nothing but text may be written to terminals.
func IsDumb() bool { return os.Getenv("TERM") == "dumb" }
