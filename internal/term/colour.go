package term

import (
	"fmt"
	"io"
	"os"
)

// Colours, as parameters of ANSI escape sequences.
const (
	Dim    = "2"
	Yellow = "33"
	Cyan   = "36"
)

// TakesColour reports whether output to w may be coloured.
func TakesColour(w io.Writer) bool {
	return IsTerminal(w) && os.Getenv("NO_COLOR") == "" && !IsDumb()
}

// A Palette colours text if Coloured is set.
type Palette struct{ Coloured bool }

// Text returns a text, escaped and coloured.
func (p Palette) Text(colour, text string) string {
	return string(p.Paint(nil, colour, AppendEscaped(nil, []byte(text))))
}

// Paint appends a text in colour. The text must be safe to print.
func (p Palette) Paint(b []byte, colour string, text []byte) []byte {
	if !p.Coloured {
		return append(b, text...)
	}
	return fmt.Appendf(b, "\033[%sm%s\033[0m", colour, text)
}
