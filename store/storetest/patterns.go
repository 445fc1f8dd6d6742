package storetest

import (
	"context"
	"fmt"
	"iter"

	"gorewind/store"
)

// Patterns describe a selection. The zero value selects all streams.
type Patterns struct {
	First string   // a prefix of names
	Glob  bool     // or a glob
	Also  []string // globs besides
}

// A Remote is a System that needs the Patterns of a selection: its Read takes only
// ranges of single streams.
type Remote interface {
	System
	// ReadPatterns reads what r.Select selects; p describes the same selection, and
	// its separator is /.
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

// selection returns the selection that p describes.
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

// readRange reads a range; p describes its selection, if it has one.
func readRange(s System, r store.Range, p Patterns) iter.Seq2[store.Event, error] {
	if remote, ok := s.(Remote); ok && r.Select != nil {
		return remote.ReadPatterns(context.Background(), p, r)
	}
	return s.Read(context.Background(), r)
}
