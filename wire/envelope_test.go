package wire

import (
	"errors"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	many := func(n int, f string) []string {
		out := make([]string, n)
		for i := range out {
			out[i] = f
		}
		return out
	}
	for name, c := range map[string]struct {
		in       []string
		envelope int
		err      error
	}{
		"DEALER without delimiter":       {[]string{"PUBLISH", "s", "d"}, 0, nil},
		"DEALER with delimiter, REQ":     {[]string{"", "PUBLISH", "s", "d"}, 1, nil},
		"a frame of the client's own":    {[]string{"7", "", "PING"}, 2, nil},
		"two proxies":                    {[]string{"\x00abcd", "\x00efgh", "", "PING"}, 3, nil},
		"unknown word is a command":      {[]string{"FROBNICATE", "", "x"}, 0, nil},
		"two capitals are no command":    {[]string{"AB", "", "PING"}, 2, nil},
		"thirteen capitals are none":     {[]string{"ABCDEFGHIJKLM", "", "PING"}, 2, nil},
		"lower case is no command":       {[]string{"publish", "s", "d"}, 0, ErrNoDelimiter},
		"empty data is not a delimiter":  {[]string{"PUBLISH", "s", ""}, 0, nil},
		"nothing":                        {nil, 0, ErrNoDelimiter},
		"15 frames and the delimiter":    {append(many(15, "x"), "", "PING"), 16, nil},
		"16 frames and the delimiter":    {append(many(16, "x"), "", "PING"), 0, ErrEnvelope},
		"1,024 bytes":                    {[]string{strings.Repeat("x", 1024), "", "PING"}, 2, nil},
		"1,025 bytes":                    {[]string{strings.Repeat("x", 1025), "", "PING"}, 0, ErrEnvelope},
		"delimiter and nothing after it": {[]string{""}, 1, nil},
	} {
		envelope, request, err := Split(frames(c.in...))
		if !errors.Is(err, c.err) {
			t.Errorf("%s: want error %v, have %v", name, c.err, err)
			continue
		}
		if err != nil {
			continue
		}
		if len(envelope) != c.envelope || len(request) != len(c.in)-c.envelope {
			t.Errorf("%s: want an envelope of %d, have %q and %q", name, c.envelope, envelope, request)
		}
	}
}
