package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// unpack makes frames of fuzzed bytes: each begins with its length, a varint, so
// that frames may be longer than every limit of a name or an envelope.
func unpack(b []byte) (out [][]byte) {
	for len(b) > 0 {
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return append(out, b)
		}
		b = b[size:]
		n = min(n, uint64(len(b)))
		out = append(out, b[:n:n])
		b = b[n:]
	}
	return out
}

func pack(frames [][]byte) (out []byte) {
	for _, f := range frames {
		out = append(binary.AppendUvarint(out, uint64(len(f))), f...)
	}
	return out
}

// requestSeeds are requests of every command, and of every option.
func requestSeeds() []Request {
	s, at := []byte("s"), meta.Time
	return []Request{
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
		Log{}, Log{7, 5, "ab.1"},
	}
}

// messageSeeds are messages that no Request is formatted as.
var messageSeeds = [][]string{
	{"QUERY", "s", "", "", "order=asc", "since=2026-01-02T03:04:05.123456789+05:30", "until=9999-12-31T23:59:59-23:59"},
	{"QUERY", "s", id7, id0, "nearest", "limit=00000000000000000000000000000001"},
	{"QUERY", "s", id7, "", "consumer=c"},
	{"QUERY", "*", "", "", "order=desc", "match=glob", "separator=\x00", "also=;"},
	{"INFO", "a; b ; c"},
	{"QUERY", "s", "", "", "also=a", "separator=/", "meta=1", "limit=0", "order=up"},
	{"QUERY", name256, "", "", "match=prefix"},
	{"APPEND", "k", "s", "", "1", "d", ""},
	{"APPEND", "k", "s", id7, "1", "d", "s", id7, "1", "d"},
	{"APPEND", "k", "s", "", "99999999999999999999", "d"},
	{"WAIT", "c", "s", id7, "86400001"},
	{"COMMIT", "c", "", id7, "rewind", "rewind"},
	{"STREAMS", name255, name256, "limit=5"},
	{"PUBLISH", name256, "d", "x"},
	{"FROBNICATE"}, {"x"}, {""}, {"", ""}, {"publish", "s", "d"},
	{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "", "PING"},
	{"1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "", "PING"},
	{strings.Repeat("e", MaxEnvelopeBytes), "", "PING"},
	{strings.Repeat("e", MaxEnvelopeBytes+1), "", "PING"},
}

func FuzzRequest(f *testing.F) {
	for _, r := range requestSeeds() {
		f.Add(pack(r.Frames()))
		f.Add(pack(append(frames("e", ""), r.Frames()...)))
	}
	for _, m := range messageSeeds {
		f.Add(pack(frames(m...)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		in := unpack(b)
		envelope, body, err := Split(in)
		checkEnvelope(t, in, envelope, body, err)
		if err != nil {
			return
		}
		r, refused := ParseRequest(body)
		if refused != nil {
			wantASCII(t, refused)
			wantGrammar(t, refused)
			return
		}
		sent := r.Frames()
		if string(sent[0]) != string(body[0]) {
			t.Fatalf("%q is read as %q", body[0], sent[0])
		}
		if again, refused := ParseRequest(sent); refused != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("want %#v, have %#v, %v", r, again, refused)
		}
		if !free(r) && !slices.EqualFunc(sent, body, slices.Equal) {
			t.Fatalf("want %q, have %q", body, sent)
		}
	})
}

var commandForm = regexp.MustCompile(`\A[A-Z]{3,12}\z`)

// checkEnvelope compares a result of Split with what protocol.md says.
func checkEnvelope(t *testing.T, in, envelope, body [][]byte, err error) {
	t.Helper()
	end := slices.IndexFunc(in, func(f []byte) bool { return len(f) == 0 })
	command := len(in) > 0 && commandForm.Match(in[0])
	var want error
	switch {
	case command:
		end = -1
	case end < 0:
		want = ErrNoDelimiter
	case end >= MaxEnvelopeFrames || len(bytes.Join(in[:end], nil)) > MaxEnvelopeBytes:
		want = ErrEnvelope
	}
	if !errors.Is(err, want) {
		t.Fatalf("%q: want %v, have %v", in, want, err)
	}
	if err == nil && (len(envelope) != end+1 || !slices.EqualFunc(slices.Concat(envelope, body), in, slices.Equal)) {
		t.Fatalf("want an envelope of %d, have %q = %q + %q", end+1, in, envelope, body)
	}
}

// codes are all codes of an ERROR.
var codes = []Code{
	Malformed, UnknownCommand, BadOption, UnknownID, BadRange, TooLarge, Conflict, KeyReused, Behind, Busy, ReadOnly, Damaged,
	Denied, Timeout, Cancelled, Stopping, OtherStore, Apart, OutcomeUnknown, Internal,
}

// errorForm is the grammar of an ERROR.
var errorForm = regexp.MustCompile(`\AERROR [A-Z-]+( [a-z-]+=[!-:<-~]*)* ; [ -:<-~]+; [ -~]+\z`)

func wantGrammar(t *testing.T, e *Error) {
	t.Helper()
	if sent := e.Frames(); len(sent) != 1 || !errorForm.Match(sent[0]) || !slices.Contains(codes, e.Code) {
		t.Fatalf("not an ERROR of the grammar: %q", sent)
	}
}

// free reports whether a request can be written in more than one way: it has
// options or a number in digits.
func free(r Request) bool {
	switch r.(type) {
	case Append, Query, Streams, Wait, Log:
		return true
	}
	return false
}

func FuzzReply(f *testing.F) {
	for _, r := range []Reply{
		Published{1}, Appended{[]uint64{1, 2}}, Event{ID: 1, Data: []byte("d")}, Event{1, []byte("d"), meta}, Live{},
		StreamReply{[]byte("s"), 1}, End{}, Replaced{1}, Deleted{}, Committed{1}, CursorReply{}, Reached{1},
		StoreReply{"ab", 1, "cd", 9}, Entry{Time: meta.Time}, entry,
		Pong{frames("a", "")}, InfoReply{[]Param{{"a", "b"}}}, Errorf(BadOption, "b", "a").With(Param{"x", "y"}),
	} {
		f.Add(pack(r.Frames()))
		f.Add(pack(append(r.Frames(), []byte("more"))))
	}
	for _, text := range []string{"", "CODE", "CODE ; what", "CODE  ; what; do", "CODE x ; what; do", "C a=b a= ; ; ; ", " ; what; do"} {
		f.Add(pack(frames("ERROR " + text)))
	}
	f.Add(pack(Broadcast{[]byte("s"), 1, []byte("d")}.Frames()))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := unpack(b)
		checkBroadcast(t, in)
		r, err := ParseReply(in)
		if err != nil {
			return
		}
		sent := r.Frames()
		if e, ok := r.(*Error); ok && e.Do == "" && string(sent[0]) != string(in[0]) {
			// An ERROR without the form is kept as a text that contains all of it.
			if want, _ := bytes.CutPrefix(in[0], []byte("ERROR ")); e.Code != Internal || e.What != string(want) || e.Params != nil {
				t.Fatalf("want the text of %q, have %#v", in[0], e)
			}
			return
		}
		// Formatting begins with the frames that were read, and parses to the same
		// value.
		if again, err := ParseReply(sent); err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("want %#v, have %#v, %v", r, again, err)
		}
		if _, info := r.(InfoReply); !info && (len(sent) > len(in) || !slices.EqualFunc(sent, in[:len(sent)], slices.Equal)) {
			t.Fatalf("want what %q begins with, have %q", in, sent)
		}
	})
}

// checkBroadcast: a parsed broadcast consists of the first frames of the message.
func checkBroadcast(t *testing.T, in [][]byte) {
	t.Helper()
	b, ok := ParseBroadcast(in)
	if ok && !slices.EqualFunc(b.Frames(), in[:3], slices.Equal) {
		t.Fatalf("want %q, have %q", in[:3], b.Frames())
	}
}

// FuzzRoundTrip makes values, not frames: what a client or server formats within
// the limits is parsed to the same value.
func FuzzRoundTrip(f *testing.F) {
	for kind := range byte(30) { // 15 of replies, 12 of requests
		f.Add(kind, []byte("\x01s\x03abc\x00\x02\x01x\x01"))
		f.Add(kind, bytes.Repeat([]byte{0xff, 0x07}, 300))
	}
	f.Fuzz(func(t *testing.T, kind byte, b []byte) {
		o := fuzzInput(b)
		if kind%2 == 0 {
			roundTripRequest(t, o.envelope(), o.request(kind/2))
			return
		}
		r := o.reply(kind / 2)
		if again, err := ParseReply(r.Frames()); err != nil || !reflect.DeepEqual(again, r) {
			t.Fatalf("want %#v, have %#v, %v", r, again, err)
		}
	})
}

func roundTripRequest(t *testing.T, envelope [][]byte, r Request) {
	t.Helper()
	sent := slices.Concat(envelope, r.Frames())
	front, body, err := Split(sent)
	if err != nil || len(front) != len(envelope) {
		t.Fatalf("want the envelope %q of %q, have %q, %v", envelope, sent, front, err)
	}
	if again, refused := ParseRequest(body); refused != nil || !reflect.DeepEqual(again, r) {
		t.Fatalf("want %#v, have %#v, %v", r, again, refused)
	}
}

// A fuzzInput is the bytes that a fuzzer chose; values are made from them. After
// the last byte, zeros follow.
type fuzzInput []byte

func (o *fuzzInput) nextByte() (b byte) {
	if len(*o) > 0 {
		b, *o = (*o)[0], (*o)[1:]
	}
	return b
}

func (o *fuzzInput) flag() bool { return o.nextByte()&1 == 1 }

func (o *fuzzInput) number() uint64 {
	n, size := binary.Uvarint(*o)
	if size <= 0 {
		return uint64(o.nextByte())
	}
	*o = (*o)[size:]
	return n
}

// data returns at most most bytes.
func (o *fuzzInput) data(most int) []byte {
	n := min(int(o.nextByte()), most, len(*o))
	d := (*o)[:n:n]
	*o = (*o)[n:]
	return d
}

// name returns 1 to 255 bytes.
func (o *fuzzInput) name() []byte {
	if d := o.data(255); len(d) > 0 {
		return d
	}
	return []byte{o.nextByte()}
}

func (o *fuzzInput) frames(most int) [][]byte {
	out := make([][]byte, int(o.nextByte())%(most+1))
	for i := range out {
		out[i] = o.data(255)
	}
	return out
}

func (o *fuzzInput) bound() Bound {
	if o.flag() {
		return Bound{}
	}
	return Bound{o.number(), true}
}

// time returns a time of whole microseconds that a bound may name, or none.
func (o *fuzzInput) time() time.Time {
	n := o.number()
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(int64(n % uint64(lastTime.UnixMicro()+1))).UTC()
}

// envelope returns what may stand before a request, or none.
func (o *fuzzInput) envelope() (out [][]byte) {
	for range o.nextByte() % MaxEnvelopeFrames {
		hop := append([]byte("e"), o.data(MaxEnvelopeBytes/MaxEnvelopeFrames-1)...)
		out = append(out, hop)
	}
	if len(out) > 0 || o.flag() {
		out = append(out, []byte{})
	}
	return out
}

func (o *fuzzInput) request(kind byte) Request {
	switch kind % 12 {
	case 0:
		return Publish{o.name(), o.data(255)}
	case 1:
		return o.appendRequest()
	case 2:
		return o.query()
	case 3:
		return Streams{o.data(MaxStream), o.data(MaxStream), o.number() >> 1}
	case 4:
		return Cancel{}
	case 5:
		return Replace{o.name(), o.number(), o.data(255)}
	case 6:
		return Delete{o.name(), o.bound(), o.bound()}
	case 7:
		return Commit{o.name(), o.data(MaxStream), o.number(), o.flag()}
	case 8:
		return Cursor{o.name(), o.data(MaxStream)}
	case 9:
		ms := o.number() % uint64(MaxWait.Milliseconds()+1)
		return Wait{o.name(), o.data(MaxStream), o.number(), time.Duration(ms) * time.Millisecond}
	case 10:
		return Info{}
	}
	return Ping{o.frames(5)}
}

// appendRequest returns an Append with an expectation only in a stream's first
// group.
func (o *fuzzInput) appendRequest() Append {
	a := Append{Key: o.data(MaxKey)}
	seen := make(map[string]bool)
	for range 1 + o.nextByte()%5 {
		g := Group{Stream: o.name(), Events: append(o.frames(3), o.data(255))}
		if !seen[string(g.Stream)] {
			g.Expected = o.bound()
		}
		seen[string(g.Stream)] = true
		a.Groups = append(a.Groups, g)
	}
	return a
}

// query returns a Query whose options go together.
func (o *fuzzInput) query() Query {
	q := Query{
		Stream: o.name(), After: o.bound(), UpTo: o.bound(), Limit: o.number() >> 1, Desc: o.flag(), Since: o.time(), Until: o.time(),
		Nearest: o.flag(), Follow: o.flag(), Meta: o.flag(), Match: Match(o.nextByte() % 3),
	}
	if o.flag() {
		q.Store = "0a9f.18"
	}
	if !q.After.Given && o.flag() {
		q.Consumer = o.name()
	}
	if q.Follow {
		q.UpTo, q.Until, q.Desc = Bound{}, time.Time{}, false
	}
	if q.Match == MatchName {
		return q
	}
	q.Meta = true
	for range o.nextByte() % (MaxAlso + 1) {
		q.Also = append(q.Also, o.name())
	}
	if q.Match == MatchGlob || len(q.Also) > 0 {
		if q.HasSeparator = o.flag(); q.HasSeparator {
			q.Separator = o.nextByte()
		}
	}
	return q
}

func (o *fuzzInput) reply(kind byte) Reply {
	switch kind % 15 {
	case 0:
		return Published{o.number()}
	case 1:
		a := Appended{[]uint64{o.number()}}
		for range o.nextByte() {
			a.IDs = append(a.IDs, o.number())
		}
		return a
	case 2:
		return Event{ID: o.number(), Data: o.data(255)}
	case 3:
		m := &Meta{o.name(), o.number(), o.number(), time.UnixMicro(int64(o.number() % uint64(lastTime.UnixMicro()+1))).UTC()}
		return Event{o.number(), o.data(255), m}
	case 4:
		return Live{}
	case 5:
		return StreamReply{o.name(), o.number()}
	case 6:
		return End{}
	case 7:
		return Replaced{o.number()}
	case 8:
		return Deleted{}
	case 9:
		return Committed{o.number()}
	case 10:
		return CursorReply{o.number()}
	case 11:
		return Reached{o.number()}
	case 12:
		return Pong{o.frames(5)}
	case 13:
		return InfoReply{[]Param{{"protocol", "1"}, {"store", toASCII(o.data(255))}}}
	}
	e := Errorf(codes[int(o.nextByte())%len(codes)], "do "+toASCII(o.data(255)), "what %s", toASCII(o.data(255)))
	for range o.nextByte() % 4 {
		e.With(Hex("param", o.data(64)))
	}
	return e
}
