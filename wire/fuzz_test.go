package wire

import (
	"reflect"
	"slices"
	"testing"
)

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
	s, at := []byte("s"), meta.Time
	for _, r := range []Request{
		Publish{s, []byte("d")}, Info{}, Ping{frames("", "x")}, Cancel{},
		Append{[]byte("k"), []Group{{s, Bound{7, true}, frames("a", "")}, {[]byte("u"), Bound{}, frames("b")}}},
		Query{Stream: s, After: Bound{7, true}},
		Query{Stream: s, Limit: 3, Desc: true, Since: at, Until: at, Nearest: true, Consumer: []byte("c"), Meta: true, Store: "ab.1"},
		Query{Stream: []byte("a/*"), Match: MatchGlob, Also: frames("b", "c"), Separator: '.', HasSeparator: true, Follow: true},
		Query{Match: MatchPrefix},
		Query{Stream: s, UpTo: Bound{7, true}, Follow: true},
		Streams{Prefix: s, After: s, Limit: 5},
		Replace{s, 7, []byte("d")}, Delete{s, Bound{7, true}, Bound{}},
		Commit{[]byte("c"), s, 7, true}, Cursor{[]byte("c"), s}, Wait{[]byte("c"), s, 7, MaxWait},
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
			wantASCII(t, refused)
			return
		}
		sent := r.Frames()
		if again, refused := ParseRequest(sent); refused != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("want %#v, have %#v, %v", r, again, refused)
		}
		if !free(r) && !slices.EqualFunc(sent, body, slices.Equal) {
			t.Fatalf("want %q, have %q", body, sent)
		}
	})
}

// free reports whether a request can be written in more than one way: it has
// options or a number in digits.
func free(r Request) bool {
	switch r.(type) {
	case Append, Query, Streams, Wait:
		return true
	}
	return false
}

func FuzzReply(f *testing.F) {
	for _, r := range []Reply{
		Published{1}, Appended{[]uint64{1, 2}}, Event{ID: 1, Data: []byte("d")}, Event{1, []byte("d"), meta}, Live{},
		StreamReply{[]byte("s"), 1}, End{}, Replaced{1}, Deleted{}, Committed{1}, CursorReply{}, Reached{1},
		Pong{frames("a", "")}, InfoReply{[]Param{{"a", "b"}}}, Errorf(BadOption, "b", "a").With(Param{"x", "y"}),
	} {
		f.Add(pack(r.Frames()))
	}
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
