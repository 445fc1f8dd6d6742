package term

import (
	"io"

	pretty "github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A Table has aligned columns and no borders. Its cells must not contain escape sequences other
// than colours. It is written page by page, so it can have any number of rows. A column is never
// narrower than on the previous page.
type Table struct {
	w      io.Writer
	page   pretty.Writer
	aligns []Align
	widths []int // of the columns so far
}

// tablePage is the number of rows that are aligned with each other. It exceeds what a terminal
// shows at once, and keeps a million streams out of memory.
const tablePage = 1000

// An Align is the alignment of the cells of a column.
type Align = text.Align

// Alignments.
const (
	Left  = text.AlignDefault // AlignLeft
	Right = text.AlignRight
)

// NewTable returns a table on w with a column for each alignment.
func NewTable(w io.Writer, aligns ...Align) *Table {
	t := &Table{w: w, page: pretty.NewWriter(), aligns: aligns, widths: make([]int, len(aligns))}
	t.page.SetStyle(pretty.Style{Box: pretty.BoxStyle{PaddingRight: "  "}, Options: pretty.OptionsNoBordersAndSeparators})
	t.page.SuppressTrailingSpaces()
	return t
}

// Row adds a row.
func (t *Table) Row(cells ...string) error {
	row := make(pretty.Row, len(cells))
	for i, c := range cells {
		row[i] = c
		t.widths[i] = max(t.widths[i], displayWidth(c))
	}
	t.page.AppendRow(row)
	if t.page.Length() < tablePage {
		return nil
	}
	return t.Flush()
}

// Flush writes the buffered rows.
func (t *Table) Flush() error {
	if t.page.Length() == 0 {
		return nil
	}
	columns := make([]pretty.ColumnConfig, len(t.aligns))
	for i, align := range t.aligns {
		columns[i] = pretty.ColumnConfig{Number: i + 1, Align: align, WidthMin: t.widths[i]}
	}
	t.page.SetColumnConfigs(columns)
	_, err := io.WriteString(t.w, t.page.Render()+"\n")
	t.page.ResetRows()
	return err
}

// displayWidth returns the width of a text on a terminal, in columns.
func displayWidth(s string) int { return text.StringWidthWithoutEscSequences(s) }

// snipped returns a text cut to a width in columns.
func snipped(s string, columns int) string { return text.Snip(s, columns, "…") }
