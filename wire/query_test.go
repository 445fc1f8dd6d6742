package wire

import (
	"encoding/hex"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParseQuery(t *testing.T) {
	testRequests(t, map[string]requestCase{
		"no bounds":             {in: []string{"QUERY", "s", "", ""}, want: Query{Stream: []byte("s")}},
		"both":                  {in: []string{"QUERY", "s", id7, id7}, want: Query{Stream: []byte("s"), After: Bound{7, true}, UpTo: Bound{7, true}}},
		"id zero":               {in: []string{"QUERY", "s", id0, id0}, want: Query{Stream: []byte("s"), After: Bound{0, true}, UpTo: Bound{0, true}}},
		"no name":               {in: []string{"QUERY", "", "", ""}, code: Malformed},
		"no name, and an order": {in: []string{"QUERY", "", "", "", "order=desc"}, code: Malformed},
		"name too long":         {in: []string{"QUERY", name256, "", ""}, code: TooLarge, say: "limit=255"},
		"R8 without":            {in: []string{"QUERY"}, code: Malformed},
		"R8 with 1":             {in: []string{"QUERY", "s"}, code: Malformed},
		"R8 with 2":             {in: []string{"QUERY", "s", ""}, code: Malformed},
		"R8 with 4":             {in: []string{"QUERY", "s", "", "", "frobnicate"}, code: BadOption},
		"P4 after":              {in: []string{"QUERY", "s", "non-exist", ""}, code: Malformed, say: "after has 9 bytes"},
		"P4 upto":               {in: []string{"QUERY", "s", "", "non-exist"}, code: Malformed, say: "upto has 9 bytes"},
		"P4 after and upto":     {in: []string{"QUERY", "s", "non-exist", "non-exist2"}, code: Malformed},
		"P4 upto and after":     {in: []string{"QUERY", "s", "non-exist2", "non-exist"}, code: Malformed},
		"bound of 7":            {in: []string{"QUERY", "s", id7[:7], ""}, code: Malformed},
		"bound of 9":            {in: []string{"QUERY", "s", "", id7 + "x"}, code: Malformed},
		"F19 bound in digits":   {in: []string{"QUERY", "s", "7", ""}, code: Malformed},
		"a refusal before another": {in: []string{"QUERY", "", "7", "", "frobnicate"},
			code: BadOption, say: hex.EncodeToString([]byte("frobnicate"))},
		"prefix of no bytes": {in: []string{"QUERY", "", "", "", "match=prefix"}, want: Query{Stream: []byte{}, Match: MatchPrefix, Meta: true}},
		"everything at once": {
			in: []string{"QUERY", "a/*", id7, "", "store=0af.12", "separator==", "also=b", "also=a\x00=\xff", "match=glob", "meta", "nearest",
				"until=2026-01-02T03:04:05Z", "since=2026-01-02T03:04:05Z", "order=desc", "limit=9"},
			want: Query{Stream: []byte("a/*"), After: Bound{7, true}, Limit: 9, Desc: true,
				Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Until: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
				Nearest: true, Meta: true, Match: MatchGlob, Also: frames("b", "a\x00=\xff"), Separator: '=', HasSeparator: true, Store: "0af.12"},
		},
		"a follower of a consumer": {in: []string{"QUERY", "s", "", "", "follow", "consumer=c=\x00d", "limit=1"},
			want: Query{Stream: []byte("s"), Follow: true, Consumer: []byte("c=\x00d"), Limit: 1}},
	})
}

// TestQueryOptions has one option, or a few, beside a stream s without bounds.
func TestQueryOptions(t *testing.T) {
	sixteen := slices.Repeat([]string{"also=g"}, 16)
	globs := slices.Repeat([][]byte{[]byte("g")}, 16)
	some := func(q Query) Query {
		q.Stream = []byte("s")
		q.Meta = q.Meta || q.Match != MatchName
		return q
	}
	cases := map[string]requestCase{}
	for name, c := range map[string]struct {
		in   []string
		want Query
	}{
		"limit":                {[]string{"limit=10"}, Query{Limit: 10}},
		"limit, zeros before":  {[]string{"limit=0010"}, Query{Limit: 10}},
		"limit, greatest":      {[]string{"limit=9223372036854775807"}, Query{Limit: 1<<63 - 1}},
		"limit, beyond":        {[]string{"limit=9223372036854775808"}, Query{Limit: 1<<63 - 1}},
		"limit, far beyond":    {[]string{"limit=" + strings.Repeat("9", 100)}, Query{Limit: 1<<63 - 1}},
		"descending":           {[]string{"order=desc"}, Query{Desc: true}},
		"ascending":            {[]string{"order=asc"}, Query{}},
		"ascending follower":   {[]string{"order=asc", "follow"}, Query{Follow: true}},
		"nearest":              {[]string{"nearest"}, Query{Nearest: true}},
		"follow":               {[]string{"follow"}, Query{Follow: true}},
		"follow since":         {[]string{"follow", "since=2026-01-02T03:04:05Z"}, Query{Follow: true, Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}},
		"meta":                 {[]string{"meta"}, Query{Meta: true}},
		"consumer":             {[]string{"consumer=" + name255}, Query{Consumer: []byte(name255)}},
		"consumer, selection":  {[]string{"consumer=c", "match=prefix"}, Query{Consumer: []byte("c"), Match: MatchPrefix}},
		"prefix":               {[]string{"match=prefix"}, Query{Match: MatchPrefix}},
		"glob":                 {[]string{"match=glob"}, Query{Match: MatchGlob}},
		"glob and separator":   {[]string{"match=glob", "separator=\x00"}, Query{Match: MatchGlob, HasSeparator: true}},
		"prefix and globs":     {append([]string{"match=prefix", "separator=."}, sixteen...), Query{Match: MatchPrefix, Also: globs, Separator: '.', HasSeparator: true}},
		"longest glob":         {[]string{"match=prefix", "also=" + name255}, Query{Match: MatchPrefix, Also: frames(name255)}},
		"F16 two globs":        {[]string{"match=glob", "also=t/*"}, Query{Match: MatchGlob, Also: frames("t/*")}},
		"store":                {[]string{"store=00ff.0"}, Query{Store: "00ff.0"}},
		"selection, backwards": {[]string{"match=glob", "order=desc"}, Query{Match: MatchGlob, Desc: true}},
	} {
		cases[name] = requestCase{in: append([]string{"QUERY", "s", "", ""}, c.in...), want: some(c.want)}
	}
	testRequests(t, cases)
}

// TestBadOptions has a request, the option that its refusal names and a part of
// the text.
func TestBadOptions(t *testing.T) {
	seventeen := slices.Repeat([]string{"also=g"}, 17)
	query := func(options ...string) []string { return append([]string{"QUERY", "s", "", ""}, options...) }
	for name, c := range map[string]struct {
		in          []string
		option, say string
	}{
		"empty":                      {query(""), "", `no option ""`},
		"unknown":                    {query("meta", "frobnicate=1"), "frobnicate=1", `QUERY has no option "frobnicate=1"`},
		"not ASCII":                  {query("\x00\xff;"), "\x00\xff;", `"???"`},
		"capitals":                   {query("LIMIT=1"), "LIMIT=1", "no option"},
		"a space":                    {query("limit =1"), "limit =1", "no option"},
		"long":                       {query(name256), name256[:64], `option "` + name256[:64] + `"`},
		"an option of COMMIT":        {query("rewind"), "rewind", "no option"},
		"limit 0":                    {query("limit=0"), "limit=0", "send limit=N with N of 1 or more"},
		"limit without number":       {query("limit="), "limit=", "limit=N"},
		"limit without value":        {query("limit"), "limit", "limit=N"},
		"limit, sign":                {query("limit=+1"), "limit=+1", "limit=N"},
		"limit, space":               {query("limit=1 "), "limit=1 ", "limit=N"},
		"limit, no number far on":    {query("limit=" + strings.Repeat("9", 100) + "x"), "limit=" + strings.Repeat("9", 58), "limit=N"},
		"limit twice":                {query("limit=1", "limit=2"), "limit=2", "twice"},
		"order":                      {query("order=up"), "order=up", "order=desc"},
		"order twice":                {query("order=asc", "meta", "order=desc"), "order=desc", "twice"},
		"since":                      {query("since=yesterday"), "since=yesterday", "RFC 3339"},
		"since twice":                {query("since=2026-01-02T03:04:05Z", "since=2026-01-02T03:04:05Z"), "since=2026-01-02T03:04:05Z", "twice"},
		"until":                      {query("until=2026-01-02"), "until=2026-01-02", "RFC 3339"},
		"nearest with a value":       {query("nearest=1"), "nearest=1", "send nearest"},
		"follow with a value":        {query("follow="), "follow=", "send follow"},
		"follow twice":               {query("follow", "follow"), "follow", "twice"},
		"meta with a value":          {query("meta=true"), "meta=true", "send meta"},
		"no consumer":                {query("consumer="), "consumer=", "1 to 255 bytes"},
		"consumer without value":     {query("consumer"), "consumer", "1 to 255 bytes"},
		"consumer too long":          {query("consumer=" + name256), "consumer=" + name256[:55], "1 to 255 bytes"},
		"match of nothing":           {query("match="), "match=", "match=prefix or match=glob"},
		"match of names":             {query("match=name"), "match=name", "match=prefix or match=glob"},
		"match twice":                {query("match=glob", "match=prefix"), "match=prefix", "twice"},
		"no glob":                    {query("match=glob", "also="), "also=", "1 to 255 bytes"},
		"glob too long":              {query("match=glob", "also="+name256), "also=" + name256[:59], "1 to 255 bytes"},
		"17 globs":                   {query(append(seventeen, "match=glob")...), "also=g", "at most 16"},
		"no separator":               {query("match=glob", "separator="), "separator=", "one byte"},
		"separator of two":           {query("match=glob", "separator=::"), "separator=::", "one byte"},
		"store without generation":   {query("store=ab"), "store=ab", "ID.GENERATION"},
		"store without number":       {query("store=ab."), "store=ab.", "ID.GENERATION"},
		"store without id":           {query("store=.1"), "store=.1", "ID.GENERATION"},
		"store in capitals":          {query("store=AB.1"), "store=AB.1", "ID.GENERATION"},
		"store, hexadecimal":         {query("store=ab.c"), "store=ab.c", "ID.GENERATION"},
		"store, two points":          {query("store=ab.1.1"), "store=ab.1.1", "ID.GENERATION"},
		"follow and upto":            {[]string{"QUERY", "s", "", id0, "follow"}, "follow", "follow means nothing beside upto"},
		"follow and until":           {query("until=2026-01-02T03:04:05Z", "follow"), "follow", "follow means nothing beside until"},
		"follow and until, long ago": {query("follow", "until=0001-01-01T00:00:00Z"), "follow", "follow means nothing beside until"},
		"follow, descending":         {query("meta", "order=desc", "follow"), "follow", "follow means nothing beside order=desc"},
		"consumer and after":         {[]string{"QUERY", "s", id0, "", "consumer=c"}, "consumer=c", "consumer means nothing beside after"},
		"also without match":         {query("also=g"), "also=g", "also means nothing without match"},
		"separator without match":    {query("separator=/"), "separator=/", "separator means nothing without match"},
		"separator without a glob":   {query("separator=/", "match=prefix"), "separator=/", "separator means nothing beside match=prefix"},
		"glob of no bytes":           {[]string{"QUERY", "", "", "", "match=glob"}, "match=glob", "match means nothing beside an empty stream"},
		"glob of 256":                {[]string{"QUERY", name256, "", "", "match=glob"}, "match=glob", "more than 255 bytes"},
		"prefix of 256":              {[]string{"QUERY", name256, "", "", "match=prefix"}, "match=prefix", "more than 255 bytes"},
	} {
		got, err := ParseRequest(frames(c.in...))
		if err == nil || err.Code != BadOption {
			t.Errorf("%s: want BAD-OPTION, have %v, %v", name, got, err)
			continue
		}
		if want := []Param{Hex("option", []byte(c.option))}; !slices.Equal(err.Params, want) || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: want %v and %q, have %v", name, want, c.say, err)
		}
		wantASCII(t, err)
	}
}

// TestInstant: events have whole microseconds, and none is lost or gained where a
// bound has more digits.
func TestInstant(t *testing.T) {
	for in, want := range map[string]string{
		"2026-01-02T03:04:05Z":                  "2026-01-02T03:04:05.000000Z",
		"2026-01-02T03:04:05.25Z":               "2026-01-02T03:04:05.250000Z",
		"2026-01-02T03:04:05.000001Z":           "2026-01-02T03:04:05.000001Z",
		"2026-01-02T03:04:05.000001000Z":        "2026-01-02T03:04:05.000001Z",
		"2026-01-02T03:04:05.000000001Z":        "2026-01-02T03:04:05.000001Z",
		"2026-01-02T03:04:05.000001001Z":        "2026-01-02T03:04:05.000002Z",
		"2026-01-02T03:04:05.999999999Z":        "2026-01-02T03:04:06.000000Z",
		"2026-01-02T03:04:05+05:30":             "2026-01-01T21:34:05.000000Z",
		"2026-01-02T03:04:05.123456789-23:59":   "2026-01-03T03:03:05.123457Z",
		"0001-01-01T00:00:00Z":                  "1970-01-01T00:00:00.000000Z",
		"0000-01-01T00:00:00+23:59":             "1970-01-01T00:00:00.000000Z",
		"9999-12-31T23:59:59.999999999Z":        "9999-12-31T23:59:59.999999Z",
		"9999-12-31T23:59:59-23:59":             "9999-12-31T23:59:59.999999Z",
		"":                                      "",
		"now":                                   "",
		"2026-01-02":                            "",
		"2026-01-02T03:04:05":                   "",
		"2026-01-02 03:04:05Z":                  "",
		"2026-01-02T3:04:05Z":                   "",
		"2026-01-02T03:04:05,5Z":                "",
		"2026-01-02T03:04:05.Z":                 "",
		"2026-01-02T03:04:05.0000000001Z":       "",
		"2026-01-02T03:04:05.0000000001+00:00":  "",
		"2026-01-02T03:04:05.0000000001-00:00":  "",
		"2026-13-02T03:04:05Z":                  "",
		"2026-02-29T03:04:05Z":                  "",
		"2026-01-02T24:00:00Z":                  "",
		"2026-01-02T03:04:05+24:00":             "",
		"2026-01-02T03:04:05Z ":                 "",
		"12026-01-02T03:04:05Z":                 "",
		"2026-01-02T03:04:05.1234567891234567Z": "",
	} {
		at, ok := parseInstant([]byte(in))
		if ok != (want != "") || ok && at.Format(TimeForm) != want {
			t.Errorf("%s: want %q, have %v, %v", in, want, at, ok)
		}
	}
}

// TestFormatQuery: a program's times are in any zone and of any precision, and
// options have one order.
func TestFormatQuery(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 6, time.FixedZone("", 3600))
	q := Query{Stream: []byte("s"), UpTo: Bound{7, true}, Limit: 2, Desc: true, Since: at, Until: at.Add(time.Hour), Nearest: true,
		Consumer: []byte("c"), Follow: true, Meta: true, Also: frames("g", "h"), Separator: '.', HasSeparator: true, Store: "ab.1"}
	want := "QUERY|s||" + id7 + "|limit=2|order=desc|since=2026-01-02T02:04:05.000001Z|until=2026-01-02T03:04:05.000001Z|" +
		"nearest|consumer=c|follow|meta|also=g|also=h|separator=.|store=ab.1"
	if have := text(q.Frames()); have != want {
		t.Errorf("want %q\nhave %q", want, have)
	}
	if have := text(Query{Stream: []byte("s"), Match: MatchGlob, Meta: true}.Frames()); have != "QUERY|s|||match=glob" {
		t.Errorf("with match, meta need not be said: %q", have)
	}
}
