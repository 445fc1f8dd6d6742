package backup

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"gorewind/store"
)

// ErrFile: what is read is not an export, or no longer the one that was written.
// The error is a *Refused.
var ErrFile = errors.New("refused")

// A Refused says where an export is not good. It is an ErrFile.
type Refused struct {
	Line   int64 // from 1
	Offset int64 // of the text, where that line begins, from 0
	What   string
	Cut    bool  // there is nothing wrong but that there is no more
	Err    error // nil, or why it cannot be read
}

func (r *Refused) Error() string {
	if r.Err != nil {
		return fmt.Sprintf("line %d, byte %d: %s: %v", r.Line, r.Offset, r.What, r.Err)
	}
	return fmt.Sprintf("line %d, byte %d: %s", r.Line, r.Offset, r.What)
}

// Is makes a Refused an ErrFile.
func (r *Refused) Is(err error) bool { return err == ErrFile }

// Unwrap returns why the file cannot be read.
func (r *Refused) Unwrap() error { return r.Err }

// maxLine is how long a line is at most: of an event of 4 MiB of which each byte
// takes six, or of a commit that did all that one commit may.
const maxLine = 64 << 20

// A Reader reads an export, and verifies that it is the one that was written.
type Reader struct {
	Header Header

	from    *bufio.Reader
	tally   tally
	text    []byte
	commit  *Commit // the last one; nil before it
	trailer *Trailer
}

// NewReader reads the header of an export, which may be compressed.
func NewReader(from io.Reader) (*Reader, error) {
	plain, err := plainText(from)
	if err != nil {
		return nil, err
	}
	r := &Reader{from: plain, tally: newTally()}
	text, err := r.line()
	if err := r.format(err); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, err
	}
	if err := r.parse(text, &r.Header); err != nil {
		return nil, err
	}
	r.tally.begin(&r.Header)
	return r, nil
}

// format refuses what is not an export, or one of another version, whatever else
// is wrong with its first line.
func (r *Reader) format(failed error) error {
	var h struct {
		Gorewind string `json:"gorewind"`
		Format   int    `json:"format"`
	}
	unread := json.NewDecoder(bytes.NewReader(r.text)).Decode(&h)
	const begin = `{"gorewind":"export"`
	n := min(len(begin), len(r.text))
	refused := (*Refused)(nil)
	switch errors.As(failed, &refused); {
	case refused != nil && (refused.Err != nil || refused.Cut && string(r.text[:n]) == begin[:n]):
		return failed
	case failed != nil && (unread != nil || h.Gorewind != exportWord):
		return &Refused{Line: 1, What: "it does not begin as an export of gorewind does"}
	case h.Gorewind != exportWord:
		return &Refused{Line: 1, What: fmt.Sprintf("it is not an export of gorewind, but %q", h.Gorewind)}
	case h.Format != formatVersion:
		return &Refused{Line: 1, What: fmt.Sprintf("it has the format %d, and this version reads %d", h.Format, formatVersion)}
	}
	return nil
}

// Next returns the next commit, and io.EOF after the last, when everything was
// found to be as it was written.
func (r *Reader) Next() (*Commit, error) {
	if r.trailer != nil {
		return nil, io.EOF
	}
	if r.commit != nil {
		if _, err := r.commit.Lost(); err != nil {
			return nil, err
		}
	}
	text, err := r.line()
	if err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(text, []byte(`{"commit":`)) {
		return nil, r.end(text)
	}
	var line commitLine
	if err := r.parse(text, &line); err != nil {
		return nil, err
	}
	e, err := line.entry()
	if err != nil {
		return nil, r.refuse("%v", err)
	}
	next := r.tally.count.End + 1
	if e.Position < next || e.First < next && r.tally.count.Commits > 0 || e.First > next && r.Header.Selection == nil {
		return nil, r.refuse("it goes on at the position %d, where %d comes", e.First, next)
	}
	r.commit = newCommit(e, r)
	return r.commit, nil
}

// event returns the next event of a commit, nil after the last.
func (r *Reader) event(c *Commit) (*store.Event, error) {
	text, err := r.line()
	if err != nil {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(text, []byte(`{"events":`)):
		return nil, r.endCommit(c, text)
	case !bytes.HasPrefix(text, []byte(`{"stream`)):
		return nil, r.refuse("an event, or the end of the commit, has to come here")
	case c.left == 0:
		return nil, r.refuse("there are more events than are of the commit")
	}
	var line eventLine
	if err := r.parse(text, &line); err != nil {
		return nil, err
	}
	c.left--
	c.there++
	e := line.event()
	r.tally.event(&c.Entry, &e)
	return &e, nil
}

// endCommit reads the end of a commit.
func (r *Reader) endCommit(c *Commit, text []byte) error {
	var line commitEndLine
	if err := r.parse(text, &line); err != nil {
		return err
	}
	if line.Events != c.there {
		return r.refuse("the commit had %d events, and here are %d", line.Events, c.there)
	}
	c.lost, c.ended = line.lost(), true
	if !r.tally.commit(&c.Entry, c.lost) {
		return r.refuse("there are more events, and lost ones, than the commit had")
	}
	return nil
}

// end reads the trailer.
func (r *Reader) end(text []byte) error {
	var have Trailer
	if !bytes.HasPrefix(text, []byte(trailerBegin)) {
		return r.refuse("a commit, or the end, has to come here")
	}
	if err := r.parse(text, &have); err != nil {
		return err
	}
	if have != r.tally.trailer(have.End) {
		return r.refuse("it tells of another export than this one")
	}
	if _, err := r.from.ReadByte(); !errors.Is(err, io.EOF) {
		return &Refused{Line: r.tally.lines + 1, Offset: r.tally.bytes, What: "it goes on after its end", Err: err}
	}
	r.trailer = &have
	return io.EOF
}

// Trailer returns what Next has found at the end.
func (r *Reader) Trailer() Trailer { return *r.trailer }

// line reads a line, verifies it, and returns it without its checksum. It is
// valid until the next one.
func (r *Reader) line() ([]byte, error) {
	r.text = r.text[:0]
	for {
		piece, err := r.from.ReadSlice('\n')
		r.text = append(r.text, piece...)
		if err == nil {
			break
		}
		place := Refused{Line: r.tally.lines + 1, Offset: r.tally.bytes}
		switch {
		case len(r.text) > maxLine:
			place.What = "the line does not end"
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
			place.What, place.Cut = "it is cut off here", true
		default:
			place.What, place.Err = "it cannot be read", err
		}
		return nil, &place
	}
	end := len(r.text) - len(fmt.Sprintf(crcForm, 0))
	if end < 0 || string(r.text[end:]) != r.tally.ending(r.text[:end]) {
		return nil, &Refused{Line: r.tally.lines + 1, Offset: r.tally.bytes, What: "the line is not the one that was written here"}
	}
	r.tally.line(r.text)
	r.text[end] = '}'
	return r.text[:end+1], nil
}

// parse reads a line's JSON.
func (r *Reader) parse(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return r.refuse("%v", err)
	}
	return nil
}

// refuse returns the error for the line that was read last.
func (r *Reader) refuse(format string, args ...any) error {
	return &Refused{Line: r.tally.lines, Offset: r.tally.bytes - int64(len(r.text)), What: fmt.Sprintf(format, args...)}
}
