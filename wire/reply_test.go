package wire

import (
	"encoding/binary"
	"errors"
	"reflect"
	"testing"
	"time"
)

var meta = &Meta{[]byte("s"), 3, 9, time.Date(2026, 1, 2, 3, 4, 5, 60_000, time.UTC)}

// entry has a change of each kind.
var entry = Entry{9, 3, meta.Time, 2, 100, 77, []Change{
	{Kind: EventsAppended, Stream: []byte("s"), Number: 1, First: 1, Last: 2},
	{Kind: EventReplaced, Stream: []byte("s"), Number: 1, First: 1, Last: 2},
	{Kind: EventsDeleted, Stream: []byte("s"), Number: 1, First: 1, Last: 2},
	{Kind: CursorMoved, Stream: []byte{}, Name: []byte("c"), Last: 7},
	{Kind: RequestKeyed, Stream: []byte("s"), Number: 1, Name: []byte("k"), Sum: []byte("sum"), IDs: []uint64{2, 7}},
	{Kind: PositionsLost, Count: 1, Patch: 7},
	{Kind: PositionsOmitted, Count: 2},
}}

func TestReplies(t *testing.T) {
	id9 := id7[:7] + "\x09"
	for _, c := range []struct {
		reply Reply
		want  string
	}{
		{Published{7}, "PUBLISHED|" + id7},
		{Appended{[]uint64{7, 9}}, "APPENDED|" + id7 + "|" + id9},
		{Event{ID: 7, Data: []byte("data")}, "EVENT|" + id7 + "|data"},
		{Event{9, []byte("data"), meta},
			"EVENT|" + id9 + "|data|s|" + id7[:7] + "\x03|" + id9 + "|2026-01-02T03:04:05.000060Z"},
		{Live{}, "LIVE"},
		{StreamReply{[]byte("s"), 7}, "STREAM|s|" + id7},
		{End{}, "END"},
		{Replaced{7}, "REPLACED|" + id7},
		{Deleted{}, "DELETED"},
		{Committed{7}, "COMMITTED|" + id7},
		{CursorReply{0}, "CURSOR|" + id0},
		{Reached{9}, "REACHED|" + id9},
		{StoreReply{"ab", 7, "cd", 9}, "STORE|ab|" + id7 + "|cd|" + id9},
		{Entry{9, 7, meta.Time, 7, 9, 7, []Change{entry.Changes[3]}}, "ENTRY|" + id9 + "|" + id7 + "|2026-01-02T03:04:05.000060Z|" + id7 + "|" + id9 + "|" + id7 + "|" +
			id7[:7] + "\x01|" + packed("commit", "", id0, "c", id7)},
		{Entry{9, 7, meta.Time, 7, 9, 7, entry.Changes[4:5]}, "ENTRY|" + id9 + "|" + id7 + "|2026-01-02T03:04:05.000060Z|" + id7 + "|" + id9 + "|" + id7 + "|" +
			id7[:7] + "\x01|" + packed("key", "s", id7[:7]+"\x01", "k", "sum", id7[:7]+"\x02"+id7)},
		{Pong{frames("a", "", "b")}, "PONG|a||b"},
		{InfoReply{[]Param{{"protocol", "1"}, {"store", "ab"}}}, "INFO|protocol=1|store=ab"},
		{Errorf(UnknownID, "ask for another", "no such id").With(Hex("id", ID(7))), "ERROR UNKNOWN-ID id=0000000000000007 ; no such id; ask for another"},
		{Errorf(Internal, "see the log; then retry", "it broke"), "ERROR INTERNAL ; it broke; see the log; then retry"},
	} {
		sent := c.reply.Frames()
		if text(sent) != c.want {
			t.Errorf("want %q, have %q", c.want, text(sent))
		}
		got, err := ParseReply(sent)
		if err != nil || !reflect.DeepEqual(got, c.reply) {
			t.Errorf("want %#v, have %#v, %v", c.reply, got, err)
		}
		switch c.reply.(type) {
		case Pong, InfoReply:
			continue // all frames are theirs
		}
		newer, err := ParseReply(append(sent, []byte("more")))
		if err != nil || !reflect.DeepEqual(newer, c.reply) {
			t.Errorf("a frame more at the end of %q: %#v, %v", c.want, newer, err)
		}
	}
}

// TestShortEvent: only with all of them are the frames after an event's data its
// meta.
func TestShortEvent(t *testing.T) {
	all := Event{7, []byte("d"), meta}.Frames()
	for n := 3; n < 7; n++ {
		got, err := ParseReply(all[:n])
		if want := (Event{ID: 7, Data: []byte("d")}); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%d frames: %#v, %v", n, got, err)
		}
	}
}

// TestEntryOfAllKinds: it is read as it was written, and no part of it is one.
func TestEntryOfAllKinds(t *testing.T) {
	sent := entry.Frames()
	got, err := ParseReply(sent)
	if err != nil || !reflect.DeepEqual(got, entry) {
		t.Errorf("want %#v, have %#v, %v", entry, got, err)
	}
	for n := range sent {
		if got, err := ParseReply(sent[:n]); !errors.Is(err, ErrReply) {
			t.Errorf("%d frames: %#v, %v", n, got, err)
		}
	}
	changes := &sent[len(sent)-1]
	for whole := *changes; len(*changes) > 0; {
		*changes = whole[:len(*changes)-1]
		if got, err := ParseReply(sent); !errors.Is(err, ErrReply) {
			t.Errorf("%d bytes of changes: %#v, %v", len(*changes), got, err)
		}
	}
}

// packed is a frame of fields.
func packed(fields ...string) string {
	var b []byte
	for _, f := range fields {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(f))), f...)
	}
	return string(b)
}

func TestNoReply(t *testing.T) {
	for name, in := range map[string][]string{
		"nothing":                {},
		"an empty frame":         {""},
		"a request":              {"QUERY", "s", "", ""},
		"a newer word":           {"FROBNICATED", id7},
		"ERROR without text":     {"ERROR"},
		"no id":                  {"PUBLISHED"},
		"an id of 7":             {"PUBLISHED", id7[1:]},
		"no ids":                 {"APPENDED"},
		"ids of 9":               {"APPENDED", id7 + "x"},
		"an event without data":  {"EVENT", id7},
		"an event of 9":          {"EVENT", id7 + "x", "d"},
		"a stream without id":    {"STREAM", "s"},
		"a stream of 1":          {"STREAM", "s", "\x07"},
		"a store without id":     {"STORE"},
		"an entry of a kind":     {"ENTRY", id7, id7, "2026-01-02T03:04:05.000060Z", id7, id7, id7, id7[:7] + "\x01", packed("x", "s", id7, id7, id7)},
		"an entry, odd ids":      {"ENTRY", id7, id7, "2026-01-02T03:04:05.000060Z", id7, id7, id7, id7[:7] + "\x01", packed("key", "s", id7, "k", "sum", "1")},
		"an entry, a field more": {"ENTRY", id7, id7, "2026-01-02T03:04:05.000060Z", id7, id7, id7, id7[:7] + "\x01", packed("omitted", id7, "")},
		"replaced, no id":        {"REPLACED"},
		"committed, no id":       {"COMMITTED", ""},
		"cursor, no id":          {"CURSOR", "c"},
		"reached, no id":         {"REACHED", "c", "s", id7, "1"},
		"meta, its id of 7":      {"EVENT", id7, "d", "s", id7[1:], id7, "2026-01-02T03:04:05.000060Z"},
		"meta, no position":      {"EVENT", id7, "d", "s", id7, "", "2026-01-02T03:04:05.000060Z"},
		"meta, time too precise": {"EVENT", id7, "d", "s", id7, id7, "2026-01-02T03:04:05.000060000Z"},
		"meta, hour of a digit":  {"EVENT", id7, "d", "s", id7, id7, "2026-01-02T3:04:05.000060Z"},
		"meta, time with comma":  {"EVENT", id7, "d", "s", id7, id7, "2026-01-02T03:04:05,000060Z"},
		"meta, time in a zone":   {"EVENT", id7, "d", "s", id7, id7, "2026-01-02T03:04:05.000060+01:00"},
	} {
		if got, err := ParseReply(frames(in...)); !errors.Is(err, ErrReply) {
			t.Errorf("%s: %#v, %v", name, got, err)
		}
	}
}

func TestBroadcast(t *testing.T) {
	b, ok := ParseBroadcast(append(Broadcast{[]byte("s"), 7, []byte("d")}.Frames(), []byte("more")))
	if !ok || string(b.Stream) != "s" || b.ID != 7 || string(b.Data) != "d" {
		t.Errorf("broadcast: %v %v", b, ok)
	}
	for name, in := range map[string][]string{
		"reserved":   {"", id7, "d"},
		"no data":    {"s", id7},
		"an id of 1": {"s", "\x07", "d"},
	} {
		if b, ok := ParseBroadcast(frames(in...)); ok {
			t.Errorf("%s: %v", name, b)
		}
	}
}
