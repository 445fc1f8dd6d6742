package render

import (
	"encoding/json"
	"strconv"
	"unicode/utf8"

	"gorewind/backup"
	"gorewind/client"
	"gorewind/internal/term"
	"gorewind/wire"
)

// A Form is a format of output.
type Form interface {
	appendEvent(b []byte, e client.Event) []byte
}

// A lineForm is a Form that writes each stream as a line of its own.
type lineForm interface {
	Form
	appendStream(b []byte, s client.Stream) []byte
}

// Raw writes the bytes alone, with End after each event or name.
type Raw struct{ End byte }

func (r Raw) appendEvent(b []byte, e client.Event) []byte {
	return append(append(b, e.Data...), r.End)
}

func (r Raw) appendStream(b []byte, s client.Stream) []byte {
	return append(append(b, s.Name...), r.End)
}

// Columns writes lines for programs, with tabs between columns. Those of an event are its time,
// position, stream, id and data.
type Columns struct{}

func (Columns) appendEvent(b []byte, e client.Event) []byte {
	if !e.Time.IsZero() { // a broadcast has neither time nor position
		b = e.Time.AppendFormat(b, wire.TimeForm)
		b = append(b, '\t')
		b = strconv.AppendUint(b, e.Position, 10)
		b = append(b, '\t')
	}
	b = term.AppendEscaped(b, []byte(e.Stream))
	b = append(b, '\t')
	b = strconv.AppendUint(b, e.ID, 10)
	b = append(b, '\t')
	b = term.AppendEscaped(b, e.Data)
	return append(b, '\n')
}

func (Columns) appendStream(b []byte, s client.Stream) []byte {
	b = term.AppendEscaped(b, []byte(s.Name))
	b = append(b, '\t')
	b = strconv.AppendUint(b, s.Last, 10)
	return append(b, '\n')
}

// JSONLines writes one JSON object a line, for programs.
type JSONLines struct {
	Nested bool // put data that is JSON into the field json, unquoted
}

func (f JSONLines) appendEvent(b []byte, e client.Event) []byte {
	j := newJSONEvent(e)
	if f.Nested && utf8.Valid(e.Data) && json.Valid(e.Data) {
		j.JSON, j.Data = e.Data, nil
	}
	return AppendJSONLine(b, j)
}

func (JSONLines) appendStream(b []byte, s client.Stream) []byte {
	var j struct {
		Stream   *string `json:"stream,omitempty"`
		Stream64 []byte  `json:"stream64,omitempty"`
		Last     uint64  `json:"last"`
	}
	j.Stream, j.Stream64 = backup.TextOf([]byte(s.Name))
	j.Last = s.Last
	return AppendJSONLine(b, j)
}
