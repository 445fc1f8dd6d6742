package store

import "slices"

// Covers reports whether s selects every stream that other selects. It requires
// each part of other to be within a single part of s. Where that is hard to tell it
// may report false, but it never reports true wrongly.
func (s *Selection) Covers(other *Selection) bool {
	if other == nil {
		return true
	}
	steps := coverSteps
	for i := range other.parts {
		if !s.coversPattern(&other.parts[i], &steps) {
			return false
		}
	}
	return true
}

// coversPattern splits a prefix into the stream of that name and longer names,
// because globs distinguish these.
func (s *Selection) coversPattern(p *pattern, steps *int) bool {
	if p.end != endAny {
		return s.holds(p.tokens, p.separator, steps)
	}
	named := len(p.begin) == 0 || s.Matches(p.begin) // no stream has an empty name
	longer := append(p.tokens[:len(p.tokens):len(p.tokens)], token{kind: doubleStar})
	return named && s.holds(longer, p.separator, steps)
}

// holds reports whether one part of s matches every name that a glob matches.
func (s *Selection) holds(tokens []token, separator byte, steps *int) bool {
	return s != nil && slices.ContainsFunc(s.parts, func(p pattern) bool { return p.holds(tokens, separator, steps) })
}

// holds is matches for all names of a glob at once. If p begins with literal bytes,
// the glob must begin with the same ones, because no wildcard stands for a single
// value.
func (p *pattern) holds(tokens []token, separator byte, steps *int) bool {
	n := len(p.begin)
	if len(tokens) < n || !slices.Equal(tokens[:n], p.tokens[:n]) {
		return false
	}
	rest := tokens[n:]
	switch p.end {
	case endAny:
		return true
	case endSome:
		return len(rest) > 0
	case endGlob:
		return p.separator == separator && slices.Equal(rest, p.tokens[n:]) || within(rest, separator, p.glob, steps)
	}
	return len(rest) == 0
}

// coverSteps bounds the cost of comparing globs, to about a tenth of a millisecond.
// Clients choose one of the globs, and everybody waits meanwhile.
const coverSteps = 3000

// within reports whether g matches every name that a glob of tokens matches. It
// goes through the tokens and tracks every set of states that g can be in, over all
// bytes that make a difference.
func within(tokens []token, separator byte, g *glob, steps *int) bool {
	alphabet := alphabetOf(tokens, separator, g)
	var start states
	start.set(0)
	now, seen := []states{start}, make(map[states]bool)
	for _, t := range tokens {
		var after []states
		clear(seen)
		for todo := now; len(todo) > 0; {
			before := todo[0]
			todo = todo[1:]
			for _, c := range alphabet {
				if t.kind == literal && c != t.value || t.kind == star && c == separator {
					continue
				}
				if *steps--; *steps < 0 {
					return false
				}
				next := before
				if !g.step(&next, c) {
					return false
				}
				if seen[next] {
					continue
				}
				seen[next] = true
				after = append(after, next)
				if t.kind != literal { // it may take another byte
					todo = append(todo, next)
				}
			}
		}
		now = after
	}
	return !slices.ContainsFunc(now, func(s states) bool { return !s.has(g.tokens) })
}

// alphabetOf returns the bytes that a glob or g distinguishes, and one of
// the others.
func alphabetOf(tokens []token, separator byte, g *glob) (found []byte) {
	var own [256]bool
	own[separator], own[g.separator] = true, true
	for _, t := range tokens {
		if t.kind == literal {
			own[t.value] = true
		}
	}
	another := false
	for c := range 256 {
		if own[c] || g.literal[c] > 0 {
			found = append(found, byte(c))
		} else if !another {
			another = true
			found = append(found, byte(c))
		}
	}
	return found
}
