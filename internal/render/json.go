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
