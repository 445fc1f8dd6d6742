package render

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"gorewind/client"
	"gorewind/store/storetest"
)

// hostile are data that would drive a terminal, or look like something else.
var hostile = []string{
	"", "plain", "tab\tline\nreturn\r", `\t\n\x00\\`, "\x1b[31mred\x1b[0m", "\x1b]0;title\x07", "\u009b31m", "\x9b31m", "\x00\xff",
	"\u202eright to left", "\u2028\u2029", "\x7f", "{\"a\":\"\x7f\u009b\u202e\U000e0001\",\"b\":[1,2]}", `["\u001b[31m",{"x":"\\"}]`, `{"a":`, "[1,\xff]",
	"two\nlines", "2026-11-21T20:49:20.809122Z  account/17  1  forged\n2026-11-21T20:49:20.809122Z  account/17  2  forged",
	strings.Repeat("[", 9000) + strings.Repeat("]", 9000), "é日本語🙂", "<&>",
}

// hostileEvents are events with such names and data, and random ones.
func hostileEvents(r *rand.Rand) (events []client.Event) {
	add := func(stream, data string) {
		events = append(events, client.Event{Stream: stream, ID: 3, Position: 4, Data: []byte(data), Time: time.UnixMicro(1_800_000_000_123_456).UTC()})
	}
	for _, text := range hostile {
		add("s", text)
		add("s"+text[:min(len(text), 200)], text)
	}
	for range 2000 {
		data := make([]byte, r.IntN(30))
		for i := range data {
			data[i] = byte(r.Uint32() >> r.IntN(8))
		}
		add("s"+string(data), string(data))
	}
	return events
}

// TestOutputIsSafe: no event drives a terminal, or looks like two; only --raw
// shows what there is.
func TestOutputIsSafe(t *testing.T) {
	r, seed := storetest.Rand(t)
	t.Logf("SEED=%d", seed)
	for _, e := range hostileEvents(r) {
		for _, f := range []Form{Columns{}, JSONLines{}, Pretty{}} {
			var streams bytes.Buffer
			p := &Printer{form: f, w: bufio.NewWriter(&streams)}
			if err := p.Flush(p.Stream(client.Stream{Name: e.Stream, Last: 3})); err != nil {
				t.Fatal(err)
			}
			text := string(f.appendEvent(nil, e)) + streams.String()
			if !utf8.ValidString(text) {
				t.Errorf("%T: %q: want UTF-8, have %q", f, e.Data, text)
			}
			for _, c := range text {
				if c != '\n' && !strconv.IsPrint(c) && (c != '\t' || f != Form(Columns{})) {
					t.Errorf("%T: %q: have %q in %q", f, e.Data, c, text)
					break
				}
			}
			if len(text) > 200+100*len(e.Stream)+100*len(e.Data) {
				t.Errorf("%T: %d bytes of data make %d", f, len(e.Data), len(text))
			}
			begun := 0
			for line := range strings.Lines(string(f.appendEvent(nil, e))) {
				if !strings.HasPrefix(line, "    ") {
					begun++
				}
			}
			if begun != 1 {
				t.Errorf("%T: %q looks like %d events: %q", f, e.Data, begun, text)
			}
		}
	}
}

// TestOutputIsUnambiguous: what goes into a pipe has every byte of every event.
func TestOutputIsUnambiguous(t *testing.T) {
	r, seed := storetest.Rand(t)
	t.Logf("SEED=%d", seed)
	for _, e := range hostileEvents(r) {
		line := string(Columns{}.appendEvent(nil, e))
		columns := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(columns) != 5 || strings.Count(line, "\n") != 1 {
			t.Fatalf("want one line of five columns, have %q", line)
		}
		want := fmt.Sprintf("2027-01-15T08:00:00.123456Z 4 %q 3 %q", e.Stream, e.Data)
		if have := fmt.Sprintf("%s %s %q %s %q", columns[0], columns[1], unescape(t, columns[2]), columns[3], unescape(t, columns[4])); have != want {
			t.Errorf("want %s, have %s", want, have)
		}
		if have := string(Raw{'\n'}.appendEvent(nil, e)); have != string(e.Data)+"\n" {
			t.Errorf("want %q, have %q", e.Data, have)
		}
		object := JSONLines{}.appendEvent(nil, e)
		if bytes.Count(object, []byte("\n")) != 1 {
			t.Errorf("want one line, have %q", object)
		}
		var j JSONEvent
		d := json.NewDecoder(bytes.NewReader(object))
		d.DisallowUnknownFields()
		if err := d.Decode(&j); err != nil {
			t.Fatalf("%v: %s", err, object)
		}
		stream, data := j.Stream64, j.Data64
		if j.Stream != nil {
			stream = []byte(*j.Stream)
		}
		if j.Data != nil {
			data = []byte(*j.Data)
		}
		if have := fmt.Sprintf("%s %d %q %d %q", j.Time, j.Position, stream, j.ID, data); have != want {
			t.Errorf("want %s, have %s of %s", want, have, object)
		}
	}
}

// unescape is the inverse of term.AppendEscaped.
func unescape(t *testing.T, text string) []byte {
	t.Helper()
	have, err := strconv.Unquote(`"` + strings.ReplaceAll(text, `"`, `\"`) + `"`)
	if err != nil {
		t.Fatalf("%v: %q", err, text)
	}
	return []byte(have)
}

// TestPrettyJSON: objects and arrays have a line for each value; other data stand
// beside their id.
func TestPrettyJSON(t *testing.T) {
	for data, want := range map[string]string{
		`{"b":1,"a":[true,{"x":"\n"}]}`: "s  3\n    {\n      \"b\": 1,\n      \"a\": [\n        true,\n        {\n          \"x\": \"\\n\"\n        }\n      ]\n    }\n",
		" [ ] ":                         "s  3\n    []\n",
		`"text"`:                        "s  3  \"text\"\n",
		"17":                            "s  3  17\n",
		`{"a":}`:                        "s  3  {\"a\":}\n",
		"one\ntwo\n":                    "s  3\n    one\n    two\n",
		"":                              "s  3  \n",
	} {
		e := client.Event{Stream: "s", ID: 3, Data: []byte(data)}
		if have := string(Pretty{}.appendEvent(nil, e)); have != want {
			t.Errorf("%q: want\n%s\nhave\n%s", data, want, have)
		}
	}
}
