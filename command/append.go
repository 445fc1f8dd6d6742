package command

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/alecthomas/kong"

	"gorewind/client"
	"gorewind/internal/exit"
	"gorewind/internal/render"
	"gorewind/internal/term"
	"gorewind/wire"
)

type appendCmd struct {
	connection
	File string `arg:"" optional:"" default:"-" placeholder:"FILE" help:"A JSON document that says what to store; - is standard input. Default: ${default}."`
	Key  string `env:"-" placeholder:"KEY" help:"Store it once, however often this is run with the same key and document. Default: none."`
	textOrJSON
}

// Help implements kong's.
func (*appendCmd) Help() string {
	return `Stores events only if each stream is as expected. Prints a line for each group: its stream, and the first and last id of its events, separated by tabs.

The document has groups. A group has a stream, events and, optionally, what to expect: the id of the stream's last event, or "empty". An event is a string, or an object with one of data, data64 (base64) and json, as gorewind query --json prints them; a stream may be stream64:

    {"groups": [
        {"stream": "account/17", "expect": 2, "events": ["debited 30"]},
        {"stream": "account/18", "expect": "empty", "events": [{"json": {"credited": 30}}]}
    ]}

Examples:

    gorewind append transfer.json --key transfer-1
    echo '{"groups": [{"stream": "a", "events": ["1", "2"]}]}' | gorewind append
`
}

// Validate implements kong's. It reports usage errors.
func (c *appendCmd) Validate() error {
	if len(c.Key) > wire.MaxKey {
		return fmt.Errorf("--key has %d bytes; the limit is %d", len(c.Key), wire.MaxKey)
	}
	return nil
}

// Run stores events.
func (c *appendCmd) Run(kctx *kong.Context) error {
	groups, err := c.read()
	if err != nil {
		return err
	}
	own := hints{wire.OutcomeUnknown: "check with gorewind query whether it is stored before you repeat it; with --key a repetition is safe"}
	if c.Key != "" {
		own[wire.OutcomeUnknown] = "run it again with the same --key and document; nothing is stored twice"
	}
	return c.withClient(own, func(ctx context.Context, cl *client.Client) error {
		if err := fits(ctx, cl, largest(groups)); err != nil {
			return err
		}
		last, err := cl.Append(ctx, client.Append{Key: c.Key, Groups: groups})
		if err != nil {
			return err
		}
		return c.print(kctx.Stdout, groups, last)
	})
}

// print prints where the events of each group are.
func (c *appendCmd) print(w io.Writer, groups []client.Group, last []uint64) error {
	var text []byte
	for i, g := range groups {
		first := last[i] - uint64(len(g.Events)) + 1
		if c.wantsJSON() {
			text = render.AppendStored(text, render.Stored{First: first, Last: last[i]}, g.Stream)
			continue
		}
		text = term.AppendEscaped(text, []byte(g.Stream))
		text = fmt.Appendf(text, "\t%d\t%d\n", first, last[i])
	}
	_, err := w.Write(text)
	return err
}

// maxDocument is how many bytes a document may have: the 8 MiB that an APPEND may have, each
// written as \u0000, and whitespace.
const maxDocument = 64 << 20

// read returns the groups of the document.
func (c *appendCmd) read() ([]client.Group, error) {
	in, name := os.Stdin, "standard input"
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		in, name = f, c.File
	} else if term.IsTerminal(in) {
		return nil, exit.UsageError("there is nothing to store; give FILE, or pipe a JSON document in")
	}
	text, err := io.ReadAll(io.LimitReader(in, maxDocument+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if len(text) > maxDocument {
		return nil, fmt.Errorf("%s: more than %s bytes, the limit for one APPEND", name, term.Count(maxDocument))
	}
	groups, err := parseGroups(text)
	if err != nil {
		return nil, exit.AsUsage(fmt.Errorf("%s: %w; see gorewind append --help", name, err))
	}
	return groups, nil
}

// largest returns the data of the largest event.
func largest(groups []client.Group) (data []byte) {
	for _, g := range groups {
		for _, e := range g.Events {
			if len(e) > len(data) {
				data = e
			}
		}
	}
	return data
}

// A groupDocument is a group as JSON has it.
type groupDocument struct {
	Stream   *string          `json:"stream"`
	Stream64 []byte           `json:"stream64"`
	Expect   *json.RawMessage `json:"expect"`
	Events   []eventDocument  `json:"events"`
}

// parseGroups returns the groups of a document.
func parseGroups(text []byte) (groups []client.Group, err error) {
	if !utf8.Valid(text) { // of which JSON would store something else
		return nil, errors.New("it is not valid UTF-8; give such bytes as base64, in data64 or stream64")
	}
	var document struct {
		Groups []groupDocument `json:"groups"`
	}
	if err := decodeStrictly(text, &document); err != nil {
		return nil, err
	}
	if len(document.Groups) == 0 {
		return nil, errors.New("it has no groups")
	}
	for i, g := range document.Groups {
		group, err := g.group()
		if err != nil {
			return nil, fmt.Errorf("group %d: %w", i+1, err)
		}
		groups = append(groups, group)
	}
	return groups, nil
}

// group returns what the client is to send.
func (g *groupDocument) group() (client.Group, error) {
	name := string(g.Stream64)
	if g.Stream != nil {
		name = *g.Stream
	}
	switch {
	case g.Stream != nil && g.Stream64 != nil:
		return client.Group{}, errors.New("stream and stream64 are both given; leave one of them out")
	case len(g.Events) == 0:
		return client.Group{}, errors.New("it has no events")
	}
	if err := checkStream(name); err != nil {
		return client.Group{}, err
	}
	group := client.Group{Stream: name}
	if g.Expect != nil {
		var err error
		if group.Expected, err = parseExpectation(*g.Expect); err != nil {
			return client.Group{}, fmt.Errorf("expect: %w", err)
		}
	}
	for _, e := range g.Events {
		group.Events = append(group.Events, e)
	}
	return group, nil
}

// parseExpectation returns what a group expects: a number, or a string as --expect takes it.
func parseExpectation(text []byte) (client.Bound, error) {
	var n uint64
	if json.Unmarshal(text, &n) == nil && string(text) != "null" {
		return client.Some(n), nil
	}
	var s string
	if err := json.Unmarshal(text, &s); err != nil {
		s = string(text)
	}
	var e expectation
	if err := e.UnmarshalText([]byte(s)); err != nil {
		return client.Bound{}, err
	}
	return e.bound(), nil
}

// An eventDocument is the data of an event that JSON has as a string or an object.
type eventDocument []byte

// UnmarshalJSON implements json.Unmarshaler.
func (e *eventDocument) UnmarshalJSON(text []byte) error {
	const forms = "an event is a string, or an object with data, data64 or json"
	if string(text) == "null" {
		return errors.New(forms + ", not null")
	}
	var data string
	if json.Unmarshal(text, &data) == nil {
		*e = []byte(data)
		return nil
	}
	var o struct {
		Data   *string         `json:"data"`
		Data64 *[]byte         `json:"data64"`
		JSON   json.RawMessage `json:"json"`
	}
	if err := decodeStrictly(text, &o); err != nil {
		return fmt.Errorf(forms+": %w", err)
	}
	given := 0
	if o.Data != nil {
		*e, given = []byte(*o.Data), given+1
	}
	if o.Data64 != nil {
		*e, given = *o.Data64, given+1
	}
	if o.JSON != nil {
		*e, given = eventDocument(o.JSON), given+1
	}
	if given != 1 {
		return errors.New("an event has one of data, data64 and json")
	}
	return nil
}

// decodeStrictly decodes one JSON value, which has no field that is not known.
func decodeStrictly(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		if wrong := (*json.UnmarshalTypeError)(nil); errors.As(err, &wrong) {
			return fmt.Errorf("%s cannot be a JSON %s", cmp.Or(wrong.Field, "the document"), wrong.Value)
		}
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("there is more after the document")
	}
	return nil
}
