package render

import (
	"bytes"
	"encoding/json"

	"gorewind/backup"
	"gorewind/client"
	"gorewind/internal/term"
	"gorewind/wire"
)

// A JSONEvent is an event in JSON, which has text only. Fields that are not valid UTF-8 are in
// base64, under the name with 64 at its end.
type JSONEvent struct {
	Stream   *string `json:"stream,omitempty"`
	Stream64 []byte  `json:"stream64,omitempty"`
	ID       uint64  `json:"id"`
	Position uint64  `json:"position,omitempty"` // if known
	Time     string  `json:"time,omitempty"`     // if known
	Data     *string `json:"data,omitempty"`
	Data64   []byte  `json:"data64,omitempty"`

	JSON json.RawMessage `json:"json,omitempty"` // instead of Data, if requested
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

// Stored is the JSON form of a write: the id of a single event, or the first and last id of a
// run.
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

// AppendJSONLine appends v as one line of JSON.
func AppendJSONLine(b []byte, v any) []byte {
	var line bytes.Buffer
	e := json.NewEncoder(&line)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		panic(err) // the type of v cannot be encoded
	}
	return term.AppendSafeJSON(b, line.Bytes())
}
