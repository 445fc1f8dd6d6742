package storetest

import (
	"context"
	"fmt"
	"iter"

	"gorewind/store"
)

// Patterns are what a selection is made of. The zero value selects all streams.
type Patterns struct {
	First string   // a prefix of names
	Glob  bool     // or a glob
	Also  []string // globs besides
}

// A Remote is a System that a selection has to be spelt for: its Read is asked
// for single streams only.
type Remote interface {
	System
	// ReadPatterns reads what r.Select selects, which is made of p; the separator
	// is /.
	ReadPatterns(ctx context.Context, p Patterns, r store.Range) iter.Seq2[store.Event, error]
}

// String returns nothing for the zero value.
func (p Patterns) String() string {
	kind := "prefix"
	switch {
	case p.Glob:
		kind = "glob"
	case p.First == "" && len(p.Also) == 0:
		return ""
	}
	return fmt.Sprintf(" by %s %q and %q", kind, p.First, p.Also)
}

// selection returns what p makes.
func (p Patterns) selection() *store.Selection {
	s := new(store.Selection)
	globs := p.Also
	if p.Glob {
		globs = append([]string{p.First}, globs...)
	} else {
		s = store.Prefix([]byte(p.First))
	}
	for _, glob := range globs {
		if err := s.Also('/', []byte(glob)); err != nil {
			panic(err)
		}
	}
	return s
}

// readRange reads a range, whose selection, if it has one, is made of p.
func readRange(s System, r store.Range, p Patterns) iter.Seq2[store.Event, error] {
	if remote, ok := s.(Remote); ok && r.Select != nil {
		return remote.ReadPatterns(context.Background(), p, r)
	}
	return s.Read(context.Background(), r)
}
