package wire

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

// A requestCase is a request and what it is read as, or how it is refused.
type requestCase struct {
	in   []string
	want Request
	code Code
	say  string // part of the refusal
}

func testRequests(t *testing.T, cases map[string]requestCase) {
	t.Helper()
	for name, c := range cases {
		got, err := ParseRequest(frames(c.in...))
		switch {
		case c.code != "" && (err == nil || err.Code != c.code || !strings.Contains(err.Error(), c.say)):
			t.Errorf("%s: want %s and %q, have %v, %v", name, c.code, c.say, got, err)
		case c.code != "":
			wantASCII(t, err)
		case err != nil:
			t.Errorf("%s: %v", name, err)
		case !reflect.DeepEqual(got, c.want):
			t.Errorf("%s: want %#v, have %#v", name, c.want, got)
		default:
			again, err := ParseRequest(got.Frames())
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("%s: formatted as %q, read as %#v, %v", name, got.Frames(), again, err)
			}
		}
	}
}

// wantASCII fails unless a refusal is one frame that reads back as it is, in
// printable ASCII, and short: it shows 64 bytes of what was sent, in hex and as
// text where quotes take two.
func wantASCII(t *testing.T, e *Error) {
	t.Helper()
	sent := e.Frames()
	if n := len(text(sent)); n > 128+128+150 {
		t.Fatalf("an ERROR has %d bytes: %q", n, sent)
	}
	for _, c := range text(sent) {
		if c < ' ' || c > '~' {
			t.Fatalf("an ERROR is not ASCII: %q", sent)
		}
	}
	if again, err := ParseReply(sent); err != nil || !reflect.DeepEqual(again, Reply(e)) {
		t.Fatalf("want %#v, have %#v, %v", e, again, err)
	}
}

var (
	name255 = strings.Repeat("s", 255)
	name256 = strings.Repeat("s", 256)
)

const id0 = "\x00\x00\x00\x00\x00\x00\x00\x00"

func TestParseRequest(t *testing.T) {
	testRequests(t, map[string]requestCase{
		"publish":                  {in: []string{"PUBLISH", "s", "d"}, want: Publish{[]byte("s"), []byte("d")}},
		"publish, empty data":      {in: []string{"PUBLISH", "s", ""}, want: Publish{[]byte("s"), []byte{}}},
		"publish, any bytes":       {in: []string{"PUBLISH", "\x00:\xff", "\x00"}, want: Publish{[]byte("\x00:\xff"), []byte{0}}},
		"publish, longest name":    {in: []string{"PUBLISH", name255, "d"}, want: Publish{[]byte(name255), []byte("d")}},
		"R8 publish without":       {in: []string{"PUBLISH"}, code: Malformed},
		"R8 publish with 1":        {in: []string{"PUBLISH", "s"}, code: Malformed},
		"R8 publish with 3":        {in: []string{"PUBLISH", "s", "d", "x"}, code: BadOption},
		"publish, no name":         {in: []string{"PUBLISH", "", "d"}, code: Malformed},
		"publish, name too long":   {in: []string{"PUBLISH", name256, "d"}, code: TooLarge, say: "limit=255"},
		"cancel":                   {in: []string{"CANCEL"}, want: Cancel{}},
		"cancel with a frame":      {in: []string{"CANCEL", "x"}, code: BadOption, say: "option=78"},
		"info":                     {in: []string{"INFO"}, want: Info{}},
		"info with a frame":        {in: []string{"INFO", "x"}, code: BadOption, say: "option=78"},
		"ping":                     {in: []string{"PING", "a", ""}, want: Ping{frames("a", "")}},
		"R8 P5 unknown":            {in: []string{"FROBNICATE"}, code: UnknownCommand},
		"P5 unknown with a frame":  {in: []string{"FROBNICATE", "x"}, code: UnknownCommand},
		"P5 two words":             {in: []string{"UNKNOWN COMMAND", "x"}, code: Malformed},
		"no word":                  {in: []string{"x", "PUBLISH"}, code: Malformed},
		"empty frame as a command": {in: []string{"", "PUBLISH", "s", "d"}, code: Malformed},
		"nothing":                  {code: Malformed},
	})
}

func TestParseStreams(t *testing.T) {
	testRequests(t, map[string]requestCase{
		"all":                {in: []string{"STREAMS", "", ""}, want: Streams{Prefix: []byte{}, After: []byte{}}},
		"a page":             {in: []string{"STREAMS", "p", "pq", "limit=10"}, want: Streams{[]byte("p"), []byte("pq"), 10}},
		"longest":            {in: []string{"STREAMS", name255, name255}, want: Streams{[]byte(name255), []byte(name255), 0}},
		"without":            {in: []string{"STREAMS"}, code: Malformed},
		"with 1":             {in: []string{"STREAMS", ""}, code: Malformed},
		"prefix too long":    {in: []string{"STREAMS", name256, ""}, code: TooLarge, say: "limit=255 ; the frame prefix"},
		"after too long":     {in: []string{"STREAMS", "", name256}, code: TooLarge, say: "limit=255 ; the frame after"},
		"limit 0":            {in: []string{"STREAMS", "", "", "limit=0"}, code: BadOption},
		"two limits":         {in: []string{"STREAMS", "", "", "limit=1", "limit=1"}, code: BadOption, say: "twice"},
		"an option of QUERY": {in: []string{"STREAMS", "", "", "follow"}, code: BadOption},
	})
}

func TestParseLog(t *testing.T) {
	testRequests(t, map[string]requestCase{
		"all":                {in: []string{"LOG", ""}, want: Log{}},
		"a page":             {in: []string{"LOG", id7, "limit=10", "store=ab.1"}, want: Log{7, 10, "ab.1"}},
		"without":            {in: []string{"LOG"}, code: Malformed},
		"after too short":    {in: []string{"LOG", "7"}, code: Malformed},
		"limit 0":            {in: []string{"LOG", "", "limit=0"}, code: BadOption},
		"no store":           {in: []string{"LOG", "", "store=x"}, code: BadOption},
		"an option of QUERY": {in: []string{"LOG", "", "follow"}, code: BadOption},
	})
}

func TestParseErasure(t *testing.T) {
	testRequests(t, map[string]requestCase{
		"replace":                  {in: []string{"REPLACE", "s", id7, "d"}, want: Replace{[]byte("s"), 7, []byte("d")}},
		"replace, empty data":      {in: []string{"REPLACE", "s", id7, ""}, want: Replace{[]byte("s"), 7, []byte{}}},
		"replace, id zero":         {in: []string{"REPLACE", "s", id0, "d"}, want: Replace{[]byte("s"), 0, []byte("d")}},
		"replace with 2":           {in: []string{"REPLACE", "s", id7}, code: Malformed, say: "REPLACE has 2 frames"},
		"replace with 4":           {in: []string{"REPLACE", "s", id7, "d", "x"}, code: BadOption, say: "option=78"},
		"replace, no name":         {in: []string{"REPLACE", "", id7, "d"}, code: Malformed},
		"replace, name too long":   {in: []string{"REPLACE", name256, id7, "d"}, code: TooLarge},
		"replace, no id":           {in: []string{"REPLACE", "s", "", "d"}, code: Malformed},
		"replace, id of 9":         {in: []string{"REPLACE", "s", id7 + "x", "d"}, code: Malformed},
		"delete all":               {in: []string{"DELETE", "s", "", ""}, want: Delete{Stream: []byte("s")}},
		"delete some":              {in: []string{"DELETE", "s", id7, id0}, want: Delete{[]byte("s"), Bound{7, true}, Bound{0, true}}},
		"delete with 2":            {in: []string{"DELETE", "s", id7}, code: Malformed},
		"delete with 4":            {in: []string{"DELETE", "s", id7, "", "x"}, code: BadOption, say: "option=78"},
		"E1 delete of no stream":   {in: []string{"DELETE", "", id7, ""}, code: Malformed},
		"delete, name too long":    {in: []string{"DELETE", name256, id7, ""}, code: TooLarge},
		"delete, upto of 7":        {in: []string{"DELETE", "s", id7[1:], ""}, code: Malformed, say: "upto"},
		"delete, expectation of 3": {in: []string{"DELETE", "s", "", "two"}, code: Malformed, say: "expected"},
		"delete, only upto's byte": {in: []string{"DELETE", "s", "\x00", ""}, code: Malformed, say: "upto"},
	})
}

func TestParseConsumer(t *testing.T) {
	c, s := []byte("c"), []byte("s")
	testRequests(t, map[string]requestCase{
		"commit":                    {in: []string{"COMMIT", "c", "s", id7}, want: Commit{c, s, 7, false}},
		"commit, whole store":       {in: []string{"COMMIT", "c", "", id7}, want: Commit{c, []byte{}, 7, false}},
		"commit, rewind":            {in: []string{"COMMIT", "c", "s", id0, "rewind"}, want: Commit{c, s, 0, true}},
		"commit, longest names":     {in: []string{"COMMIT", name255, name255, id7}, want: Commit{[]byte(name255), []byte(name255), 7, false}},
		"commit with 2":             {in: []string{"COMMIT", "c", "s"}, code: Malformed},
		"commit, two rewinds":       {in: []string{"COMMIT", "c", "s", id7, "rewind", "rewind"}, code: BadOption, say: "twice"},
		"commit, rewind=1":          {in: []string{"COMMIT", "c", "s", id7, "rewind=1"}, code: BadOption, say: "send rewind"},
		"commit, rewind=":           {in: []string{"COMMIT", "c", "s", id7, "rewind="}, code: BadOption},
		"commit, Rewind":            {in: []string{"COMMIT", "c", "s", id7, "Rewind"}, code: BadOption, say: "no option"},
		"G2 commit of no consumer":  {in: []string{"COMMIT", "", "s", id7}, code: Malformed},
		"commit, consumer too long": {in: []string{"COMMIT", name256, "s", id7}, code: TooLarge, say: "limit=255 ; the frame consumer"},
		"commit, stream too long":   {in: []string{"COMMIT", "c", name256, id7}, code: TooLarge, say: "limit=255 ; the frame stream"},
		"F19 commit of no number":   {in: []string{"COMMIT", "c", "s", "twelve"}, code: Malformed},
		"commit of no id":           {in: []string{"COMMIT", "c", "s", ""}, code: Malformed},
		"cursor":                    {in: []string{"CURSOR", "c", "s"}, want: Cursor{c, s}},
		"cursor, whole store":       {in: []string{"CURSOR", "c", ""}, want: Cursor{c, []byte{}}},
		"cursor with 1":             {in: []string{"CURSOR", "c"}, code: Malformed},
		"cursor with 3":             {in: []string{"CURSOR", "c", "s", ""}, code: BadOption},
		"G2 cursor of no consumer":  {in: []string{"CURSOR", "", "s"}, code: Malformed},
		"cursor, stream too long":   {in: []string{"CURSOR", "c", name256}, code: TooLarge},
		"wait":                      {in: []string{"WAIT", "c", "s", id7, "1500"}, want: Wait{c, s, 7, 1500 * time.Millisecond}},
		"wait, whole store":         {in: []string{"WAIT", "c", "", id7, "0"}, want: Wait{c, []byte{}, 7, 0}},
		"wait, a day":               {in: []string{"WAIT", "c", "s", id7, "86400000"}, want: Wait{c, s, 7, MaxWait}},
		"wait, more than a day":     {in: []string{"WAIT", "c", "s", id7, "86400001"}, code: TooLarge, say: "limit=86400000"},
		"wait, more than 64 bits":   {in: []string{"WAIT", "c", "s", id7, "18446744073709551617"}, code: TooLarge, say: "limit=86400000"},
		"wait with 3":               {in: []string{"WAIT", "c", "s", id7}, code: Malformed},
		"wait with 5":               {in: []string{"WAIT", "c", "s", id7, "1", "x"}, code: BadOption},
		"wait, no number":           {in: []string{"WAIT", "c", "s", id7, ""}, code: Malformed},
		"wait, a sign":              {in: []string{"WAIT", "c", "s", id7, "-1"}, code: Malformed},
		"wait, a unit":              {in: []string{"WAIT", "c", "s", id7, "1s"}, code: Malformed},
		"wait, no consumer":         {in: []string{"WAIT", "", "s", id7, "1"}, code: Malformed},
		"wait, id of 1":             {in: []string{"WAIT", "c", "s", "\x07", "1"}, code: Malformed},
	})
}
