package wire

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
)

func frames(parts ...string) [][]byte {
	out := make([][]byte, len(parts))
	for i, p := range parts {
		out[i] = []byte(p)
	}
	return out
}

func text(frames [][]byte) string { return string(bytes.Join(frames, []byte("|"))) }

const id7 = "\x00\x00\x00\x00\x00\x00\x00\x07"

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
		"1,024 octets":                   {[]string{strings.Repeat("x", 1024), "", "PING"}, 2, nil},
		"1,025 octets":                   {[]string{strings.Repeat("x", 1025), "", "PING"}, 0, ErrEnvelope},
		"delimiter and nothing after it": {[]string{""}, 1, nil},
	} {
		envelope, request, err := Split(frames(c.in...))
		if err != c.err {
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

func TestParseRequest(t *testing.T) {
	for name, c := range map[string]struct {
		in   []string
		want Request
		code Code
	}{
		"publish":                  {in: []string{"PUBLISH", "s", "d"}, want: Publish{[]byte("s"), []byte("d")}},
		"publish, empty data":      {in: []string{"PUBLISH", "s", ""}, want: Publish{[]byte("s"), []byte{}}},
		"publish, any octets":      {in: []string{"PUBLISH", "\x00:\xff", "\x00"}, want: Publish{[]byte("\x00:\xff"), []byte{0}}},
		"publish, longest name":    {in: []string{"PUBLISH", strings.Repeat("s", 255), "d"}, want: Publish{[]byte(strings.Repeat("s", 255)), []byte("d")}},
		"R8 publish without":       {in: []string{"PUBLISH"}, code: Malformed},
		"R8 publish with 1":        {in: []string{"PUBLISH", "s"}, code: Malformed},
		"R8 publish with 3":        {in: []string{"PUBLISH", "s", "d", "x"}, code: BadOption},
		"publish, no name":         {in: []string{"PUBLISH", "", "d"}, code: Malformed},
		"publish, name too long":   {in: []string{"PUBLISH", strings.Repeat("s", 256), "d"}, code: TooLarge},
		"query, no bounds":         {in: []string{"QUERY", "s", "", ""}, want: Query{Stream: []byte("s")}},
		"query, both":              {in: []string{"QUERY", "s", id7, id7}, want: Query{[]byte("s"), Bound{7, true}, Bound{7, true}}},
		"R8 query without":         {in: []string{"QUERY"}, code: Malformed},
		"R8 query with 1":          {in: []string{"QUERY", "s"}, code: Malformed},
		"R8 query with 2":          {in: []string{"QUERY", "s", ""}, code: Malformed},
		"R8 query with 4":          {in: []string{"QUERY", "s", "", "", "frobnicate"}, code: BadOption},
		"query, bound of 7":        {in: []string{"QUERY", "s", id7[:7], ""}, code: Malformed},
		"query, bound of 9":        {in: []string{"QUERY", "s", "", id7 + "x"}, code: Malformed},
		"info":                     {in: []string{"INFO"}, want: Info{}},
		"info with a frame":        {in: []string{"INFO", "x"}, code: BadOption},
		"ping":                     {in: []string{"PING", "a", ""}, want: Ping{frames("a", "")}},
		"R8 P5 unknown":            {in: []string{"FROBNICATE"}, code: UnknownCommand},
		"no word":                  {in: []string{"x", "PUBLISH"}, code: Malformed},
		"empty frame as a command": {in: []string{"", "PUBLISH", "s", "d"}, code: Malformed},
		"nothing":                  {code: Malformed},
	} {
		got, err := ParseRequest(frames(c.in...))
		switch {
		case c.code != "" && (err == nil || err.Code != c.code):
			t.Errorf("%s: want %s, have %v, %v", name, c.code, got, err)
		case c.code == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.code == "" && !reflect.DeepEqual(got, c.want):
			t.Errorf("%s: want %#v, have %#v", name, c.want, got)
		}
	}
}

func TestReplyRoundTrip(t *testing.T) {
	for _, want := range []Reply{
		Published{1 << 40},
		Event{7, []byte("data")},
		End{},
		Pong{frames("a", "", "b")},
		InfoReply{[]Param{{"protocol", "1"}, {"store", "ab"}}},
		Errorf(UnknownID, "ask for another", "no such id").With(Hex("id", ID(7))),
		Errorf(Internal, "see the log; then retry", "it broke"),
	} {
		got, err := ParseReply(want.Frames())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("want %#v, have %#v, %v", want, got, err)
		}
	}
	newer, err := ParseReply(append(Event{7, []byte("d")}.Frames(), []byte("more")))
	if err != nil || !reflect.DeepEqual(newer, Event{7, []byte("d")}) {
		t.Errorf("a frame more at the end: %#v, %v", newer, err)
	}
	b, ok := ParseBroadcast(Broadcast{[]byte("s"), 7, nil}.Frames())
	if !ok || string(b.Stream) != "s" || b.ID != 7 {
		t.Errorf("broadcast: %v %v", b, ok)
	}
	if _, ok := ParseBroadcast(frames("", id7, "d")); ok {
		t.Error("a broadcast with an empty first frame is reserved")
	}
}

func TestErrorText(t *testing.T) {
	e := Errorf(UnknownID, "ask for another", "no such id").With(Hex("id", ID(7)), Hex("stream", []byte("s\xff")))
	want := "ERROR UNKNOWN-ID id=0000000000000007 stream=73ff ; no such id; ask for another"
	if have := text(e.Frames()); have != want {
		t.Errorf("want %q\nhave %q", want, have)
	}
	_, refused := ParseRequest(frames("QUERY", "s", "", "", "caf\xc3\xa9\n"))
	for _, c := range text(refused.Frames()) {
		if c < ' ' || c > '~' {
			t.Errorf("an ERROR is not ASCII: %q", text(refused.Frames()))
		}
	}
}

// TestIDsSortBytewise is R5 of the ancestors' tests: their ids changed length
// at 256 and stopped to sort.
func TestIDsSortBytewise(t *testing.T) {
	last := ID(0)
	for n := uint64(1); n <= 5000; n++ {
		id := ID(n)
		back, ok := ParseID(id)
		if !ok || back != n || bytes.Compare(last, id) >= 0 {
			t.Fatalf("id %d: %x after %x, read as %d", n, id, last, back)
		}
		last = id
	}
}

// unpack makes frames of fuzzed octets: each begins with its length.
func unpack(b []byte) (out [][]byte) {
	for len(b) > 0 {
		n := min(int(b[0]), len(b)-1)
		out = append(out, b[1:1+n])
		b = b[1+n:]
	}
	return out
}

func pack(frames [][]byte) (out []byte) {
	for _, f := range frames {
		out = append(append(out, byte(len(f))), f...)
	}
	return out
}

func FuzzRequest(f *testing.F) {
	for _, r := range []Request{
		Publish{[]byte("s"), []byte("d")}, Query{[]byte("s"), Bound{7, true}, Bound{}}, Info{}, Ping{frames("", "x")},
	} {
		f.Add(pack(r.Frames()))
		f.Add(pack(append(frames("e", ""), r.Frames()...)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := unpack(b)
		envelope, body, err := Split(in)
		if err != nil {
			return
		}
		if len(envelope)+len(body) != len(in) {
			t.Fatalf("frames lost: %q = %q + %q", in, envelope, body)
		}
		r, refused := ParseRequest(body)
		if refused != nil {
			if again, err := ParseReply(refused.Frames()); err != nil || !reflect.DeepEqual(again, Reply(refused)) {
				t.Fatalf("want %#v, have %#v, %v", refused, again, err)
			}
			return
		}
		if text(r.Frames()) != text(body) || len(r.Frames()) != len(body) {
			t.Fatalf("want %q, have %q", body, r.Frames())
		}
	})
}

func FuzzReply(f *testing.F) {
	f.Add(pack(Published{1}.Frames()))
	f.Add(pack(Event{1, []byte("d")}.Frames()))
	f.Add(pack(Errorf(BadOption, "b", "a").With(Param{"x", "y"}).Frames()))
	f.Fuzz(func(t *testing.T, b []byte) {
		ParseBroadcast(unpack(b))
		r, err := ParseReply(unpack(b))
		if err != nil {
			return
		}
		again, err := ParseReply(r.Frames())
		if _, internal := r.(*Error); !internal && (err != nil || !reflect.DeepEqual(again, r)) {
			t.Fatalf("want %#v, have %#v, %v", r, again, err)
		}
	})
}

func BenchmarkPublish(b *testing.B) {
	in := frames("PUBLISH", "stream", strings.Repeat("x", 100))
	b.ReportAllocs()
	for b.Loop() {
		_, body, err := Split(in)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ParsePublish(body[1:]); err != nil {
			b.Fatal(err)
		}
	}
}
