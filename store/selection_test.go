package store

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
)

var matchCases = []struct {
	label, pattern, name string
	want                 bool
}{
	// adlerhurst's subjects: '.' is the separator '/', '>' at the end is "**".
	{"A6", "user", "user/123", false},
	{"A6", "user/123", "user", false},
	{"A6", "user/123", "user/123", true},
	{"A6", "user/123", "user/321", false},
	{"A6", "user/*", "user/123", true},
	{"A6", "user/*/123", "user/added/123", true},
	{"A6", "*/123", "user/123", true},
	{"A6", "user/123/*", "user/123", false},
	{"A6", "user/*", "user/123/added", false},
	{"A6", "**", "user/123", true},
	{"A6", "user/123/**", "user/123", false},
	{"A4", "user/id/**", "user/id/added", true},
	{"A4", "user/*/*", "user/id/removed", true},
	{"A4", "user/id/added", "user/id/removed", false},
	// Of A7, what is valid. What is not has no counterpart, save the empty list
	// (see TestInvalid): here wildcards may stand beside text, and ** anywhere.
	{"A7", "a/*/b", "a/x/b", true},
	{"A7", "a/*/b", "a/x/y/b", false},
	{"A7", "a/*/**", "a/x/y/z", true},
	{"A7", "a/*/**", "a/x", false},
	{"A7", "a/**", "a/x", true},
	{"A7", "**", "a", true},
	{"A7 text beside a wildcard", "a*/b", "ax/b", true},
	{"A7 ** not at the end", "**/b", "x/y/b", true},

	// fossil's templates: {x} is "*".
	{"F12", "/p/*", "/p/123", true},
	{"F12", "/p/*", "/p/987", true},
	{"F13", "visits/*", "visits/123", true},
	{"F13", "visits/*", "care-recipient/123", false},
	// Where its matchers of what is stored and of what is live disagreed.
	{"fossil: foo/{x}", "foo/*", "foo/a:b", true},
	{"fossil: foo/{x}", "foo/*", "foo/a b", true},
	{"fossil: foo/{x}", "foo/*", "foo/é", true},
	{"fossil: a point is a point", "v1.0/*", "v1x0/x", false},
	{"fossil: a point is a point", "v1.0/*", "v1.0/x", true},
	{"fossil: {x} matched nothing, too", "foo/*", "foo/", false},
	{"fossil: whole names", "a/1", "/a/1", false},
	{"fossil: case", "foo/*", "Foo/1", false},
	{"fossil: an invalid template ended it", "stream={", "stream={", true},
	{"fossil: expressions are text", "a(b|c)+[d]?^$", "a(b|c)+[d]?^$", true},
	{"fossil: expressions are text", "[a-z]", "b", false},
	{"fossil v3: Foo is not Foo/Bar", "Foo", "Foo/Bar", false},

	{"one byte or more", "a*", "a", false},
	{"one byte or more", "*", "a", true},
	{"one byte or more", "*", "/", false},
	{"one byte or more", "**", "/", true},
	{"no byte", "**", "", false},
	{"two wildcards", "*a*", "bab", true},
	{"two wildcards", "*a*", "ab", false},
	{"the first fit is not the right one", "*ab", "aab", true},
	{"the first fit is not the right one", "**/c", "a/c/b/c", true},
	{"** and then *", "***", "a", false},
	{"** and then *", "***", "/a", true},
	{"** and then *", "***", "a/", false},
	{"escaped", `a\*`, "a*", true},
	{"escaped", `a\*`, "ab", false},
	{"escaped", `a\\`, `a\`, true},
	{"escaped", `\a\/*`, "a/b", true},
	{"escaped, then a wildcard", `\**`, "*x", true},
	{"escaped, then a wildcard", `\**`, "xx", false},
	{"an escape between asterisks", `*\**`, "a*b", true},
	{"any bytes", "\x00*\xff", "\x00\n\xff", true},
	{"halves of a rune", "\xc3*", "é", true},
}

func TestMatches(t *testing.T) {
	for _, c := range matchCases {
		s, err := Glob('/', []byte(c.pattern))
		if err != nil {
			t.Fatalf("%s: %s: %v", c.label, c.pattern, err)
		}
		if have := s.Matches([]byte(c.name)); have != c.want {
			t.Errorf("%s: %q matches %q: %v", c.label, c.pattern, c.name, have)
		}
		if have := matchNaively('/', c.pattern, c.name); have != c.want {
			t.Errorf("%s: %q matches %q naively: %v", c.label, c.pattern, c.name, have)
		}
	}
}

func TestSeparator(t *testing.T) {
	for _, c := range []struct {
		separator     byte
		pattern, name string
		want          bool
	}{
		{'.', "user.*", "user.a/b", true},
		{'.', "user.*", "user.a.b", false},
		{0, "*\x00*", "a\x00b", true},
		{0, "*", "a\x00b", false},
		{'*', "*", "a*b", false},
		{'\\', `*\\*`, `a\b`, true},
	} {
		s, err := Glob(c.separator, []byte(c.pattern))
		if err != nil {
			t.Fatal(err)
		}
		if have := s.Matches([]byte(c.name)); have != c.want {
			t.Errorf("%q separates: %q matches %q: %v", c.separator, c.pattern, c.name, have)
		}
	}
}

func TestInvalid(t *testing.T) {
	s := Prefix([]byte("a"))
	for _, c := range []struct{ label, pattern, says string }{
		{"A7 empty list", "", "1 to 255 bytes, not 0"},
		{"too long", strings.Repeat("a", 256), "1 to 255 bytes, not 256"},
		{"too long", strings.Repeat("**", 128), "1 to 255 bytes, not 256"},
		{"half an escape", `a\`, `ends with a \`},
		{"half an escape", `a\\\`, `ends with a \`},
	} {
		if _, err := Glob('/', []byte(c.pattern)); !errors.Is(err, ErrInvalid) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", c.label, err)
		}
		if err := s.Also('/', []byte(c.pattern)); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: also: %v", c.label, err)
		}
	}
	if len(s.Prefixes()) != 1 || s.Matches([]byte(strings.Repeat("b", 256))) {
		t.Error("what was refused has changed the selection")
	}
}

// TestLongest: patterns of 255 bytes use all states, in every word of them.
func TestLongest(t *testing.T) {
	stars := strings.Repeat("*a", 127) + "*"
	name := strings.Repeat("xa", 127)
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{stars, name + "x", true},
		{stars, name, false},
		{stars, name + "/", false},
		{"*" + strings.Repeat("b", 254), "a" + strings.Repeat("b", 254), true},
		{"*" + strings.Repeat("b", 254), "a" + strings.Repeat("b", 253), false},
		{strings.Repeat("b", 254) + "*", strings.Repeat("b", 255), true},
		{strings.Repeat("*/", 127) + "*", strings.Repeat("b/", 127) + "b", true},
	} {
		s, err := Glob('/', []byte(c.pattern))
		if err != nil {
			t.Fatal(err)
		}
		if have := s.Matches([]byte(c.name)); have != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.name, have)
		}
	}
}

func TestAlso(t *testing.T) {
	s := Prefix([]byte("a/"))
	for _, pattern := range []string{"b*", "c"} {
		if err := s.Also('/', []byte(pattern)); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]bool{
		"a/": true, "a/x/y": true, "a": false, "bx": true, "b": false, "b/": false, "c": true, "cc": false, "": false,
	} {
		if have := s.Matches([]byte(name)); have != want {
			t.Errorf("%q: %v", name, have)
		}
	}
}

func TestNothing(t *testing.T) {
	for _, s := range []*Selection{nil, {}} {
		if s.Matches([]byte("a")) || s.Matches(nil) || len(s.Prefixes()) != 0 {
			t.Errorf("%v selects something", s)
		}
	}
}

func TestPrefixes(t *testing.T) {
	for _, c := range []struct {
		prefix, also, want string
	}{
		{"", "", `[""]`},
		{"a/", "", `["a/"]`},
		{"a/", "a/b", `["a/"]`},
		{"a/b", "a/*", `["a/"]`},
		{"b", "a", `["a" "b"]`},
		{"a", "ab ac* b ba", `["a" "b"]`},
		{"x", `a\*b* c`, `["a*b" "c" "x"]`},
		{"x", "*", `[""]`},
		{"\xff", "\x00**", `["\x00" "\xff"]`},
		{"a", "a", `["a"]`},
	} {
		s := Prefix([]byte(c.prefix))
		for _, also := range strings.Fields(c.also) {
			if err := s.Also('/', []byte(also)); err != nil {
				t.Fatal(err)
			}
		}
		if have := fmt.Sprintf("%q", s.Prefixes()); have != c.want {
			t.Errorf("%q also %q: %s, want %s", c.prefix, c.also, have, c.want)
		}
	}
}

// TestPrefixIsCopied: a selection outlives the frame that it came in.
func TestPrefixIsCopied(t *testing.T) {
	prefix, pattern := []byte("a"), []byte("bb*")
	s := Prefix(prefix)
	if err := s.Also('/', pattern); err != nil {
		t.Fatal(err)
	}
	prefix[0], pattern[0] = 'x', 'x'
	if !s.Matches([]byte("a")) || !s.Matches([]byte("bbb")) {
		t.Error("the selection has changed with what it was made of")
	}
}

func FuzzMatches(f *testing.F) {
	for _, c := range matchCases {
		f.Add(byte('/'), c.pattern, c.name)
	}
	f.Add(byte('a'), strings.Repeat("*a", 100), strings.Repeat("ba", 100))
	f.Fuzz(func(t *testing.T, separator byte, pattern, name string) {
		s, err := Glob(separator, []byte(pattern))
		if err != nil {
			return
		}
		have, want := s.Matches([]byte(name)), matchNaively(separator, pattern, name)
		if have != want {
			t.Fatalf("%q matches %q, %q separates: %v", pattern, name, separator, have)
		}
		if prefixes := s.Prefixes(); have && !bytes.HasPrefix([]byte(name), prefixes[0]) {
			t.Fatalf("%q is selected and does not begin with %q", name, prefixes[0])
		}
	})
}

// matchNaively asks for each part of the pattern and each part of the name
// whether one matches the other, from the shortest on.
func matchNaively(separator byte, pattern, name string) bool {
	row := make([]bool, len(name)+1) // of the pattern so far: does it match name[:i]
	row[0] = true
	for pattern != "" {
		next := make([]bool, len(name)+1)
		wild, every, c := false, false, pattern[0]
		switch {
		case strings.HasPrefix(pattern, "**"):
			wild, every, pattern = true, true, pattern[2:]
		case pattern[0] == '*':
			wild, pattern = true, pattern[1:]
		case pattern[0] == '\\':
			c, pattern = pattern[1], pattern[2:]
		default:
			pattern = pattern[1:]
		}
		for i := range len(name) {
			if wild {
				next[i+1] = (row[i] || next[i]) && (every || name[i] != separator)
			} else {
				next[i+1] = row[i] && name[i] == c
			}
		}
		row = next
	}
	return row[len(name)]
}

func TestMatchesAllocatesNothing(t *testing.T) {
	s := Prefix([]byte("user/"))
	if err := s.Also('/', []byte("*/123/**a*")); err != nil {
		t.Fatal(err)
	}
	name := []byte("account/123/xyzab")
	if n := testing.AllocsPerRun(100, func() {
		if !s.Matches(name) {
			t.Fatal("no match")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkMatches(b *testing.B) {
	long := "a/" + strings.Repeat("a", 253)
	for _, c := range []struct{ label, pattern, name string }{
		{"name", "user/0123456789abcdef", "user/0123456789abcdef"},
		{"rest", "user/**", "user/0123456789abcdef"},
		{"token", "user/*", "user/0123456789abcdef"},
		{"tokens", "*/0123*/**", "user/0123456789abcdef/orders"},
		{"other", "*/0123*/**", "/user/0123456789abcdef/orders"},
		{"worst", strings.Repeat("**a", 85), long},
	} {
		b.Run(c.label, func(b *testing.B) {
			s, err := Glob('/', []byte(c.pattern))
			if err != nil {
				b.Fatal(err)
			}
			name := []byte(c.name)
			b.ReportAllocs()
			for b.Loop() {
				s.Matches(name)
			}
		})
	}
}
