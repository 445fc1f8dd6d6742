package term

import (
	"fmt"
	"strings"
	"testing"
)

// writes are what is written, each at once.
type writes []string

func (w *writes) Write(b []byte) (int, error) {
	*w = append(*w, string(b))
	return len(b), nil
}

// TestTable: columns are aligned as a screen shows them, whatever is in them, and no
// space follows the last.
func TestTable(t *testing.T) {
	p := Palette{Coloured: true}
	var w writes
	table := NewTable(&w, Left, Right, Left)
	for _, row := range [][]string{
		{"name", "n", "last"}, {"日本語/注文", "17", "x"}, {"e\u0301mile", "1000", "日本"}, {p.Text(Cyan, "red\x1b[31m"), "1", "longer"}, {" lead", "2", ""},
	} {
		if err := table.Row(row...); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	want := "name            n  last\n" +
		"日本語/注文    17  x\n" +
		"e\u0301mile        1000  日本\n" +
		"\x1b[36mred\\x1b[31m\x1b[0m     1  longer\n" +
		" lead           2\n"
	if have := strings.Join(w, ""); have != want {
		t.Errorf("want\n%s\nhave\n%s", want, have)
	}
}

// TestTableOfManyRows: it is written page by page, and never gets narrower.
func TestTableOfManyRows(t *testing.T) {
	var w writes
	table := NewTable(&w, Right, Left)
	want := ""
	for i := range 2*tablePage + 500 {
		id := fmt.Sprint(i % 10)
		if i == tablePage+5 {
			id = "12345"
		}
		if i < tablePage {
			want += fmt.Sprintf("%s  row %d\n", id, i)
		} else {
			want += fmt.Sprintf("%5s  row %d\n", id, i)
		}
		if len(w) != i/tablePage {
			t.Fatalf("after %d rows: %d pages are written", i, len(w))
		}
		if err := table.Row(id, fmt.Sprintf("row %d", i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := table.Flush(); err != nil {
		t.Fatal(err)
	}
	if have := strings.Join(w, ""); have != want {
		t.Errorf("want\n%.300s\nhave\n%.300s", want, have)
	}
}
