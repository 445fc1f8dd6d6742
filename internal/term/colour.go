package term

import (
	"fmt"
	"io"
	"os"
)

// Colours, as a terminal takes them.
const (
	Dim    = "2"
	Yellow = "33"
	Cyan   = "36"
)

// TakesColour reports whether what is for people may be coloured where it is written.
func TakesColour(w io.Writer) bool {
	return IsTerminal(w) && os.Getenv("NO_COLOR") == "" && !IsDumb()
}

// A Palette paints text; one that is not coloured leaves it as it is.
type Palette struct{ Coloured bool }

// Text returns what may be shown of a text, painted.
func (p Palette) Text(colour, text string) string {
	return string(p.Paint(nil, colour, AppendEscaped(nil, []byte(text))))
}

// Paint appends a text that may be shown as it is, painted.
func (p Palette) Paint(b []byte, colour string, text []byte) []byte {
	if !p.Coloured {
		return append(b, text...)
	}
	return fmt.Appendf(b, "\033[%sm%s\033[0m", colour, text)
}
