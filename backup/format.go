package backup

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf8"

	"gorewind/store"
)

// What an export is, format 1. It stays readable for ever.
//
// An export is text, or that text as Zstandard frames of which each ends where a
// commit does. Each line is a JSON object that ends with a newline. Its members
// stand in the order in which they are given here, without spaces between them; one
// that says nothing is left out.
//
// The first line is the header:
//
//	gorewind    "export"
//	format      1
//	store       id of the store, hex
//	generation  of the store
//	secret      with which the store knows requests again that had a key, hex
//	after       it has what came after this position
//	selection   of which streams: prefix, globs, separator; without it, of all
//
// Then, for each commit, in order, a line with what it did:
//
//	commit   the last position that it took
//	first    and the first
//	time     RFC 3339, in UTC, with six digits of the microseconds
//	octets   of its events' data, as it was committed
//	streams  the number that the next new stream gets
//	chain    checksum of the log up to here, hex
//	changes  what it did; see below
//
// then a line for each of its events that is there, in the order of their
// positions, and for each event that it replaced and that came before the export
// was begun, as it is now. These may be much larger than they were, so that a commit
// is read and written event by event:
//
//	stream, id, position, time, data
//
// and a line that ends it. What is not there and not lost was erased since:
//
//	events   how many there were
//	lost     of its events, which the store itself could not read any more: stream,
//	         first and last id
//
// A change has the kind, and besides:
//
//	appended  position of the first event, stream, number, first, last
//	replaced  position, stream, number, first (the id), last (of its page)
//	deleted   position, stream, number, first, last
//	moved     position, stream and number (neither: the whole store), last (the id),
//	          consumer
//	keyed     stream, number, key, sum (hex), ids
//	gap       position, count, patch (hex)
//	omitted   position, count: of streams that are not selected
//
// A commit of which nothing is selected is left out.
//
// The last line is the trailer:
//
//	end      it has everything up to this position
//	chain    that of the last commit, or of the export that this one goes on after
//	commits, events, octets, erased, lost
//	         how many there are; bytes of the events' data
//	sha256   of everything before this line, hex
//
// Bytes are given as text where they are valid UTF-8, else in base64 under the
// member's name with 64 at its end: stream or stream64, and so consumer, key and
// data.
//
// Every line has one more member, crc: CRC-32C of all lines up to here, without
// their crc and newline. So what was cut out, added, moved or changed is found in
// its line.
const formatVersion = 1

// A Selection says which streams an export holds: those whose names begin with
// Prefix or match one of Globs.
type Selection struct {
	Prefix    *string  `json:"prefix,omitempty"`
	Globs     []string `json:"globs,omitempty"`
	Separator string   `json:"separator,omitempty"` // one byte; empty is /
}

// separator returns the separator's byte.
func (s *Selection) separator() byte {
	if s.Separator == "" {
		return '/'
	}
	return s.Separator[0]
}

// compile returns the selection that matches stream names.
func (s *Selection) compile() (*store.Selection, error) {
	if len(s.Separator) > 1 {
		return nil, fmt.Errorf("%w: the separator %q has more than one byte", store.ErrInvalid, s.Separator)
	}
	selected := new(store.Selection)
	if s.Prefix != nil {
		selected = store.Prefix([]byte(*s.Prefix))
	}
	for _, g := range s.Globs {
		if err := selected.Also(s.separator(), []byte(g)); err != nil {
			return nil, err
		}
	}
	return selected, nil
}

// A Header says what an export contains.
type Header struct {
	Gorewind   string     `json:"gorewind"`
	Format     int        `json:"format"`
	Store      string     `json:"store"`
	Generation uint64     `json:"generation"`
	Secret     string     `json:"secret"`
	After      uint64     `json:"after"`
	Selection  *Selection `json:"selection,omitempty"`
}

const exportWord = "export"

// newHeader returns the header of an export of a store.
func newHeader(id store.Identity, after uint64, s *Selection) Header {
	return Header{exportWord, formatVersion, id.ID, id.Generation, id.Secret, after, s}
}

// identity returns the identity of the store.
func (h *Header) identity() store.Identity {
	return store.Identity{ID: h.Store, Generation: h.Generation, Secret: h.Secret}
}

// A Trailer says what an export contained.
type Trailer struct {
	End     uint64 `json:"end"`
	Chain   chain  `json:"chain"`
	Commits uint64 `json:"commits"`
	Events  uint64 `json:"events"`
	Bytes   uint64 `json:"octets"`
	Erased  uint64 `json:"erased"`
	Lost    uint64 `json:"lost"`
	SHA256  string `json:"sha256"`
}

// Lost names events that the store itself could no longer read.
type Lost struct {
	Stream      []byte
	First, Last uint64
}

// A chain is a 64-bit checksum. It is written as text, because most JSON readers
// round large numbers.
type chain uint64

// MarshalJSON implements json.Marshaler.
func (c chain) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, `"%016x"`, uint64(c)), nil }

// UnmarshalJSON implements json.Unmarshaler.
func (c *chain) UnmarshalJSON(b []byte) error {
	n, err := strconv.ParseUint(string(bytes.Trim(b, `"`)), 16, 64)
	*c = chain(n)
	return err
}

// An instant is a time in an export.
type instant time.Time

// timeForm is the protocol's form, which round-trips.
const timeForm = `"2006-01-02T15:04:05.000000Z"`

// MarshalJSON implements json.Marshaler.
func (i instant) MarshalJSON() ([]byte, error) {
	return time.Time(i).UTC().AppendFormat(nil, timeForm), nil
}

// UnmarshalJSON implements json.Unmarshaler.
func (i *instant) UnmarshalJSON(b []byte) error {
	t, err := time.Parse(timeForm, string(b))
	*i = instant(t)
	return err
}

type commitLine struct {
	Commit  uint64              `json:"commit"`
	First   uint64              `json:"first"`
	Time    instant             `json:"time"`
	Bytes   uint64              `json:"octets"`
	Streams uint64              `json:"streams"`
	Chain   chain               `json:"chain"`
	Changes bounded[changeLine] `json:"changes"`
}

// mostParts is the most changes of a commit: ten thousand events and as many
// requests, each preceded by an omission.
const mostParts = 4 * store.MaxCommitEvents

// bounded is a slice whose size is bounded while it is read: an object of two bytes
// takes hundreds in memory.
type bounded[T any] []T

// UnmarshalJSON implements json.Unmarshaler.
func (b *bounded[T]) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	if _, err := d.Token(); err != nil {
		return err
	}
	for d.More() {
		if len(*b) == mostParts {
			return fmt.Errorf("it has more than %d parts, the most that a commit has", mostParts)
		}
		var part T
		if err := d.Decode(&part); err != nil {
			return err
		}
		*b = append(*b, part)
	}
	return nil
}

type changeLine struct {
	Kind       string   `json:"kind"`
	Position   uint64   `json:"position,omitempty"`
	Stream     *string  `json:"stream,omitempty"`
	Stream64   []byte   `json:"stream64,omitempty"`
	Number     uint64   `json:"number,omitempty"`
	First      uint64   `json:"first,omitempty"`
	Last       uint64   `json:"last,omitempty"`
	Consumer   *string  `json:"consumer,omitempty"`
	Consumer64 []byte   `json:"consumer64,omitempty"`
	Key        *string  `json:"key,omitempty"`
	Key64      []byte   `json:"key64,omitempty"`
	Sum        string   `json:"sum,omitempty"`
	IDs        []uint64 `json:"ids,omitempty"`
	Count      uint64   `json:"count,omitempty"`
	Patch      *chain   `json:"patch,omitempty"`
}

type commitEndLine struct {
	Events uint64            `json:"events"`
	Lost   bounded[lostLine] `json:"lost,omitempty"`
}

type lostLine struct {
	Stream   *string `json:"stream,omitempty"`
	Stream64 []byte  `json:"stream64,omitempty"`
	First    uint64  `json:"first"`
	Last     uint64  `json:"last"`
}

type eventLine struct {
	Stream   *string `json:"stream,omitempty"`
	Stream64 []byte  `json:"stream64,omitempty"`
	ID       uint64  `json:"id"`
	Position uint64  `json:"position"`
	Time     instant `json:"time"`
	Data     *string `json:"data,omitempty"`
	Data64   []byte  `json:"data64,omitempty"`
}

// kinds are the words for kinds of changes.
var kinds = map[store.ChangeKind]string{
	store.Appended: "appended", store.Replaced: "replaced", store.Deleted: "deleted", store.Moved: "moved",
	store.Keyed: "keyed", store.Gap: "gap", store.Omitted: "omitted",
}

var kindOf = func() map[string]store.ChangeKind {
	of := make(map[string]store.ChangeKind)
	for kind, word := range kinds {
		of[word] = kind
	}
	return of
}()

// TextOf returns bytes as one of two members of a JSON object: as text if they are
// valid UTF-8, otherwise as they are, which JSON encodes in base64.
func TextOf(b []byte) (text *string, base64 []byte) {
	if utf8.Valid(b) {
		s := string(b)
		return &s, nil
	}
	return nil, b
}

// bytesOf is the inverse of TextOf.
func bytesOf(text *string, base64 []byte) []byte {
	if text != nil {
		return []byte(*text)
	}
	return base64
}

func lineOfCommit(e *store.Entry) commitLine {
	l := commitLine{
		Commit: e.Position, First: e.First, Time: instant(e.Time), Bytes: e.Bytes, Streams: e.NextStream, Chain: chain(e.Chain),
		Changes: make([]changeLine, 0, len(e.Changes)),
	}
	at := e.First
	for i := range e.Changes {
		l.Changes = append(l.Changes, lineOfChange(&e.Changes[i], at))
		at += e.Changes[i].Positions()
	}
	return l
}

func lineOfCommitEnd(events uint64, lost []Lost) commitEndLine {
	l := commitEndLine{Events: events}
	for _, lost := range lost {
		line := lostLine{First: lost.First, Last: lost.Last}
		line.Stream, line.Stream64 = TextOf(lost.Stream)
		l.Lost = append(l.Lost, line)
	}
	return l
}

func lineOfChange(c *store.Change, at uint64) changeLine {
	l := changeLine{
		Kind: kinds[c.Kind], Position: at, Number: c.Number, First: c.First, Last: c.Last,
		Sum: hex.EncodeToString(c.Sum), IDs: c.IDs, Count: c.Count,
	}
	if len(c.Stream) > 0 {
		l.Stream, l.Stream64 = TextOf(c.Stream)
	}
	switch c.Kind {
	case store.Moved:
		l.Consumer, l.Consumer64 = TextOf(c.Name)
	case store.Keyed:
		l.Position = 0
		l.Key, l.Key64 = TextOf(c.Name)
	case store.Gap:
		patch := chain(c.Patch)
		l.Patch = &patch
	}
	return l
}

// entry is the inverse of lineOfCommit.
func (l *commitLine) entry() (e store.Entry, err error) {
	e = store.Entry{
		Position: l.Commit, First: l.First, Time: time.Time(l.Time), Bytes: l.Bytes, NextStream: l.Streams, Chain: uint64(l.Chain),
		Changes: make([]store.Change, len(l.Changes)),
	}
	for i := range l.Changes {
		if e.Changes[i], err = l.Changes[i].change(); err != nil {
			return e, err
		}
	}
	at := e.First
	for i := range e.Changes {
		if said := l.Changes[i].Position; said != at && e.Changes[i].Kind != store.Keyed {
			return e, fmt.Errorf("it has a change at position %d, where %d was expected", said, at)
		}
		at += e.Changes[i].Positions()
	}
	if at != e.Position+1 || e.First == 0 {
		return e, fmt.Errorf("its changes end at position %d", at-1)
	}
	return e, nil
}

// lost returns the lost events of a commit.
func (l *commitEndLine) lost() (lost []Lost) {
	for _, line := range l.Lost {
		lost = append(lost, Lost{bytesOf(line.Stream, line.Stream64), line.First, line.Last})
	}
	return lost
}

func (l *changeLine) change() (c store.Change, err error) {
	c = store.Change{
		Kind: kindOf[l.Kind], Stream: bytesOf(l.Stream, l.Stream64), Number: l.Number, First: l.First, Last: l.Last, IDs: l.IDs, Count: l.Count,
	}
	if c.Kind == 0 {
		return c, fmt.Errorf("it has a change of unknown kind %q", l.Kind)
	}
	if c.Kind == store.Appended && (c.First == 0 || c.Last < c.First || c.Last-c.First >= store.MaxCommitEvents) {
		return c, fmt.Errorf("it appends the events %d to %d", c.First, c.Last)
	}
	if c.Kind == store.Moved {
		c.Name = bytesOf(l.Consumer, l.Consumer64)
	}
	if c.Kind == store.Keyed {
		c.Name = bytesOf(l.Key, l.Key64)
		if c.Sum, err = hex.DecodeString(l.Sum); err != nil {
			return c, err
		}
	}
	if l.Patch != nil {
		c.Patch = uint64(*l.Patch)
	}
	return c, nil
}

func lineOfEvent(e *store.Event) eventLine {
	l := eventLine{ID: e.ID, Position: e.Position, Time: instant(e.Time)}
	l.Stream, l.Stream64 = TextOf(e.Stream)
	l.Data, l.Data64 = TextOf(e.Data)
	return l
}

func (l *eventLine) event() store.Event {
	return store.Event{
		Stream: bytesOf(l.Stream, l.Stream64), ID: l.ID, Position: l.Position, Time: time.Time(l.Time), Data: bytesOf(l.Data, l.Data64),
	}
}
