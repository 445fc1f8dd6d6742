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

	to    sink
	tally tally
	text  bytes.Buffer
	json  *json.Encoder

	entry  *store.Entry  // the commit that was begun
	events uint64        // of it
	held   []store.Event // those that are not written yet
	bytes  int           // of their data
	torn   bool          // it was not written to its end
	first  bool          // a commit that is not held back has to be the first
}

// holdBytes is how much of a commit's events is held back until it ends, which is
// all of them unless they became larger. So what fails or interrupts what they come
// from leaves the export whole: without that commit.
const holdBytes = 2 * store.MaxCommitBytes

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

// begin begins a commit. Its events follow, and then its end.
func (w *Writer) begin(e *store.Entry) {
	w.entry, w.events, w.held, w.bytes = e, 0, w.held[:0], 0
}

// errLarge: a commit has to be the first.
var errLarge = errors.New("a large commit")

// event takes the next event of the commit.
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

// writeHeld writes what there is of the commit.
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
		w.tally.event(w.entry, e)
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
	w.tally.commit(w.entry, lost)
	err := w.to.endCommit()
	w.torn = err != nil
	return err
}

// finish writes the trailer of an export that has everything up to a position. A
// commit that was begun and not ended is not in it.
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
