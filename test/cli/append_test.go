package cli

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gorewind/test/daemontest"
)

// TestAppend: a document stores all of its events or none.
func TestAppend(t *testing.T) {
	d := daemontest.Start(t, "--in-memory")
	in := func(document string) daemontest.Shell { return daemontest.Shell{D: d, Stdin: document} }
	in(`{"groups": [
		{"stream": "a", "expect": "empty", "events": ["one", {"data": "two"}]},
		{"stream64": "/w==", "events": [{"json": {"b": [1, 2]}}, {"data64": "AP8="}, ""]}
	]}`).Want(t, "a\t1\t2\n\\xff\t1\t3\n", "append")
	if have := d.Stored(t, "a"); !slices.Equal(have, []string{"one", "two"}) {
		t.Errorf("have %q", have)
	}
	if have := d.Stored(t, "\xff"); !slices.Equal(have, []string{`{"b": [1, 2]}`, "\x00\xff", ""}) {
		t.Errorf("have %q", have)
	}
	const conditional = `{"groups": [{"stream": "b", "events": ["x"]}, {"stream": "a", "expect": 1, "events": ["y"]}]}`
	in(conditional).Refuse(t, 3, `the stream "a" is 2`, "append")
	if have := d.Stored(t, "b"); len(have) > 0 {
		t.Errorf("want nothing, have %q", have)
	}
	const met = `{"groups": [{"stream": "b", "events": ["x"]}, {"stream": "a", "expect": 2, "events": ["y"]}]}`
	file := filepath.Join(t.TempDir(), "met.json")
	if err := os.WriteFile(file, []byte(met), 0o600); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time it is the same
		daemontest.Shell{D: d}.Want(t, `{"stream":"b","first":1,"last":1}`+"\n"+`{"stream":"a","first":3,"last":3}`+"\n", "append", file, "--key", "k", "--json")
	}
	for document, want := range map[string]string{
		"":                                "EOF",
		"{}":                              "it has no groups",
		`{"groups": []} x`:                "more after",
		`{"groups": [{"events": ["x"]}]}`: "group 1: which stream?",
		`{"groups": [{"stream": "a"}]}`:   "group 1: it has no events",
		`{"groups": [{"stream": "a", "event": 1}]}`:                          `unknown field "event"`,
		`{"groups": [{"stream": "a", "events": [{}]}]}`:                      "one of data, data64 and json",
		`{"groups": [{"stream": "a", "events": [1]}]}`:                       "a string, or an object",
		`{"groups": [{"stream": "a", "events": [null]}]}`:                    "not null",
		"{\"groups\": [{\"stream\": \"a\", \"events\": [\"\xff\"]}]}":        "not valid UTF-8",
		`{"groups": {"stream": "a"}}`:                                        "groups cannot be a JSON object",
		`{"groups": [{"stream": "a", "expect": "none", "events": ["x"]}]}`:   "or the word empty",
		`{"groups": [{"stream": "a", "expect": -1, "events": ["x"]}]}`:       "or the word empty",
		`{"groups": [{"stream": "a", "stream64": "/w==", "events": ["x"]}]}`: "leave one of them out",
	} {
		in(document).Refuse(t, 2, want, "append")
	}
}
