package storetest

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorewind/store"
)

// An operation is one thing to do with a model and with a System. Its result is
// text, so that results can be compared.
type operation interface {
	fmt.Stringer
	expect(m *model) string
	perform(s System) string
}

// A write is an operation that may be part of a burst.
type write interface {
	operation
	start(s System, done func(string))
}

// size returns the number of requests of an operation.
func size(o operation) int {
	switch o := o.(type) {
	case appends:
		return len(o)
	case burst:
		n := 0
		for _, w := range o {
			n += size(w)
		}
		return n
	}
	return 1
}

// verdict returns the name of an error, without its explanation.
func verdict(err error) string {
	var c *store.Conflict
	var b *store.Behind
	switch {
	case err == nil:
		return "ok"
	case errors.As(err, &c):
		return fmt.Sprintf("conflict %d %x %d", c.Group, c.Stream, c.Last)
	case errors.As(err, &b):
		return fmt.Sprintf("behind %d", b.Cursor)
	}
	for _, known := range []error{store.ErrInvalid, store.ErrUnknownID, store.ErrBadRange, store.ErrTooLarge, store.ErrKeyReused} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return "unexpected: " + err.Error()
}

// text describes an event; long data by its checksum.
func text(e store.Event) string { return string(appendText(nil, e)) }

func appendText(b []byte, e store.Event) []byte {
	b = append(hex.AppendEncode(b, e.Stream), ' ')
	b = append(strconv.AppendUint(b, e.ID, 10), " at "...)
	b = append(strconv.AppendUint(b, e.Position, 10), ' ')
	b = append(strconv.AppendInt(b, e.Time.UnixMicro(), 10), ": "...)
	const shown = 40
	if len(e.Data) > shown {
		return fmt.Appendf(b, "%d bytes %08x", len(e.Data), crc32.ChecksumIEEE(e.Data))
	}
	return append(b, e.Data...)
}

// An answer collects text, one line for each part.
type answer []byte

func (a *answer) event(e store.Event) { *a = append(appendText(*a, e), '\n') }

func (a *answer) line(format string, args ...any) { *a = fmt.Appendf(*a, format+"\n", args...) }

// wait performs a write alone.
func wait(w write, s System) string {
	return store.Await(func(done func(string)) { w.start(s, done) })
}

// appends is one call of Append.
type appends []store.Append

func (o appends) String() string {
	var b strings.Builder
	b.WriteString("append")
	for _, a := range o {
		fmt.Fprintf(&b, "\n  key %q", a.Key)
		for _, g := range a.Groups {
			fmt.Fprintf(&b, "; %q expecting %s: %.100q", g.Stream, number(g.Expected), g.Events)
		}
	}
	return b.String()
}

func (o appends) expect(m *model) string {
	var b answer
	for _, a := range o {
		ids, err := m.appendEvents(a)
		b.line("%v %s", ids, verdict(err))
	}
	return string(b)
}

func (o appends) perform(s System) string { return wait(o, s) }

func (o appends) start(s System, done func(string)) {
	s.Append(slices.Clone(o), func(results []store.Result) {
		var b answer
		for _, r := range results {
			if r.Err != nil {
				r.IDs = nil
			}
			b.line("%v %s", r.IDs, verdict(r.Err))
		}
		done(string(b))
	})
}

type replace store.Replace

func (o replace) String() string {
	return fmt.Sprintf("replace %q %d by %.100q", o.Stream, o.ID, o.Data)
}

func (o replace) expect(m *model) string { return verdict(m.replace(store.Replace(o))) }

func (o replace) perform(s System) string { return wait(o, s) }

func (o replace) start(s System, done func(string)) {
	s.Replace(store.Replace(o), func(err error) { done(verdict(err)) })
}

type remove store.Delete

func (o remove) String() string {
	return fmt.Sprintf("delete %q up to %s expecting %s", o.Stream, number(o.UpTo), number(o.Expected))
}

func (o remove) expect(m *model) string { return verdict(m.deleteEvents(store.Delete(o))) }

func (o remove) perform(s System) string { return wait(o, s) }

func (o remove) start(s System, done func(string)) {
	s.Delete(store.Delete(o), func(err error) { done(verdict(err)) })
}

type move store.Cursor

func (o move) String() string {
	return fmt.Sprintf("cursor %q in %q to %d, rewind %v", o.Consumer, o.Stream, o.ID, o.Rewind)
}

func (o move) expect(m *model) string { return verdict(m.setCursor(store.Cursor(o))) }

func (o move) perform(s System) string { return wait(o, s) }

func (o move) start(s System, done func(string)) {
	s.SetCursor(store.Cursor(o), func(err error) { done(verdict(err)) })
}

// A burst is several writes that are queued before any is awaited, so that they may
// share a commit.
type burst []write

func (o burst) String() string {
	var b strings.Builder
	b.WriteString("burst:")
	for _, w := range o {
		b.WriteString("\n " + w.String())
	}
	return b.String()
}

func (o burst) expect(m *model) string {
	var b answer
	for i, w := range o {
		b.line("%d: %s", i, w.expect(m))
	}
	return string(b)
}

func (o burst) perform(s System) string {
	type end struct {
		i    int
		text string
	}
	ends := make(chan end, len(o))
	for i, w := range o {
		w.start(s, func(text string) { ends <- end{i, text} })
	}
	var b answer
	for range o {
		e := <-ends
		b.line("%d: %s", e.i, e.text)
	}
	return string(b)
}

// A query reads a range.
type query struct {
	store.Range
	patterns Patterns // what Select is made from
	stop     int      // after so many events; 0 reads all
}

func (o query) String() string {
	return fmt.Sprintf("read %q%s after %s upto %s since %s until %s nearest %v backward %v limit %d bytes %d, stop after %d",
		o.Stream, o.patterns, number(o.After), number(o.UpTo), timeText(o.Since), timeText(o.Until), o.Nearest, o.Backward, o.Limit, o.Bytes, o.stop)
}

func number(o store.Optional) string {
	if !o.Given {
		return "-"
	}
	return strconv.FormatUint(o.N, 10)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return strconv.FormatInt(t.UnixMicro(), 10)
}

func (o query) expect(m *model) string {
	var b answer
	err := m.check(o.Range)
	if err == nil {
		events := chosen(m.log, o.Range)
		if o.stop > 0 && len(events) > o.stop {
			events = events[:o.stop]
		}
		for _, e := range events {
			b.event(e)
		}
	}
	b.line("%s", verdict(err))
	return string(b)
}

func (o query) perform(s System) string {
	r := o.Range
	if f, ok := s.(interface {
		Resolve(context.Context, store.Range) (store.Range, error)
	}); ok && o.stop == 1 {
		var err error
		if r, err = f.Resolve(context.Background(), r); err != nil {
			return verdict(err) + "\n"
		}
	}
	var b answer
	n := 0
	for e, err := range readRange(s, r, o.patterns) {
		if err != nil {
			b.line("%s", verdict(err))
			return string(b)
		}
		b.event(e)
		if n++; n == o.stop {
			break
		}
	}
	b.line("ok")
	return string(b)
}

// A tail follows until it has all n events.
type tail struct {
	from uint64
	n    int
}

func (o tail) String() string { return fmt.Sprintf("tail from %d", o.from) }

func (o tail) expect(m *model) string {
	var b answer
	for _, e := range m.log {
		if e.Position > o.from {
			b.event(e)
		}
	}
	return string(b)
}

func (o tail) perform(s System) string {
	var b answer
	if o.n == 0 {
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	n := 0
	for batch, err := range s.Tail(ctx, o.from) {
		if err != nil {
			b.line("%s", verdict(err))
			break
		}
		for _, e := range batch {
			b.event(e)
		}
		if n += len(batch); n >= o.n {
			break
		}
	}
	return string(b)
}

type list struct{ prefix, after []byte }

func (o list) String() string { return fmt.Sprintf("streams %q after %q", o.prefix, o.after) }

func (o list) expect(m *model) string {
	var names []string
	for name, s := range m.streams {
		if s.last > s.deleted && strings.HasPrefix(name, string(o.prefix)) && (len(o.after) == 0 || bytes.Compare([]byte(name), o.after) > 0) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	var b answer
	for _, name := range names {
		b.line("%q %d", name, m.streams[name].last)
	}
	return string(b)
}

func (o list) perform(s System) string {
	var b answer
	for stream, err := range s.Streams(context.Background(), o.prefix, o.after) {
		if err != nil {
			b.line("%s", verdict(err))
			break
		}
		b.line("%q %d", stream.Name, stream.Last)
	}
	return string(b)
}

// A look asks where a cursor is.
type look struct{ consumer, stream []byte }

func (o look) String() string { return fmt.Sprintf("cursor of %q in %q", o.consumer, o.stream) }

func (o look) expect(m *model) string {
	return fmt.Sprint(m.cursors[cursorName{string(o.consumer), string(o.stream)}], " ok")
}

func (o look) perform(s System) string {
	id, err := s.Cursor(context.Background(), o.consumer, o.stream)
	return fmt.Sprint(id, " ", verdict(err))
}
