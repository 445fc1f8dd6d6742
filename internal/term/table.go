package term

import (
	"io"

	pretty "github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
)

// A Table has columns that are aligned, and no lines. Its cells must not drive a
// terminal, save by colours. It is written page by page, so that it may have any
// number of rows; a column is never narrower than on the page before.
type Table struct {
	w      io.Writer
	page   pretty.Writer
	aligns []Align
	widths []int // of the columns so far
}

// tablePage is how many rows are aligned with each other. What a terminal shows at once
// are fewer, and a million streams are not held in memory.
const tablePage = 1000

// An Align is the side of a column at which its cells stand.
type Align = text.Align

// The sides.
const (
	Left  = text.AlignDefault // AlignLeft
	Right = text.AlignRight
)

// NewTable returns a table on w with a column for each of these sides.
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

// Flush writes the rows that are not written yet.
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

// displayWidth returns how many columns of a screen a text takes.
func displayWidth(s string) int { return text.StringWidthWithoutEscSequences(s) }

// snipped returns as much of a text as has room in so many columns.
func snipped(s string, columns int) string { return text.Snip(s, columns, "…") }
