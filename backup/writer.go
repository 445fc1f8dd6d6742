package backup

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"gorewind/store"
)

// A Writer writes an export.
type Writer struct {
	Header Header

	to   sink
	sums checksummer
	text bytes.Buffer
	json *json.Encoder

	entry  *store.Entry  // the commit in progress
	events uint64        // written so far
	held   []store.Event // not written yet
	bytes  int           // size of their data
	torn   bool          // the commit in progress was partly written
	first  bool          // a commit that is not held back has to be the first
}

// holdBytes is how much of a commit's events is held back until the commit ends.
// That is all of them, unless they became larger. So an error or interruption
// leaves the export whole, without that commit.
const holdBytes = 2 * store.MaxCommitBytes

// A sink receives an export's text.
type sink interface {
	io.Writer
	// endCommit says that an export can be resumed from here.
	endCommit() error
	// flush passes everything on.
	flush() error
}

// newWriter begins an export.
func newWriter(to sink, h Header) (*Writer, error) {
	w := &Writer{Header: h, to: to, sums: newChecksummer()}
	w.encode()
	w.sums.begin(&h)
	if err := w.line(h); err != nil {
		return nil, err
	}
	return w, nil
}

// goOn continues an export whose beginning was read.
func goOn(to sink, h Header, t checksummer) *Writer {
	w := &Writer{Header: h, to: to, sums: t}
	w.encode()
	return w
}

func (w *Writer) encode() {
	w.json = json.NewEncoder(&w.text)
	w.json.SetEscapeHTML(false)
}

// End returns the position where the export ends.
func (w *Writer) End() uint64 { return w.sums.count.End }

// canEnd reports whether the trailer may come here: there is a commit, and the last
// one is complete.
func (w *Writer) canEnd() bool { return w.sums.count.Commits > 0 && !w.torn }

// begin begins a commit. Its events follow, and then its end.
func (w *Writer) begin(e *store.Entry) {
	w.entry, w.events, w.held, w.bytes = e, 0, w.held[:0], 0
}

// errLarge: this commit has to be the first of an export.
var errLarge = errors.New("a large commit")

// event adds the next event of the commit.
func (w *Writer) event(e *store.Event) error {
	w.held = append(w.held, *e)
	if w.bytes += len(e.Data); w.bytes < holdBytes {
		return nil
	}
	if w.first && w.canEnd() {
		return errLarge
	}
	return w.writeHeld()
}

// writeHeld writes the events that are held back.
func (w *Writer) writeHeld() error {
	if !w.torn {
		w.torn = true
		if err := w.line(lineOfCommit(w.entry)); err != nil {
			return err
		}
	}
	for i := range w.held {
		e := &w.held[i]
		if err := w.line(lineOfEvent(e)); err != nil {
			return err
		}
		w.sums.event(w.entry, e)
		w.events++
	}
	clear(w.held)
	w.held, w.bytes = w.held[:0], 0
	return nil
}

// end ends the commit.
func (w *Writer) end(lost []Lost) error {
	if err := w.writeHeld(); err != nil {
		return err
	}
	if err := w.line(lineOfCommitEnd(w.events, lost)); err != nil {
		return err
	}
	w.sums.commit(w.entry, lost)
	err := w.to.endCommit()
	w.torn = err != nil
	return err
}

// finish writes the trailer of an export that ends at a position. It leaves out a
// commit that was begun and not ended.
func (w *Writer) finish(end uint64) (Trailer, error) {
	t := w.sums.trailer(end)
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
	w.text.WriteString(w.sums.ending(w.text.Bytes()))
	w.sums.line(w.text.Bytes())
	_, err := w.to.Write(w.text.Bytes())
	if w.text.Cap() > largeLine {
		w.text = bytes.Buffer{}
		w.encode()
	}
	return err
}

// largeLine is the size of a line above which its buffer is not kept.
const largeLine = 1 << 20
