package backup

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"gorewind/store"
)

// golden is an export of format 1, which every version has to read, and this one
// also to write.
const golden = "testdata/v1.jsonl"

// A whole is a commit with its events and losses.
type whole struct {
	store.Entry
	Events []store.Event
	Lost   []Lost
}

// write writes the commit.
func (c *whole) write(w *Writer) error {
	w.begin(&c.Entry)
	for i := range c.Events {
		if err := w.event(&c.Events[i]); err != nil {
			return err
		}
	}
	return w.end(c.Lost)
}

// wholeOf reads all of a commit.
func wholeOf(c *Entry) (w whole, err error) {
	w.Entry = c.Entry
	if err := c.each(func(e *store.Event) error { w.Events = append(w.Events, *e); return nil }); err != nil {
		return w, err
	}
	w.Lost, err = c.Lost()
	return w, err
}

// handMade returns an export that uses every field.
func handMade() (Header, []whole) {
	at := time.Date(2026, 3, 1, 9, 30, 0, 120_000, time.UTC)
	prefix := "a"
	h := newHeader(store.Identity{ID: "0123", Generation: 3, Secret: "feed"}, 6, &Selection{Prefix: &prefix, Globs: []string{"b:*"}, Separator: ":"})
	return h, []whole{
		{
			Entry: store.Entry{
				Position: 12, First: 8, Time: at, Bytes: 1234, NextStream: 6, Chain: 1<<63 + 5,
				Changes: []store.Change{
					{Kind: store.Appended, Stream: []byte("a<&>"), Number: 4, First: 1, Last: 2},
					{Kind: store.Omitted, Count: 1},
					{Kind: store.Appended, Stream: []byte("b:\xff"), Number: 5, First: 7, Last: 8},
					{Kind: store.Keyed, Stream: []byte("a<&>"), Number: 4, Name: []byte("k"), Sum: []byte{1, 0xab}, IDs: []uint64{2, 8}},
					{Kind: store.Keyed, Stream: []byte("a<&>"), Number: 4, Name: []byte("\xfe"), Sum: []byte{1}, IDs: []uint64{2}},
				},
			},
			Events: []store.Event{
				{Stream: []byte("a<&>"), ID: 1, Position: 8, Time: at, Data: []byte{}},
				{Stream: []byte("b:\xff"), ID: 7, Position: 11, Time: at, Data: []byte("\x00\x80")},
			},
			Lost: []Lost{{Stream: []byte("b:\xff"), First: 8, Last: 8}},
		},
		{
			Entry: store.Entry{
				Position: 18, First: 13, Time: at.Add(time.Microsecond), NextStream: 6, Chain: 7,
				Changes: []store.Change{
					{Kind: store.Replaced, Stream: []byte("a1"), Number: 1, First: 3, Last: 9},
					{Kind: store.Deleted, Stream: []byte("a1"), Number: 1, First: 1, Last: 2},
					{Kind: store.Moved, Stream: []byte("a1"), Number: 1, Name: []byte("c"), Last: 3},
					{Kind: store.Moved, Name: []byte("\xff"), Last: 0},
					{Kind: store.Gap, Count: 2, Patch: 1<<60 + 1},
				},
			},
			Events: []store.Event{{Stream: []byte("a1"), ID: 3, Position: 3, Time: at.Add(-time.Hour), Data: []byte("é\u2028\n")}},
		},
	}
}

// written returns an export of commits.
func written(t testing.TB, h Header, commits []whole, compress bool) []byte {
	t.Helper()
	var b bytes.Buffer
	to, err := newSink(&b, compress)
	if err != nil {
		t.Fatal(err)
	}
	w, err := newWriter(to, h)
	if err != nil {
		t.Fatal(err)
	}
	for i := range commits {
		if err := commits[i].write(w); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.finish(20); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// readAll returns what an export has.
func readAll(b []byte) (h Header, commits []whole, trailer Trailer, err error) {
	r, err := NewReader(bytes.NewReader(b))
	if err != nil {
		return h, nil, trailer, err
	}
	for {
		c, err := r.Next()
		if errors.Is(err, io.EOF) {
			return r.Header, commits, r.Trailer(), nil
		}
		if err != nil {
			return r.Header, commits, trailer, err
		}
		w, err := wholeOf(c)
		if err != nil {
			return r.Header, commits, trailer, err
		}
		commits = append(commits, w)
	}
}

func TestFormat(t *testing.T) {
	h, commits := handMade()
	have := written(t, h, commits, false)
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "written", string(want), string(have))
	for _, compress := range []bool{false, true} {
		h2, commits2, trailer, err := readAll(written(t, h, commits, compress))
		if err != nil || !reflect.DeepEqual(h, h2) {
			t.Fatalf("want %+v, have %+v, %v", h, h2, err)
		}
		if w, h := fmt.Sprintf("%+v", commits), fmt.Sprintf("%+v", commits2); w != h {
			t.Errorf("want %s\nhave %s", w, h)
		}
		trailer.SHA256 = ""
		if want := (Trailer{End: 20, Chain: 7, Commits: 2, Events: 2, Bytes: 2, Erased: 1, Lost: 1}); trailer != want {
			t.Errorf("want %+v, have %+v", want, trailer)
		}
	}
}

// refusedAt fails unless an export is refused at the line that holds a byte, or
// before.
func refusedAt(t *testing.T, what string, b []byte, at int) {
	t.Helper()
	_, _, _, err := readAll(b)
	var refused *Refused
	if !errors.As(err, &refused) || !errors.Is(err, ErrFile) {
		t.Fatalf("%s: want it refused, have %v", what, err)
	}
	before := b[:min(at, len(b))]
	line := int64(bytes.Count(before, []byte("\n")) + 1)
	begins := int64(bytes.LastIndexByte(before, '\n') + 1)
	if refused.Line != line || refused.Offset != begins {
		t.Fatalf("%s: want it refused at line %d, byte %d, have %v", what, line, begins, err)
	}
}

// TestRefusesWhatIsNotWhole: an export is refused if it was cut anywhere, if a byte
// was changed, or if a line is missing, repeated or moved. The error names the
// line.
func TestRefusesWhatIsNotWhole(t *testing.T) {
	h, commits := handMade()
	whole := written(t, h, commits, false)
	for n := range whole {
		refusedAt(t, fmt.Sprintf("cut to %d bytes", n), whole[:n], n)
		for _, flip := range []byte{1, 2, 0x20, 0x80, 0xff} {
			altered := bytes.Clone(whole)
			altered[n] ^= flip
			at := n
			if whole[n] == '\n' {
				at-- // the line goes on
			}
			refusedAt(t, fmt.Sprintf("byte %d is another one by %x", n, flip), altered, at)
		}
	}
	refusedAt(t, "goes on", append(bytes.Clone(whole), '\n'), len(whole))
	refusedAt(t, "twice", append(bytes.Clone(whole), whole...), len(whole))

	lines := bytes.SplitAfter(whole, []byte("\n"))
	lines = lines[:len(lines)-1]
	at := func(i int) (at int) {
		for _, l := range lines[:i] {
			at += len(l)
		}
		return at
	}
	join := func(parts ...[][]byte) []byte {
		var b []byte
		for _, p := range parts {
			b = append(b, bytes.Join(p, nil)...)
		}
		return b
	}
	for i := range lines[:len(lines)-1] {
		refusedAt(t, fmt.Sprint("without line ", i+1), join(lines[:i], lines[i+1:]), at(i))
		refusedAt(t, fmt.Sprint("line twice ", i+1), join(lines[:i+1], lines[i:]), at(i+1))
		refusedAt(t, fmt.Sprint("lines changed ", i+1), join(lines[:i], [][]byte{lines[i+1], lines[i]}, lines[i+2:]), at(i))
	}
}

// TestRefusesCompressedWhatIsNotWhole is TestRefusesWhatIsNotWhole for compressed
// exports. Some of their bytes have no effect; then the contents are the same.
func TestRefusesCompressedWhatIsNotWhole(t *testing.T) {
	h, commits := handMade()
	whole := written(t, h, commits, true)
	want, _ := os.ReadFile(golden)
	refused := 0
	for n := range whole {
		if _, _, _, err := readAll(whole[:n]); !errors.Is(err, ErrFile) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
		for _, flip := range []byte{1, 0x80, 0xff} {
			altered := bytes.Clone(whole)
			altered[n] ^= flip
			h, commits, _, err := readAll(altered)
			if errors.Is(err, ErrFile) {
				refused++
			} else if err != nil || !bytes.Equal(written(t, h, commits, false), want) {
				t.Fatalf("byte %d is another one by %x: %v", n, flip, err)
			}
		}
	}
	if refused < len(whole)*2 {
		t.Errorf("of %d bytes only %d changes were refused", len(whole), refused)
	}
}

// TestRefusesOthers: files that are not exports, or of an unknown version.
func TestRefusesOthers(t *testing.T) {
	whole, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                                "cut off",
		"{\"stream\":\"s\"}\n":            "does not begin",
		"\x00\x01\x02":                    "does not begin",
		"{\"gorewind\":\"backup\"}\n":     "does not begin",
		"\x28\xb5\x2f\xfdnothing follows": "cannot be read",
		strings.Replace(string(whole), `"format":1`, `"format":2`, 1): "it has format 2, but this version reads 1",
	} {
		if _, _, _, err := readAll([]byte(text)); !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30q: want %q, have %v", text, want, err)
		}
	}
}

// TestRefusesWhatNoStoreDid: lines with valid checksums that no store can have
// written.
func TestRefusesWhatNoStoreDid(t *testing.T) {
	for name, alter := range map[string]func(h *Header, c []whole) []whole{
		"a commit is missing":  func(h *Header, c []whole) []whole { h.Selection = nil; return c[1:] },
		"a commit comes twice": func(_ *Header, c []whole) []whole { return append(c, c[1]) },
		"a commit takes more":  func(_ *Header, c []whole) []whole { c[0].Position++; return c },
		"a commit takes less":  func(_ *Header, c []whole) []whole { c[0].Changes = c[0].Changes[:1]; return c },
		"events in reverse":    func(_ *Header, c []whole) []whole { c[0].Changes[0].First = 9; return c },
		"events without end":   func(_ *Header, c []whole) []whole { c[0].Changes[0].Last = 1 << 63; return c },
		"changes without end": func(_ *Header, c []whole) []whole {
			for range mostParts {
				c[0].Changes = append(c[0].Changes, store.Change{Kind: store.Keyed})
			}
			return c
		},
		"events of nothing": func(_ *Header, c []whole) []whole {
			for range 10 {
				c[0].Events = append(c[0].Events, c[0].Events[0])
			}
			return c
		},
		"events twice": func(_ *Header, c []whole) []whole {
			c[0].Events = append(c[0].Events, c[0].Events...)
			return c
		},
		"more lost than there was": func(_ *Header, c []whole) []whole { c[0].Lost[0].Last = 1 << 40; return c },
		"a change of unknown kind": func(_ *Header, c []whole) []whole { c[0].Changes[0].Kind = 99; return c },
	} {
		h, commits := handMade()
		commits = alter(&h, commits)
		if _, _, _, err := readAll(written(t, h, commits, false)); !errors.Is(err, ErrFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	h, commits := handMade()
	var b bytes.Buffer
	w, err := newWriter(newPlainSink(&b), h)
	if err != nil {
		t.Fatal(err)
	}
	if err := commits[0].write(w); err != nil {
		t.Fatal(err)
	}
	w.sums.count.Events++
	if _, err := w.finish(12); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := readAll(b.Bytes()); !errors.Is(err, ErrFile) || !strings.Contains(err.Error(), "another export") {
		t.Errorf("the end of another: %v", err)
	}
}
