package wire

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

func TestParseAppend(t *testing.T) {
	groups := func(n int) (out []string) {
		for i := range n {
			out = append(out, strconv.Itoa(i), "", "1", "d")
		}
		return out
	}
	request := func(parts ...[]string) []string {
		return slices.Concat(append([][]string{{"APPEND", ""}}, parts...)...)
	}
	data := func(n int) []string { return slices.Repeat([]string{""}, n) }
	bytesOf := func(n int) string { return strings.Repeat("d", n) }

	thousand := Append{Key: []byte{}}
	for i := range 1000 {
		thousand.Groups = append(thousand.Groups, Group{[]byte(strconv.Itoa(i)), Bound{}, frames("d")})
	}
	one := func(key string, g Group) Append { return Append{[]byte(key), []Group{g}} }
	s, u := []byte("s"), []byte("u")

	testRequests(t, map[string]requestCase{
		"one event":           {in: []string{"APPEND", "k", "s", "", "1", "d"}, want: one("k", Group{s, Bound{}, frames("d")})},
		"no key":              {in: []string{"APPEND", "", "s", "", "1", ""}, want: one("", Group{s, Bound{}, frames("")})},
		"longest key":         {in: []string{"APPEND", bytesOf(64), "s", "", "1", ""}, want: one(bytesOf(64), Group{s, Bound{}, frames("")})},
		"expecting an id":     {in: []string{"APPEND", "", "s", id7, "2", "a", "b"}, want: one("", Group{s, Bound{7, true}, frames("a", "b")})},
		"expecting none":      {in: []string{"APPEND", "", "s", id0, "1", "a"}, want: one("", Group{s, Bound{0, true}, frames("a")})},
		"an end of groups":    {in: []string{"APPEND", "", "s", "", "1", "a", ""}, want: one("", Group{s, Bound{}, frames("a")})},
		"a zero before count": {in: []string{"APPEND", "", "s", "", "01", "a"}, want: one("", Group{s, Bound{}, frames("a")})},
		"three groups": {in: []string{"APPEND", "", "s", id7, "2", "a", "", "u", id0, "1", "b", "s", "", "1", "c"},
			want: Append{[]byte{}, []Group{{s, Bound{7, true}, frames("a", "")}, {u, Bound{0, true}, frames("b")}, {s, Bound{}, frames("c")}}}},
		"1,000 groups":  {in: request(groups(1000)), want: thousand},
		"10,000 events": {in: request([]string{"s", "", "10000"}, data(10_000)), want: one("", Group{s, Bound{}, frames(data(10_000)...)})},
		"8 MiB": {in: request([]string{"s", "", "2", bytesOf(8<<20 - 1), "d"}),
			want: one("", Group{s, Bound{}, frames(bytesOf(8<<20-1), "d")})},

		"without":                 {in: []string{"APPEND"}, code: Malformed},
		"no group":                {in: []string{"APPEND", "k"}, code: Malformed, say: "no group"},
		"no group, but their end": {in: []string{"APPEND", "k", ""}, code: Malformed, say: "no group"},
		"G1 no stream":            {in: []string{"APPEND", "k", "", "", "1", "d"}, code: BadOption},
		"key too long":            {in: []string{"APPEND", bytesOf(65), "s", "", "1", "d"}, code: TooLarge, say: "limit=64"},
		"a stream and no more":    {in: []string{"APPEND", "", "s"}, code: Malformed, say: "group=0"},
		"no count":                {in: []string{"APPEND", "", "s", ""}, code: Malformed, say: "group=0"},
		"name too long":           {in: []string{"APPEND", "", name256, "", "1", "d"}, code: TooLarge, say: "limit=255 group=0"},
		"expecting 7 bytes":       {in: []string{"APPEND", "", "s", id7[1:], "1", "d"}, code: Malformed, say: "expected has 7 bytes"},
		"E1 no events":            {in: []string{"APPEND", "", "s", "", "0"}, code: Malformed, say: "count"},
		"G1 no payload":           {in: []string{"APPEND", "", "s", "", "1"}, code: Malformed, say: "1 frames of data are announced and 0 follow"},
		"an empty count":          {in: []string{"APPEND", "", "s", "", "", "d"}, code: Malformed, say: "count"},
		"a sign":                  {in: []string{"APPEND", "", "s", "", "+1", "d"}, code: Malformed, say: "count"},
		"no number":               {in: []string{"APPEND", "", "s", "", "1x", "d"}, code: Malformed, say: "count"},
		"hexadecimal":             {in: []string{"APPEND", "", "s", "", "0x1", "d"}, code: Malformed, say: "count"},
		"an event is missing":     {in: []string{"APPEND", "", "u", "", "1", "d", "s", "", "3", "a", "b"}, code: Malformed, say: "group=1"},
		"an event more":           {in: []string{"APPEND", "", "s", "", "1", "a", "b"}, code: Malformed, say: "group=1"},
		"an option":               {in: []string{"APPEND", "", "s", "", "1", "a", "", "sync=no"}, code: BadOption, say: "option=73796e633d6e6f"},
		"another expectation": {in: []string{"APPEND", "", "s", id7, "1", "a", "u", "", "1", "a", "s", id7, "1", "b"},
			code: Malformed, say: "group=2"},
		"an expectation too late": {in: []string{"APPEND", "", "s", "", "1", "a", "s", id0, "1", "b"}, code: Malformed, say: "group=1"},
		"1,001 groups":            {in: request(groups(1001)), code: TooLarge, say: "limit=1000"},
		"10,001 events":           {in: request([]string{"s", "", "10001"}, data(10_001)), code: TooLarge, say: "limit=10000"},
		"10,001 in two groups": {in: request([]string{"s", "", "10000"}, data(10_000), []string{"u", "", "1", "d"}),
			code: TooLarge, say: "limit=10000"},
		"more than 64 bits": {in: []string{"APPEND", "", "s", "", "18446744073709551617", "d"}, code: TooLarge, say: "limit=10000"},
		"8 MiB and a byte": {in: request([]string{"s", "", "1", bytesOf(8 << 20), "u", "", "1", "d"}),
			code: TooLarge, say: "limit=8388608"},
	})
}
