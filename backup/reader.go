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

// ErrFile means that a file is not an export, or was changed after it was written. The
// error is a *Refused.
var ErrFile = errors.New("refused")

// A Refused says where an export is wrong. It is an ErrFile.
type Refused struct {
	Line   int64 // from 1
	Offset int64 // of the line's first byte in the text, from 0
	What   string
	Cut    bool  // nothing is wrong except that the end is missing
	Err    error // why it cannot be read, or nil
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

// maxLine is the longest line, in bytes: an event of 4 MiB in which each byte takes
// six, or a commit of the largest size.
const maxLine = 64 << 20

// A Reader reads an export, and verifies that it is as it was written.
type Reader struct {
	Header Header

	from    *bufio.Reader
	sums    checksummer
	text    []byte
	commit  *Entry // the last one; nil before the first
	trailer *Trailer
}

// NewReader reads the header of an export, which may be compressed.
func NewReader(from io.Reader) (*Reader, error) {
	plain, err := plainText(from)
	if err != nil {
		return nil, err
	}
	r := &Reader{from: plain, sums: newChecksummer()}
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
	r.sums.begin(&r.Header)
	return r, nil
}

// format refuses a file that is not an export, or has another version, whatever
// else is wrong with its first line.
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
		return &Refused{Line: 1, What: "it does not begin like an export of gorewind"}
	case h.Gorewind != exportWord:
		return &Refused{Line: 1, What: fmt.Sprintf("it is not an export of gorewind, but of kind %q", h.Gorewind)}
	case h.Format != formatVersion:
		return &Refused{Line: 1, What: fmt.Sprintf("it has format %d, but this version reads %d", h.Format, formatVersion)}
	}
	return nil
}

// Next returns the next commit. It returns io.EOF after the last one, once
// everything has been verified.
func (r *Reader) Next() (*Entry, error) {
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
	next := r.sums.count.End + 1
	if e.Position < next || e.First < next && r.sums.count.Commits > 0 || e.First > next && r.Header.Selection == nil {
		return nil, r.refuse("it continues at position %d, where %d was expected", e.First, next)
	}
	r.commit = newEntry(e, r)
	return r.commit, nil
}

// event returns the next event of a commit, nil after the last.
func (r *Reader) event(c *Entry) (*store.Event, error) {
	text, err := r.line()
	if err != nil {
		return nil, err
	}
	switch {
	case bytes.HasPrefix(text, []byte(`{"events":`)):
		return nil, r.endCommit(c, text)
	case !bytes.HasPrefix(text, []byte(`{"stream`)):
		return nil, r.refuse("an event or the end of the commit was expected here")
	case c.left == 0:
		return nil, r.refuse("there are more events than the commit has")
	}
	var line eventLine
	if err := r.parse(text, &line); err != nil {
		return nil, err
	}
	c.left--
	c.there++
	e := line.event()
	r.sums.event(&c.Entry, &e)
	return &e, nil
}

// endCommit reads the end of a commit.
func (r *Reader) endCommit(c *Entry, text []byte) error {
	var line commitEndLine
	if err := r.parse(text, &line); err != nil {
		return err
	}
	if line.Events != c.there {
		return r.refuse("the commit has %d events, but %d are here", line.Events, c.there)
	}
	c.lost, c.ended = line.lost(), true
	if !r.sums.commit(&c.Entry, c.lost) {
		return r.refuse("there are more present and lost events than the commit had")
	}
	return nil
}

// end reads the trailer.
func (r *Reader) end(text []byte) error {
	var have Trailer
	if !bytes.HasPrefix(text, []byte(trailerBegin)) {
		return r.refuse("a commit or the end was expected here")
	}
	if err := r.parse(text, &have); err != nil {
		return err
	}
	if have != r.sums.trailer(have.End) {
		return r.refuse("the trailer is that of another export")
	}
	if _, err := r.from.ReadByte(); !errors.Is(err, io.EOF) {
		return &Refused{Line: r.sums.lines + 1, Offset: r.sums.bytes, What: "there is more after its end", Err: err}
	}
	r.trailer = &have
	return io.EOF
}

// Trailer returns the trailer, after Next has returned io.EOF.
func (r *Reader) Trailer() Trailer { return *r.trailer }

// line reads and verifies a line, and returns it without its checksum. It is valid
// until the next call.
func (r *Reader) line() ([]byte, error) {
	r.text = r.text[:0]
	for {
		piece, err := r.from.ReadSlice('\n')
		r.text = append(r.text, piece...)
		if err == nil {
			break
		}
		place := Refused{Line: r.sums.lines + 1, Offset: r.sums.bytes}
		switch {
		case len(r.text) > maxLine:
			place.What = "the line is too long"
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
	if end < 0 || string(r.text[end:]) != r.sums.ending(r.text[:end]) {
		return nil, &Refused{Line: r.sums.lines + 1, Offset: r.sums.bytes, What: "the line was changed after it was written"}
	}
	r.sums.line(r.text)
	r.text[end] = '}'
	return r.text[:end+1], nil
}

// parse decodes a line's JSON.
func (r *Reader) parse(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return r.refuse("%v", err)
	}
	return nil
}

// refuse returns the error for the line read last.
func (r *Reader) refuse(format string, args ...any) error {
	return &Refused{Line: r.sums.lines, Offset: r.sums.bytes - int64(len(r.text)), What: fmt.Sprintf(format, args...)}
}
