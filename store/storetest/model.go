package storetest

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"strings"
	"testing"

	"gorewind/store"
)

// A System is compared with a model by Model: a store.Store, or a client of one.
// Its reads are called while no write is under way.
type System interface {
	Append(reqs []store.Append, done func([]store.Result))
	Replace(r store.Replace, done func(error))
	Delete(d store.Delete, done func(error))
	SetCursor(c store.Cursor, done func(error))
	Cursor(ctx context.Context, consumer, stream []byte) (uint64, error)
	Read(ctx context.Context, r store.Range) iter.Seq2[store.Event, error]
	Tail(ctx context.Context, from uint64) iter.Seq2[[]store.Event, error]
	Streams(ctx context.Context, prefix, after []byte) iter.Seq2[store.Stream, error]
	Info() store.Info
	Close() error
}

// Model performs random operations of every kind on a System and on a model in
// memory, and compares the results. open opens the System, and reopens it with what
// it held when it was closed. The seed is that of Rand. A volatile System is closed
// only at the end.
func Model(t *testing.T, operations int, volatile bool, open func() System) {
	r, _ := Rand(t)
	m := newModel()
	g := generator{r: r, m: m}
	s := open()
	defer func() { s.Close() }()
	step, opened := 0, 1
	for done := 0; done < operations; step++ {
		if !volatile && r.IntN(200) == 0 {
			if err := s.Close(); err != nil {
				t.Fatalf("step %d: close: %v", step, err)
			}
			s = open()
			opened++
		}
		o := g.operation()
		done += size(o)
		want, have := o.expect(m), o.perform(s)
		if have != want {
			t.Fatalf("step %d: %s\n%s", step, o, difference(want, have))
		}
		if err := m.learn(s); err != nil {
			t.Fatalf("step %d: after %s: %v", step, o, err)
		}
	}
	t.Logf("%d steps of %d operations, opened %d times", step, operations, opened)
}

// A model is a store in memory. It takes positions and times from the System.
type model struct {
	streams map[string]*modelStream
	log     []store.Event // all events, in the order of their positions
	unknown int           // events at the end of log whose positions are not known yet
	cursors map[cursorName]uint64
	keys    map[keyName]remembered
	last    uint64 // position of the last commit
	read    uint64 // position of the last event that was learnt
}

type modelStream struct{ deleted, last uint64 }

type cursorName struct{ consumer, stream string }

type keyName struct{ stream, key string }

type remembered struct {
	groups []store.Group
	ids    []uint64
}

func newModel() *model {
	return &model{streams: map[string]*modelStream{}, cursors: map[cursorName]uint64{}, keys: map[keyName]remembered{}}
}

// stream returns the model of a stream; zero if it does not exist.
func (m *model) stream(name []byte) modelStream {
	if s := m.streams[string(name)]; s != nil {
		return *s
	}
	return modelStream{}
}

func (s modelStream) holds(id uint64) bool { return id > s.deleted && id <= s.last }

// meets returns the Conflict of an expectation, or nil.
func (m *model) meets(group int, stream []byte, expected store.Optional) error {
	s := m.stream(stream)
	last := s.last
	if s.last == s.deleted {
		last = 0
	}
	if expected.Given && expected.N != last {
		return &store.Conflict{Group: group, Stream: stream, Last: last}
	}
	return nil
}

func (m *model) appendEvents(a store.Append) ([]uint64, error) {
	if err := invalid(a); err != nil {
		return nil, err
	}
	name := keyName{string(a.Groups[0].Stream), string(a.Key)}
	if before, ok := m.keys[name]; ok {
		if !reflect.DeepEqual(before.groups, a.Groups) {
			return nil, store.ErrKeyReused
		}
		return before.ids, nil
	}
	for i, g := range a.Groups {
		if err := m.meets(i, g.Stream, g.Expected); err != nil {
			return nil, err
		}
	}
	var ids []uint64
	for _, g := range a.Groups {
		ids = append(ids, m.addGroup(g))
	}
	if len(a.Key) > 0 {
		m.keys[name] = remembered{a.Groups, ids}
	}
	return ids, nil
}

func invalid(a store.Append) error {
	seen := map[string]bool{}
	for _, g := range a.Groups {
		if len(g.Stream) == 0 || len(g.Events) == 0 || seen[string(g.Stream)] && g.Expected.Given {
			return store.ErrInvalid
		}
		seen[string(g.Stream)] = true
	}
	return nil
}

func (m *model) addGroup(g store.Group) uint64 {
	s := m.streams[string(g.Stream)]
	if s == nil {
		s = new(modelStream)
		m.streams[string(g.Stream)] = s
	}
	for _, data := range g.Events {
		s.last++
		m.log = append(m.log, store.Event{Stream: g.Stream, ID: s.last, Data: data})
		m.unknown++
	}
	return s.last
}

func (m *model) replace(r store.Replace) error {
	if len(r.Stream) == 0 {
		return store.ErrInvalid
	}
	for i := range m.log {
		if e := &m.log[i]; e.ID == r.ID && string(e.Stream) == string(r.Stream) {
			e.Data = r.Data
			return nil
		}
	}
	return store.ErrUnknownID
}

func (m *model) deleteEvents(d store.Delete) error {
	if len(d.Stream) == 0 {
		return store.ErrInvalid
	}
	if err := m.meets(0, d.Stream, d.Expected); err != nil {
		return err
	}
	s := m.streams[string(d.Stream)]
	if s == nil {
		return nil
	}
	upTo := s.last
	if d.UpTo.Given {
		upTo = d.UpTo.N
	}
	if upTo > s.last {
		return store.ErrUnknownID
	}
	s.deleted = max(s.deleted, upTo)
	known := len(m.log) - m.unknown
	kept := m.log[:0]
	for i, e := range m.log {
		if string(e.Stream) != string(d.Stream) || e.ID > upTo {
			kept = append(kept, e)
		} else if i >= known {
			m.unknown--
		}
	}
	clear(m.log[len(kept):])
	m.log = kept
	return nil
}

func (m *model) setCursor(c store.Cursor) error {
	if len(c.Consumer) == 0 {
		return store.ErrInvalid
	}
	last, name := m.last, cursorName{string(c.Consumer), string(c.Stream)}
	if len(c.Stream) > 0 {
		last = m.stream(c.Stream).last
	}
	switch before := m.cursors[name]; {
	case c.ID > last:
		return store.ErrUnknownID
	case c.ID < before && !c.Rewind:
		return &store.Behind{Cursor: before}
	}
	m.cursors[name] = c.ID
	return nil
}

// check returns the error of a range.
func (m *model) check(r store.Range) error {
	if r.Nearest {
		return nil
	}
	s := modelStream{last: m.last}
	if r.Select == nil {
		s = m.stream(r.Stream)
	}
	switch after, upTo := r.After.N, r.UpTo.N; {
	case after != 0 && after != s.deleted && !s.holds(after), upTo != 0 && upTo != after && !s.holds(upTo):
		return store.ErrUnknownID
	case upTo != 0 && after > upTo:
		return store.ErrBadRange
	}
	return nil
}

// learn takes the positions and times of new events from the System, and checks
// that there are no others.
func (m *model) learn(s System) error {
	last := s.Info().LastPosition
	if last < m.last || m.unknown > 0 && last <= m.last {
		return fmt.Errorf("the last position was %d and is %d", m.last, last)
	}
	m.last = last
	if m.unknown == 0 {
		return nil
	}
	fresh := m.log[len(m.log)-m.unknown:]
	var have []store.Event
	for e, err := range readRange(s, store.Range{Select: store.Prefix(nil), After: store.Some(m.read)}, Patterns{}) {
		if err != nil {
			return err
		}
		have = append(have, e)
	}
	if len(have) != len(fresh) {
		return fmt.Errorf("want %d events after position %d, have %d", len(fresh), m.read, len(have))
	}
	var before store.Event
	if known := len(m.log) - m.unknown; known > 0 {
		before = m.log[known-1]
	}
	for i, e := range have {
		if e.Position <= m.read || e.Position > last || e.Time.Before(before.Time) {
			return fmt.Errorf("%s comes after %s and position %d; the last is %d", text(e), text(before), m.read, last)
		}
		fresh[i].Position, fresh[i].Time = e.Position, e.Time
		if text(e) != text(fresh[i]) {
			return fmt.Errorf("want %s, have %s", text(fresh[i]), text(e))
		}
		m.read, before = e.Position, e
	}
	m.unknown = 0
	return nil
}

// difference returns the first line in which two texts differ.
func difference(want, have string) string {
	w, h := strings.Split(want, "\n"), strings.Split(have, "\n")
	i := 0
	for i < len(w) && i < len(h) && w[i] == h[i] {
		i++
	}
	line := func(lines []string) string {
		if i < len(lines) {
			return lines[i]
		}
		return "nothing"
	}
	return fmt.Sprintf("line %d of %d: want %.300s\nline %d of %d: have %.300s", i+1, len(w), line(w), i+1, len(h), line(h))
}
