// Package render shows events and streams: to a person at a terminal, as lines in a pipe,
// as JSON, or their bytes alone.
package render

import (
	"bufio"
	"io"

	"gorewind/client"
	"gorewind/internal/term"
)

// A Printer shows events and streams.
type Printer struct {
	form Form
	w    *bufio.Writer
	text []byte // of one of them; kept for the next

	headed  bool        // the line above events is written
	streams *term.Table // for people, once there is one
}

// NewPrinter returns one that writes a form to w; Flush writes what is buffered.
func NewPrinter(w io.Writer, form Form) *Printer {
	return &Printer{form: form, w: bufio.NewWriterSize(w, 64<<10)}
}

// Event shows an event.
func (p *Printer) Event(e client.Event) error {
	p.text = p.text[:0]
	if h, ok := p.form.(Pretty); ok && !p.headed {
		p.headed = true
		p.text = append(p.text, h.eventHead(e)...)
	}
	p.text = p.form.appendEvent(p.text, e)
	_, err := p.w.Write(p.text)
	return err
}

// Stream shows a stream and the id of its last event.
func (p *Printer) Stream(s client.Stream) error {
	if h, ok := p.form.(Pretty); ok {
		return p.row(h, s)
	}
	p.text = p.form.(lineForm).appendStream(p.text[:0], s)
	_, err := p.w.Write(p.text)
	return err
}

// row adds a stream to a table for people.
func (p *Printer) row(h Pretty, s client.Stream) error {
	if p.streams == nil {
		p.streams = term.NewTable(p.w, term.Right, term.Left)
		if err := p.streams.Row(h.streamHead()...); err != nil {
			return err
		}
	}
	return p.streams.Row(h.streamRow(s)...)
}

// Flush writes what is buffered, also after an error, which it returns.
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
