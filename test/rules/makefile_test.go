package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestMakefileRunsTests: a target that runs some tests of a package by their names finds
// each of them there. One that finds none passes, and nobody sees that it does nothing.
func TestMakefileRunsTests(t *testing.T) {
	root := filepath.Join("..", "..")
	makefile, err := os.ReadFile(filepath.Join(root, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for line := range strings.Lines(string(makefile)) {
		words := strings.Fields(line)
		for i, w := range words {
			if w != "-run" && w != "-fuzz" {
				continue
			}
			pattern := strings.ReplaceAll(strings.Trim(words[i+1], "'"), "$$", "$")
			if pattern == "^$" { // none, beside -fuzz or -bench
				continue
			}
			for _, name := range strings.Split(pattern, "|") {
				name, _, _ := strings.Cut(name, "/") // the rest is a subtest
				for _, pkg := range slices.DeleteFunc(slices.Clone(words), func(w string) bool { return !strings.HasPrefix(w, "./") }) {
					named++
					if !slices.ContainsFunc(testsOf(t, filepath.Join(root, pkg)), regexp.MustCompile(name).MatchString) {
						t.Errorf("the Makefile runs %s in %s, which has no such test", name, pkg)
					}
				}
			}
		}
	}
	if named < 10 {
		t.Errorf("want all tests that the Makefile names, have %d", named)
	}
}

// testsOf returns the names of the tests and fuzz targets in a directory.
func testsOf(t *testing.T, dir string) (names []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && regexp.MustCompile("^(Test|Fuzz|Benchmark)").MatchString(fn.Name.Name) {
				names = append(names, fn.Name.Name)
			}
		}
	}
	return names
}
