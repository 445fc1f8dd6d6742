package backup

import (
	"bytes"
	"encoding/json"
	"io"
)

// A Writer writes an export.
type Writer struct {
	Header Header

	to    sink
	tally tally
	torn  bool // a commit was not written to its end
	text  bytes.Buffer
	json  *json.Encoder
}

// A sink takes an export's text.
type sink interface {
	io.Writer
	// endCommit says that what was written so far can be gone on with.
	endCommit() error
	// flush hands everything on.
	flush() error
}

// newWriter begins an export.
func newWriter(to sink, h Header) (*Writer, error) {
	w := &Writer{Header: h, to: to, tally: newTally()}
	w.encode()
	w.tally.begin(&h)
	if err := w.line(h); err != nil {
		return nil, err
	}
	return w, nil
}

// goOn goes on with an export of which a beginning was read.
func goOn(to sink, h Header, t tally) *Writer {
	w := &Writer{Header: h, to: to, tally: t}
	w.encode()
	return w
}

func (w *Writer) encode() {
	w.json = json.NewEncoder(&w.text)
	w.json.SetEscapeHTML(false)
}

// End returns the position up to which the export has everything.
func (w *Writer) End() uint64 { return w.tally.count.End }

// canEnd reports whether the trailer may come here: there is a commit, and the last
// one is whole.
func (w *Writer) canEnd() bool { return w.tally.count.Commits > 0 && !w.torn }

// commit writes a commit.
func (w *Writer) commit(c *Commit) error {
	w.torn = true
	if err := w.line(lineOfCommit(c)); err != nil {
		return err
	}
	for i := range c.Events {
		if err := w.line(lineOfEvent(&c.Events[i])); err != nil {
			return err
		}
	}
	w.tally.commit(c)
	err := w.to.endCommit()
	w.torn = err != nil
	return err
}

// finish writes the trailer of an export that has everything up to a position.
func (w *Writer) finish(end uint64) (Trailer, error) {
	t := w.tally.trailer(end)
	if err := w.line(t); err != nil {
		return t, err
	}
	return t, w.to.flush()
}

func (w *Writer) line(of any) error {
	w.text.Reset()
	if err := w.json.Encode(of); err != nil {
		return err
	}
	w.text.Truncate(w.text.Len() - len("}\n"))
	w.text.WriteString(w.tally.ending(w.text.Bytes()))
	w.tally.line(w.text.Bytes())
	_, err := w.to.Write(w.text.Bytes())
	if w.text.Cap() > largeLine {
		w.text = bytes.Buffer{}
		w.encode()
	}
	return err
}

// largeLine is how long a line is of which the memory is not kept.
const largeLine = 1 << 20
