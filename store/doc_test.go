package store_test

import (
	"go/ast"
	"go/doc"
	"go/parser"
	"go/token"
	"strings"
	"testing"
)

// TestSelectionDoc: go doc shows the table of patterns as it is written. gofmt takes
// a * that begins the first line for the bullet of a list.
func TestSelectionDoc(t *testing.T) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, "selection.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	p, err := doc.NewFromFiles(fset, []*ast.File{file}, "gorewind/store")
	if err != nil {
		t.Fatal(err)
	}
	for _, typ := range p.Types {
		if typ.Name != "Selection" {
			continue
		}
		text := string(p.Text(typ.Doc))
		for _, row := range []string{"\n\tx    the", "\n\t*    one", "\n\t**   one", "\n\t\\x   the"} {
			if !strings.Contains(text, row) {
				t.Errorf("want the row %q, have\n%s", row, text)
			}
		}
		return
	}
	t.Error("there is no type Selection")
}
