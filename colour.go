package main

import (
	"fmt"
	"io"
	"os"
)

// Colours, as a terminal takes them.
const (
	dim    = "2"
	yellow = "33"
	cyan   = "36"
)

// takesColour reports whether what is for people may be coloured where it is written.
func takesColour(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("NO_COLOR") == "" && !dumbTerminal()
}

// A palette paints text; one that is not coloured leaves it as it is.
type palette struct{ coloured bool }

// text returns what may be shown of a text, painted.
func (p palette) text(colour, text string) string {
	return string(p.paint(nil, colour, appendEscaped(nil, []byte(text))))
}

// paint appends a text that may be shown as it is, painted.
func (p palette) paint(b []byte, colour string, text []byte) []byte {
	if !p.coloured {
		return append(b, text...)
	}
	return fmt.Appendf(b, "\033[%sm%s\033[0m", colour, text)
}
