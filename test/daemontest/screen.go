package daemontest

import (
	"strings"
	"testing"
)

// A screen emulates a terminal. It knows only the control characters that a progress bar needs.
type screen struct {
	columns, row, column int
	rows                 [][]rune
}

// LeftOn returns the content of a screen with so many columns after all output.
func LeftOn(t testing.TB, columns int, written string) string {
	t.Helper()
	if columns == 0 { // its width is unknown
		columns = 80
	}
	s := &screen{columns: columns, rows: [][]rune{nil}}
	for written != "" {
		if rest, ok := strings.CutPrefix(written, "\x1b[2K"); ok {
			s.rows[s.row] = nil
			written = rest
			continue
		}
		if rest, ok := strings.CutPrefix(written, "\x1b[0K"); ok {
			s.rows[s.row] = s.rows[s.row][:min(s.column, len(s.rows[s.row]))]
			written = rest
			continue
		}
		r := []rune(written)[0]
		written = written[len(string(r)):]
		switch {
		case r == '\r':
			s.column = 0
		case r == '\n':
			s.down()
		case r == '\t':
			s.put('\t')
		case r < ' ':
			t.Fatalf("%q is written to a terminal, before %q", r, written)
		default:
			s.put(r)
		}
	}
	if s.column != 0 {
		t.Errorf("the cursor is at column %d", s.column)
	}
	var lines []string
	for _, row := range s.rows {
		lines = append(lines, strings.TrimRight(string(row), " "))
	}
	return strings.Trim(strings.Join(lines, "\n"), "\n")
}

func (s *screen) down() {
	if s.row++; s.row == len(s.rows) {
		s.rows = append(s.rows, nil)
	}
	s.column = 0
}

// put prints a character at the cursor, in as many columns as it needs.
func (s *screen) put(r rune) {
	width := 1
	if r >= 0x1100 && r < 0xffff && r != '…' && (r < 0x2000 || r >= 0x2e80) {
		width = 2
	}
	if s.column+width > s.columns {
		s.down()
	}
	for len(s.rows[s.row]) < s.column+width {
		s.rows[s.row] = append(s.rows[s.row], ' ')
	}
	s.rows[s.row][s.column] = r
	if width == 2 {
		s.rows[s.row][s.column+1] = 0
	}
	s.column += width
}
