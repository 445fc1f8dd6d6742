package store

import (
	"math/rand/v2"
	"strings"
	"testing"
)

// globs returns a Selection of several.
func globs(t *testing.T, patterns ...string) *Selection {
	t.Helper()
	s := new(Selection)
	for _, p := range patterns {
		if err := s.Also('/', []byte(p)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		rules []string
		asked string
		want  bool
	}{
		{[]string{"**"}, "**", true},
		{[]string{"**"}, "*", true},
		{[]string{"*"}, "**", false},
		{[]string{"account/*"}, "account/*", true},
		{[]string{"account/*"}, "account/1*", true},
		{[]string{"account/*"}, "account/17", true},
		{[]string{"account/*"}, "account/17/x", false},
		{[]string{"account/*"}, "account/**", false},
		{[]string{"account/*"}, "*", false},
		{[]string{"account/**"}, "account/*/x", true},
		{[]string{"account/**"}, "account/", false},
		{[]string{"*/x"}, "**/x", false},
		{[]string{"**/x"}, "*/x", true},
		{[]string{"**/x"}, "*/*", false},
		{[]string{"a*", "b*"}, "b*c", true},
		{[]string{"a*", "b*"}, "*", false}, // nobody says that it is all of them
		{[]string{`a\*`}, "a*", false},
		{[]string{"a*"}, `a\*`, true},
		{nil, "a", false},
	} {
		if have := globs(t, c.rules...).Covers(globs(t, c.asked)); have != c.want {
			t.Errorf("%q covers %q: want %v, have %v", c.rules, c.asked, c.want, have)
		}
	}
	for _, c := range []struct {
		rules []string
		asked string
		want  bool
	}{
		{[]string{"**"}, "", true},
		{[]string{"account/**"}, "", false},
		{[]string{"account/**"}, "account/", false}, // a stream may have that name
		{[]string{"account/**", "account/"}, "account/", true},
		{[]string{"account/**"}, "account/1", true},
		{[]string{"account/*"}, "account/1", false},
		{[]string{"**"}, strings.Repeat("x", maxPattern), true},
	} {
		if have := globs(t, c.rules...).Covers(Prefix([]byte(c.asked))); have != c.want {
			t.Errorf("%q covers the prefix %q: want %v, have %v", c.rules, c.asked, c.want, have)
		}
	}
	if !Prefix([]byte("a")).Covers(globs(t, "ab*")) || Prefix([]byte("a")).Covers(globs(t, "*")) {
		t.Error("a prefix covers what begins with it, and nothing else")
	}
	if (*Selection)(nil).Covers(globs(t, "a")) || !(*Selection)(nil).Covers(nil) {
		t.Error("nothing covers nothing, and only that")
	}
}

// TestCoversAsksForSeparators: a star that may pass over the rule's separator is
// more than the rule's own.
func TestCoversAsksForSeparators(t *testing.T) {
	asked, err := Glob('.', []byte("account/*"))
	if err != nil {
		t.Fatal(err)
	}
	if globs(t, "account/*").Covers(asked) || !globs(t, "account/**").Covers(asked) {
		t.Error("want account/* with another separator within account/** only")
	}
}

// TestCoversIsNeverWrong: of random globs, whatever one covers matches nothing
// that it does not match itself.
func TestCoversIsNeverWrong(t *testing.T) {
	seed := rand.Uint64()
	r := rand.New(rand.NewPCG(seed, 0))
	pick := func(from string, most int) string {
		b := make([]byte, 1+r.IntN(most))
		for i := range b {
			b[i] = from[r.IntN(len(from))]
		}
		return string(b)
	}
	covered := 0
	for range 20_000 {
		rule, asked := pick("ab/**", 5), pick("ab/**", 5)
		if !globs(t, rule).Covers(globs(t, asked)) {
			continue
		}
		covered++
		for range 50 {
			name := []byte(pick("abc/", 7))
			if globs(t, asked).Matches(name) && !globs(t, rule).Matches(name) {
				t.Fatalf("seed %d: %q is said to cover %q, but not %q", seed, rule, asked, name)
			}
		}
	}
	if covered < 100 {
		t.Errorf("seed %d: only %d pairs were covered", seed, covered)
	}
}

// TestCoversIsBounded: globs that would take long to compare are not covered, save
// by themselves.
func TestCoversIsBounded(t *testing.T) {
	for n, want := range map[int]bool{10: true, 40: false} {
		hard := strings.Repeat("*a*b", n)
		if have := globs(t, hard+"*").Covers(globs(t, hard+"*a")); have != want {
			t.Errorf("%d wildcards: want %v, have %v", 2*n, want, have)
		}
		if !globs(t, hard).Covers(globs(t, hard)) {
			t.Errorf("%d wildcards: want a glob covered by itself", 2*n)
		}
	}
}
