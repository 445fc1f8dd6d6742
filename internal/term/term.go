// Package term handles terminals: it detects them, and has progress bars, tables, colours, and
// escaping of text that could control a terminal. It knows nothing of events.
package term

import (
	"io"
	"os"

	"golang.org/x/term"
)

// IsTerminal reports whether a file is a terminal or another character device, such as
// /dev/null.
func IsTerminal(file any) bool {
	f, ok := file.(*os.File)
	if !ok {
		return false
	}
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}

// IsScreen reports whether w is a terminal, and not another device.
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

// IsDumb reports whether the terminal understands no escape sequences.
func IsDumb() bool { return os.Getenv("TERM") == "dumb" }
