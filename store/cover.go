package store

import "slices"

// Covers reports whether s selects every stream that other selects. Each part of
// other must be within a single part of s. It may report false where that is hard
// to tell, and never true where it is not so.
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

// coversPattern splits a prefix into its own name and what is longer, since globs
// tell these apart.
func (s *Selection) coversPattern(p *pattern, steps *int) bool {
	if p.end != endAny {
		return s.holds(p.tokens, p.separator, steps)
	}
	named := len(p.begin) == 0 || s.Matches(p.begin) // no stream has an empty name
	longer := append(p.tokens[:len(p.tokens):len(p.tokens)], token{kind: doubleStar})
	return named && s.holds(longer, p.separator, steps)
}

// holds reports whether one part of s matches all that a glob does.
func (s *Selection) holds(tokens []token, separator byte, steps *int) bool {
	return s != nil && slices.ContainsFunc(s.parts, func(p pattern) bool {
		if p.end == endAny {
			return len(tokens) >= len(p.tokens) && slices.Equal(tokens[:len(p.tokens)], p.tokens)
		}
		same := p.separator == separator && slices.Equal(tokens, p.tokens)
		return same || within(tokens, separator, newGlob(p.separator, p.tokens), steps)
	})
}

// coverSteps bounds what it may cost to compare globs, to about a millisecond. Whoever may send
// queries chooses one of them, and everybody waits meanwhile.
const coverSteps = 10_000

// within reports whether g matches every name that a glob of tokens does: it
// walks through the glob, with all states that g can be in, over all octets that
// make a difference.
func within(tokens []token, separator byte, g *glob, steps *int) bool {
	type place struct {
		token int
		states
	}
	alphabet := octets(tokens, separator, g)
	start := place{}
	start.add(0)
	seen := map[place]bool{start: true}
	todo := []place{start}
	for len(todo) > 0 {
		p := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if p.token == len(tokens) {
			if !p.has(g.tokens) {
				return false
			}
			continue
		}
		t := tokens[p.token]
		for _, octet := range alphabet {
			if t.kind == literal && octet != t.octet || t.kind == star && octet == separator {
				continue
			}
			if *steps--; *steps < 0 {
				return false
			}
			next := p.states
			if !g.step(&next, octet) {
				return false
			}
			for _, to := range []place{{p.token + 1, next}, {p.token, next}} {
				if !seen[to] && (to.token > p.token || t.kind != literal) {
					seen[to] = true
					todo = append(todo, to)
				}
			}
		}
	}
	return true
}

// octets returns those that a glob or g treats in a way of their own, and one of
// the others.
func octets(tokens []token, separator byte, g *glob) (found []byte) {
	var own [256]bool
	own[separator], own[g.separator] = true, true
	for _, t := range tokens {
		if t.kind == literal {
			own[t.octet] = true
		}
	}
	another := false
	for octet := range 256 {
		if own[octet] || g.literal[octet] > 0 {
			found = append(found, byte(octet))
		} else if !another {
			another = true
			found = append(found, byte(octet))
		}
	}
	return found
}
