package main

import (
	"fmt"
	"io"
	"os"
)

// A progressLine is one line of a terminal that is written again and again. On
// anything else it shows nothing.
type progressLine struct{ w io.Writer }

func newProgressLine(w io.Writer) *progressLine {
	if isTerminal(w) {
		return &progressLine{w}
	}
	return &progressLine{io.Discard}
}

// isTerminal reports whether a file is a terminal, or another device such as
// /dev/null, which takes and gives anything.
func isTerminal(file any) bool {
	f, ok := file.(*os.File)
	if !ok {
		return false
	}
	fi, err := f.Stat()
	return err == nil && fi.Mode()&os.ModeCharDevice != 0
}

func (p *progressLine) show(text string) { fmt.Fprintf(p.w, "\r\033[K%s", text) }
func (p *progressLine) clear()           { p.show("") }
