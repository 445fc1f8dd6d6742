package render

import (
	"bytes"
	"encoding/json"

	"gorewind/backup"
	"gorewind/client"
	"gorewind/internal/term"
	"gorewind/wire"
)

// A JSONEvent is an event as JSON has it. JSON knows text only: what is not valid
// UTF-8 is under the name with 64 at its end, in base64.
type JSONEvent struct {
	Stream   *string `json:"stream,omitempty"`
	Stream64 []byte  `json:"stream64,omitempty"`
	ID       uint64  `json:"id"`
	Position uint64  `json:"position,omitempty"` // where it is known
	Time     string  `json:"time,omitempty"`     // where it is known
	Data     *string `json:"data,omitempty"`
	Data64   []byte  `json:"data64,omitempty"`

	JSON json.RawMessage `json:"json,omitempty"` // in place of Data, where that is asked for
}

func newJSONEvent(e client.Event) JSONEvent {
	j := JSONEvent{ID: e.ID, Position: e.Position}
	j.Stream, j.Stream64 = backup.TextOf([]byte(e.Stream))
	j.Data, j.Data64 = backup.TextOf(e.Data)
	if !e.Time.IsZero() {
		j.Time = e.Time.Format(wire.TimeForm)
	}
	return j
}

// Stored is what JSON has of events that were stored: the id of one, or the first and the
// last id of several in a row.
type Stored struct {
	Stream   *string `json:"stream,omitempty"`
	Stream64 []byte  `json:"stream64,omitempty"`
	ID       uint64  `json:"id,omitempty"`
	First    uint64  `json:"first,omitempty"`
	Last     uint64  `json:"last,omitempty"`
}

// AppendStored appends s as one line, with the name of its stream.
func AppendStored(b []byte, s Stored, stream string) []byte {
	s.Stream, s.Stream64 = backup.TextOf([]byte(stream))
	return AppendJSONLine(b, s)
}

// AppendJSONLine appends a value as one line.
func AppendJSONLine(b []byte, v any) []byte {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // the type of v has no form in JSON
	}
	return term.AppendSafeJSON(b, line.Bytes())
}
