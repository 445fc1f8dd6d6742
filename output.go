package main

import (
	"bufio"
	"io"
	"strconv"

	"gorewind/backup"
	"gorewind/client"
	"gorewind/internal/term"
	"gorewind/wire"
)

// An output is how events and streams are shown.
type output struct {
	JSON  bool   `env:"-" name:"json" xor:"format" help:"Show one JSON object a line; what is not valid UTF-8 is in stream64 and data64, in base64. Default: false."`
	Raw   bool   `env:"-" xor:"format" help:"Show the octets alone, with a line feed after each event or name. Default: false."`
	Raw0  bool   `env:"-" name:"raw0" xor:"format" help:"Show the octets alone, with a zero octet after each event or name. Default: false."`
	Color string `default:"auto" enum:"auto, always, never" placeholder:"WHEN" help:"Colour what is for people: ${enum}; auto heeds NO_COLOR, and TERM=dumb. With always, also what goes into a pipe is for people. Default: ${default}."`
}

// A form is how an event is written.
type form interface {
	appendEvent(b []byte, e client.Event) []byte
}

// A lineForm is how a stream is written too, without regard to others.
type lineForm interface {
	form
	appendStream(b []byte, s client.Stream) []byte
}

// form returns what was asked for: without a word, what is for people goes to a
// terminal and lines for programs to everything else.
func (o *output) form(w io.Writer) form {
	switch {
	case o.JSON:
		return jsonLines{}
	case o.Raw:
		return raw{'\n'}
	case o.Raw0:
		return raw{0}
	case o.Color == "always" || term.IsTerminal(w):
		return human{term.Palette{Coloured: o.Color == "always" || o.Color == "auto" && term.TakesColour(w)}}
	}
	return columns{}
}

// meta reports whether the positions and times of events are shown.
func (o *output) meta() bool { return !o.Raw && !o.Raw0 }

// A printer shows events and streams.
type printer struct {
	form form
	w    *bufio.Writer
	text []byte // of one of them; kept for the next

	streams *term.Table // for people, once there is one
}

func (o *output) printer(w io.Writer) *printer {
	return &printer{form: o.form(w), w: bufio.NewWriterSize(w, 64<<10)}
}

func (p *printer) event(e client.Event) error {
	p.text = p.form.appendEvent(p.text[:0], e)
	_, err := p.w.Write(p.text)
	return err
}

func (p *printer) stream(s client.Stream) error {
	if h, ok := p.form.(human); ok {
		return p.row(h, s)
	}
	p.text = p.form.(lineForm).appendStream(p.text[:0], s)
	_, err := p.w.Write(p.text)
	return err
}

// row adds a stream to a table for people.
func (p *printer) row(h human, s client.Stream) error {
	if p.streams == nil {
		p.streams = term.NewTable(p.w, term.Right, term.Left)
		if err := p.streams.Row(h.streamHead()...); err != nil {
			return err
		}
	}
	return p.streams.Row(h.streamRow(s)...)
}

// flush writes what is buffered, also after an error, which it returns.
func (p *printer) flush(err error) error {
	if p.streams != nil {
		if failed := p.streams.Flush(); err == nil {
			err = failed
		}
	}
	if failed := p.w.Flush(); err == nil {
		err = failed
	}
	return err
}

// raw is the octets alone.
type raw struct{ end byte }

func (r raw) appendEvent(b []byte, e client.Event) []byte {
	return append(append(b, e.Data...), r.end)
}

func (r raw) appendStream(b []byte, s client.Stream) []byte {
	return append(append(b, s.Name...), r.end)
}

// columns are lines for programs, with tabs between their columns: of an event its
// time, position, stream, id and data.
type columns struct{}

func (columns) appendEvent(b []byte, e client.Event) []byte {
	if !e.Time.IsZero() { // a broadcast has neither
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

func (columns) appendStream(b []byte, s client.Stream) []byte {
	b = term.AppendEscaped(b, []byte(s.Name))
	b = append(b, '\t')
	b = strconv.AppendUint(b, s.Last, 10)
	return append(b, '\n')
}

// jsonLines is one object a line.
type jsonLines struct{}

func (jsonLines) appendEvent(b []byte, e client.Event) []byte {
	return appendJSONLine(b, newJSONEvent(e))
}

func (jsonLines) appendStream(b []byte, s client.Stream) []byte {
	var j struct {
		Stream   *string `json:"stream,omitempty"`
		Stream64 []byte  `json:"stream64,omitempty"`
		Last     uint64  `json:"last"`
	}
	j.Stream, j.Stream64 = backup.TextOf([]byte(s.Name))
	j.Last = s.Last
	return appendJSONLine(b, j)
}
