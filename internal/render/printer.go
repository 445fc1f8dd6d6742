// Package render prints events and streams: formatted for a terminal, as lines for a pipe, as
// JSON, or as their bytes alone.
package render

import (
	"bufio"
	"io"

	"gorewind/client"
	"gorewind/internal/term"
)

// A Printer prints events and streams.
type Printer struct {
	form Form
	w    *bufio.Writer
	text []byte // buffer for one of them

	headed  bool        // the header is written
	streams *term.Table // with Pretty, once there is a stream
}

// NewPrinter returns a Printer that writes to w. It buffers; call Flush at the end.
func NewPrinter(w io.Writer, form Form) *Printer {
	return &Printer{form: form, w: bufio.NewWriterSize(w, 64<<10)}
}

// Event prints an event.
func (p *Printer) Event(e client.Event) error {
	p.text = p.text[:0]
	if pretty, ok := p.form.(Pretty); ok && !p.headed {
		p.headed = true
		p.text = append(p.text, pretty.eventHead(e)...)
	}
	p.text = p.form.appendEvent(p.text, e)
	_, err := p.w.Write(p.text)
	return err
}

// Stream prints a stream and the id of its last event.
func (p *Printer) Stream(s client.Stream) error {
	if pretty, ok := p.form.(Pretty); ok {
		return p.row(pretty, s)
	}
	p.text = p.form.(lineForm).appendStream(p.text[:0], s)
	_, err := p.w.Write(p.text)
	return err
}

// row adds a stream to the table.
func (p *Printer) row(pretty Pretty, s client.Stream) error {
	if p.streams == nil {
		p.streams = term.NewTable(p.w, term.Right, term.Left)
		if err := p.streams.Row(pretty.streamHead()...); err != nil {
			return err
		}
	}
	return p.streams.Row(pretty.streamRow(s)...)
}

// Flush writes what is buffered. It returns err if that is not nil, else its own error.
func (p *Printer) Flush(err error) error {
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
