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
	if f, ok := w.(*os.File); ok {
		if fi, err := f.Stat(); err == nil && fi.Mode()&os.ModeCharDevice != 0 {
			return &progressLine{w}
		}
	}
	return &progressLine{io.Discard}
}

func (p *progressLine) show(text string) { fmt.Fprintf(p.w, "\r\033[K%s", text) }
func (p *progressLine) clear()           { p.show("") }
