package render

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"unicode/utf8"

	"gorewind/client"
	"gorewind/internal/term"
	"gorewind/wire"
)

// Pretty writes output for reading on a terminal.
type Pretty struct {
	term.Palette
	Compact bool // print each event on one line
}

// appendEvent implements Form. Data of a single line follows on the same line. Other data stands
// below, indented, so that it cannot pass for another event.
func (p Pretty) appendEvent(b []byte, e client.Event) []byte {
	if !e.Time.IsZero() {
		b = p.Paint(b, term.Dim, []byte(e.Time.Format(wire.TimeForm)))
		b = append(b, "  "...)
		b = p.Paint(b, term.Dim, fmt.Appendf(nil, "%*d", len("position"), e.Position))
		b = append(b, "  "...)
	}
	b = p.Paint(b, term.Cyan, term.AppendEscaped(nil, []byte(e.Stream)))
	b = append(b, "  "...)
	b = p.Paint(b, term.Yellow, strconv.AppendUint(nil, e.ID, 10))
	if p.Compact {
		return appendCompact(b, e.Data)
	}
	if text, ok := indentedJSON(e.Data); ok {
		for line := range bytes.Lines(text) {
			b = append(b, "\n    "...)
			b = term.AppendSafeJSON(b, bytes.TrimSuffix(line, []byte("\n")))
		}
		return append(b, '\n')
	}
	if bytes.IndexByte(e.Data, '\n') < 0 || !utf8.Valid(e.Data) {
		b = append(b, "  "...)
		b = term.AppendEscaped(b, e.Data)
		return append(b, '\n')
	}
	for line := range bytes.Lines(e.Data) {
		b = append(b, "\n    "...)
		b = term.AppendEscaped(b, bytes.TrimSuffix(line, []byte("\n")))
	}
	return append(b, '\n')
}

// appendCompact appends data on the line of its event.
func appendCompact(b []byte, data []byte) []byte {
	b = append(b, "  "...)
	var text bytes.Buffer
	if utf8.Valid(data) && json.Compact(&text, data) == nil {
		return append(term.AppendSafeJSON(b, text.Bytes()), '\n')
	}
	return append(term.AppendEscaped(b, data), '\n')
}

// eventHead returns the header of the columns of events. Broadcasts have neither time nor
// position.
func (p Pretty) eventHead(e client.Event) string {
	head := "stream  id  data"
	if !e.Time.IsZero() {
		head = fmt.Sprintf("%-*s  position  %s", len(wire.TimeForm), "time", head)
	}
	return p.Text(term.Dim, head) + "\n"
}

// streamHead and streamRow return the rows of a table of streams. The id is first: it has 20
// digits at most, while a name may be wider than the screen.
func (p Pretty) streamHead() []string {
	return []string{p.Text(term.Dim, "last id"), p.Text(term.Dim, "stream")}
}

func (p Pretty) streamRow(s client.Stream) []string {
	return []string{p.Text(term.Yellow, strconv.FormatUint(s.Last, 10)), p.Text(term.Cyan, s.Name)}
}

// indentedJSON returns a JSON object or array with a line for each value, and false for other
// data.
func indentedJSON(data []byte) ([]byte, bool) {
	text := bytes.Trim(data, " \t\r\n")
	if len(text) == 0 || text[0] != '{' && text[0] != '[' || deeplyNested(text) || !utf8.Valid(text) {
		return nil, false
	}
	var out bytes.Buffer
	if err := json.Indent(&out, text, "", "  "); err != nil {
		return nil, false
	}
	return out.Bytes(), true
}

// deeplyNested reports whether brackets are nested more than 50 deep. Indenting such data could
// turn an event into a hundred megabytes.
func deeplyNested(text []byte) bool {
	depth := 0
	for _, c := range text {
		switch c {
		case '{', '[':
			depth++
		case '}', ']':
			depth--
		}
		if depth > 50 {
			return true
		}
	}
	return false
}
