package store

import (
	"bytes"
	"fmt"
	"slices"
)

// maxPattern is the longest pattern, in bytes. A state of matching is a position in
// the pattern, so there are at most 256 states.
const maxPattern = 255

// A Selection selects streams by name: those that at least one of its parts
// matches. A nil or zero Selection has no parts and selects nothing. It is safe for
// concurrent use once all calls of Also have returned.
//
// A pattern matches whole names, byte by byte, in time linear in the name's length:
//
//	x    the byte x, if it is neither * nor \
//	*    one or more bytes other than the separator
//	**   one or more bytes of any value
//	\x   the byte x itself, even if it is * or \
//
// Three asterisks are ** followed by *.
type Selection struct{ parts []pattern }

// Prefix selects the streams whose names begin with a prefix, which may be empty.
func Prefix(prefix []byte) *Selection {
	tokens := make([]token, len(prefix))
	for i, c := range prefix {
		tokens[i] = token{literal, c}
	}
	return &Selection{[]pattern{{begin: bytes.Clone(prefix), end: endAny, tokens: tokens}}}
}

// Glob selects the streams whose names match a pattern of 1 to 255 bytes. Its
// error is ErrInvalid: the pattern's length, or a \ at its end.
func Glob(separator byte, pattern []byte) (*Selection, error) {
	s := new(Selection)
	if err := s.Also(separator, pattern); err != nil {
		return nil, err
	}
	return s, nil
}

// Also makes s select the streams that match a pattern, too. Errors are those of
// Glob; s is then unchanged.
func (s *Selection) Also(separator byte, pattern []byte) error {
	p, err := parsePattern(separator, pattern)
	if err != nil {
		return err
	}
	s.parts = append(s.parts, p)
	return nil
}

// Matches reports whether s selects a stream.
func (s *Selection) Matches(stream []byte) bool {
	if s == nil {
		return false
	}
	for i := range s.parts {
		if s.parts[i].matches(stream) {
			return true
		}
	}
	return false
}

// Prefixes returns prefixes in byte order. Every name that s selects begins with
// one of them, and none begins with another. It is a single empty prefix if the
// names have nothing in common, and none if s selects nothing.
func (s *Selection) Prefixes() [][]byte {
	if s == nil {
		return nil
	}
	all := make([][]byte, len(s.parts))
	for i := range s.parts {
		all[i] = s.parts[i].begin
	}
	slices.SortFunc(all, bytes.Compare)
	kept := all[:0]
	for _, p := range all {
		if n := len(kept); n == 0 || !bytes.HasPrefix(p, kept[n-1]) {
			kept = append(kept, p)
		}
	}
	return kept
}

// A pattern is one part of a Selection.
type pattern struct {
	begin []byte // the literal bytes up to the first wildcard
	end   end    // what follows
	glob  *glob  // for endGlob

	separator byte
	tokens    []token // all of it, for Covers
}

// An end says what may follow the beginning of a pattern. The usual ones need no
// states.
type end int

const (
	endNone end = iota // nothing
	endAny             // anything, also nothing
	endSome            // one or more bytes
	endGlob            // what the glob matches
)

func (p *pattern) matches(name []byte) bool {
	rest, ok := bytes.CutPrefix(name, p.begin)
	if !ok {
		return false
	}
	switch p.end {
	case endAny:
		return true
	case endSome:
		return len(rest) > 0
	case endGlob:
		return p.glob.matches(rest)
	}
	return len(rest) == 0
}

func parsePattern(separator byte, text []byte) (p pattern, err error) {
	if len(text) == 0 || len(text) > maxPattern {
		return p, fmt.Errorf("%w: a pattern has 1 to %d bytes, not %d", ErrInvalid, maxPattern, len(text))
	}
	tokens, err := tokenize(text)
	if err != nil {
		return p, err
	}
	first := slices.IndexFunc(tokens, func(t token) bool { return t.kind != literal })
	if first < 0 {
		first = len(tokens)
	}
	p.separator, p.tokens = separator, tokens
	p.begin = make([]byte, first)
	for i, t := range tokens[:first] {
		p.begin[i] = t.value
	}
	switch rest := tokens[first:]; {
	case len(rest) == 0:
		p.end = endNone
	case len(rest) == 1 && rest[0].kind == doubleStar:
		p.end = endSome
	default:
		p.end, p.glob = endGlob, newGlob(separator, rest)
	}
	return p, nil
}

// A token is one step of a pattern.
type token struct {
	kind  kind
	value byte // of a literal
}

type kind uint8

const (
	literal kind = iota
	star
	doubleStar
)

func tokenize(text []byte) (tokens []token, err error) {
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '\\' && i+1 == len(text):
			return nil, fmt.Errorf("%w: the pattern ends with a \\ that escapes nothing", ErrInvalid)
		case text[i] == '\\':
			i++
			tokens = append(tokens, token{literal, text[i]})
		case text[i] == '*' && i+1 < len(text) && text[i+1] == '*':
			i++
			tokens = append(tokens, token{kind: doubleStar})
		case text[i] == '*':
			tokens = append(tokens, token{kind: star})
		default:
			tokens = append(tokens, token{literal, text[i]})
		}
	}
	return tokens, nil
}

// states is a set of token numbers: the tokens that may match next. The number
// after the last token means that the pattern has matched.
type states [(maxPattern + 1) / 64]uint64

func (s *states) set(n int)      { s[n/64] |= 1 << (n % 64) }
func (s *states) has(n int) bool { return s[n/64]>>(n%64)&1 == 1 }

// A glob follows all states at once, so it never backtracks.
type glob struct {
	separator byte
	tokens    int
	words     int // words of states in use
	stars     states
	doubles   states
	literals  []states   // for each byte value in the pattern
	literal   [256]uint8 // index in literals plus 1; 0: not in the pattern
}

func newGlob(separator byte, tokens []token) *glob {
	g := &glob{separator: separator, tokens: len(tokens), words: len(tokens)/64 + 1}
	for i, t := range tokens {
		switch t.kind {
		case star:
			g.stars.set(i)
		case doubleStar:
			g.doubles.set(i)
		default:
			if g.literal[t.value] == 0 {
				g.literals = append(g.literals, states{})
				g.literal[t.value] = uint8(len(g.literals))
			}
			g.literals[g.literal[t.value]-1].set(i)
		}
	}
	return g
}

func (g *glob) matches(name []byte) bool {
	var now states
	now.set(0)
	for _, c := range name {
		if !g.step(&now, c) {
			return false
		}
	}
	return now.has(g.tokens)
}

// noStates are the states after a byte that is not in the pattern.
var noStates states

// step consumes a byte, and reports whether any state is left.
func (g *glob) step(now *states, c byte) bool {
	literals := &noStates
	if i := g.literal[c]; i > 0 {
		literals = &g.literals[i-1]
	}
	var carry, alive uint64
	for w := range g.words {
		wild := g.doubles[w]
		if c != g.separator {
			wild |= g.stars[w]
		}
		// A wildcard may end with this byte, or take another.
		stay := now[w] & wild
		step := stay | now[w]&literals[w]
		now[w] = step<<1 | carry | stay
		carry = step >> 63
		alive |= now[w]
	}
	return alive != 0
}
