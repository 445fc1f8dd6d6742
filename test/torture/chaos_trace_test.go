package torture

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"gorewind/client"
	"gorewind/wire"
)

// was returns an operation that was acknowledged.
func was(call, end int, r wire.Request) *operation {
	return &operation{request: r, call: time.Duration(call), end: time.Duration(end), outcome: acknowledged}
}

// behind puts it behind another in one envelope.
func (o *operation) behind(other *operation) *operation {
	o.after = other
	return o
}

// lost leaves open what became of an operation.
func (o *operation) lost() *operation {
	o.outcome = unknown
	return o
}

func (o *operation) refuse(code wire.Code, params ...wire.Param) *operation {
	o.outcome, o.refusal = refused, wire.Errorf(code, "", "").With(params...)
	return o
}

func (o *operation) given(ids ...uint64) *operation {
	o.ids = ids
	return o
}

func (o *operation) told(value uint64) *operation {
	o.value = value
	return o
}

// saw gives a QUERY its events, each "stream id token" or "stream id token position".
func (o *operation) saw(events ...string) *operation {
	for _, e := range events {
		o.events = append(o.events, eventOfText(e))
	}
	return o
}

func eventOfText(text string) (e client.Event) {
	var token string
	_, _ = fmt.Sscan(text, &e.Stream, &e.ID, &token, &e.Position) // the last may be missing
	e.Data = []byte(token + ".0")
	if e.Position > 0 {
		e.Time = time.Unix(int64(e.Position), 0)
	}
	return e
}

func publish(stream, token string) wire.Publish {
	return wire.Publish{Stream: []byte(stream), Data: datum(token, 0)}
}

// expecting appends where the last id is expected of the first stream, unless that is negative. Each group
// is a stream and tokens.
func expecting(key string, expected int, groups ...string) wire.Append {
	a := wire.Append{Key: []byte(key)}
	for i, text := range groups {
		words := strings.Fields(text)
		g := wire.Group{Stream: []byte(words[0])}
		if i == 0 && expected >= 0 {
			g.Expected = client.Some(uint64(expected))
		}
		for _, token := range words[1:] {
			g.Events = append(g.Events, datum(token, 0))
		}
		a.Groups = append(a.Groups, g)
	}
	return a
}

func queryOf(stream string) wire.Query { return wire.Query{Stream: []byte(stream)} }

func conflict(stream string, last uint64) []wire.Param {
	return []wire.Param{{Name: "group", Value: "0"}, wire.Hex("stream", []byte(stream)), wire.Hex("last", wire.ID(last))}
}

func TestTrace(t *testing.T) {
	a, b := "kept/a", "kept/b"
	everything := wire.Query{Stream: []byte("kept/"), Match: wire.MatchPrefix}
	newest := wire.Query{Stream: []byte(a), Desc: true, Limit: 1}
	deleteTo := func(id uint64) wire.Delete { return wire.Delete{Stream: []byte("d"), UpTo: client.Some(id)} }
	replace := func(id uint64, token string) wire.Replace {
		return wire.Replace{Stream: []byte("d"), ID: id, Data: datum(token, 0)}
	}
	commit := func(id uint64, rewind bool) wire.Commit {
		return wire.Commit{Consumer: []byte("c"), ID: id, Rewind: rewind}
	}
	cursor := wire.Cursor{Consumer: []byte("c")}
	sent := was(0, 8, publish(a, "x")).given(1)
	late := was(0, 8, publish(a, "x")).given(2)
	for _, c := range []struct {
		name       string
		operations []*operation
		broadcasts []string
		want       string // "" for what may be
	}{
		{"one after the other", []*operation{
			was(0, 1, publish(a, "x")).given(1), was(2, 3, expecting("", 1, a+" y z", b+" w")).given(3, 1),
			was(4, 5, queryOf(a)).saw(a+" 1 x", a+" 2 y", a+" 3 z"), was(6, 7, everything).saw(a+" 1 x 1", a+" 2 y 2", a+" 3 z 3", b+" 1 w 4"),
		}, []string{a + " 1 x", a + " 2 y", b + " 1 w"}, ""},
		{"at the same time", []*operation{
			was(0, 9, publish(a, "x")).given(2), was(0, 9, publish(a, "y")).given(1), was(0, 9, queryOf(a)).saw(a + " 1 y"), was(1, 9, queryOf(a)),
		}, nil, ""},
		{"an unknown outcome that was seen", []*operation{was(0, 1, publish(a, "x")).lost(), was(5, 6, queryOf(a)).saw(a + " 1 x")}, nil, ""},
		{"an unknown outcome that was none", []*operation{was(0, 1, publish(a, "x")).lost(), was(5, 6, queryOf(a))}, nil, ""},
		{"a lost acknowledged event", []*operation{was(0, 1, publish(a, "x")).given(1), was(2, 3, queryOf(a))}, nil, "missing"},
		{"a lost acknowledged event, under another", []*operation{
			was(0, 1, publish(a, "x")).given(1), was(2, 3, publish(a, "y")).given(1), was(4, 5, queryOf(a)).saw(a + " 1 y"),
		}, nil, "names what two wrote"},
		{"an id that nobody was given", []*operation{was(0, 1, publish(a, "x")).given(2)}, nil, "has no id 1"},
		{"a renumbered id", []*operation{
			was(0, 1, publish(a, "x")).given(1), was(0, 1, publish(a, "y")).given(2), was(2, 3, queryOf(a)).saw(a+" 1 y", a+" 2 x"),
		}, nil, "and was"},
		{"one that is there twice", []*operation{was(0, 1, publish(a, "x")).lost(), was(2, 3, queryOf(a)).saw(a+" 1 x", a+" 2 x")}, nil, "and was 1"},
		{"altered data", []*operation{was(0, 1, publish(a, "x")).given(1), was(2, 3, queryOf(a)).saw(a + " 1 z")}, nil, "nobody wrote"},
		{"a refused one that is there", []*operation{was(0, 1, publish(a, "x")).refuse(wire.Stopping), was(2, 3, queryOf(a)).saw(a + " 1 x")}, nil, "was seen"},
		{"one that was seen before it was asked for", []*operation{was(2, 3, publish(a, "x")).given(1), was(0, 1, queryOf(a)).saw(a + " 1 x")}, nil, "was seen"},
		{"ids against the order of requests", []*operation{was(0, 1, publish(a, "x")).given(2), was(2, 3, publish(a, "y")).given(1)}, nil, "not linearizable"},
		{"two with the same expectation", []*operation{
			was(0, 9, expecting("", 0, a+" x")).given(1), was(0, 9, expecting("", 0, a+" y")).given(2),
		}, nil, "begins with 2"},
		{"two with the same expectation and no answer", []*operation{
			was(0, 1, expecting("", 0, a+" x")).lost(), was(0, 1, expecting("", 0, a+" y")).lost(), was(2, 3, queryOf(a)).saw(a+" 1 x", a+" 2 y"),
		}, nil, "begins with 2"},
		{"a conflict that is one", []*operation{
			was(0, 1, publish(a, "x")).given(1), was(2, 5, publish(a, "y")).given(2), was(3, 4, expecting("", 0, a+" z")).refuse(wire.Conflict, conflict(a, 1)...),
		}, nil, ""},
		{"a conflict with what was long ago", []*operation{
			was(0, 1, publish(a, "x")).given(1), was(2, 3, publish(a, "y")).given(2), was(4, 5, expecting("", 0, a+" z")).refuse(wire.Conflict, conflict(a, 1)...),
		}, nil, "not linearizable"},
		{"a conflict with what is to come", []*operation{
			was(4, 5, publish(a, "x")).given(1), was(2, 3, expecting("", 0, a+" z")).refuse(wire.Conflict, conflict(a, 1)...),
		}, nil, "not linearizable"},
		{"a conflict with what was expected", []*operation{
			was(0, 1, publish(a, "x")).given(1), was(2, 3, expecting("", 1, a+" z")).refuse(wire.Conflict, conflict(a, 1)...),
		}, nil, "expected"},
		{"a stale read", []*operation{
			was(0, 1, publish(a, "x")).given(1), was(2, 3, publish(a, "y")).given(2), was(4, 5, queryOf(a)).saw(a + " 1 x"),
		}, nil, "missing"},
		{"a read that sees less than one before", []*operation{
			was(0, 9, publish(a, "x")).lost(), was(1, 2, queryOf(a)).saw(a + " 1 x"), was(3, 4, queryOf(a)),
		}, nil, "missing"},
		{"a last event that was not the last", []*operation{
			was(0, 1, publish(a, "x")).given(1), was(2, 3, publish(a, "y")).given(2), was(4, 5, newest).saw(a + " 1 x"),
		}, nil, "not linearizable"},
		{"a hole", []*operation{
			was(0, 9, publish(a, "x")).given(1), was(0, 9, publish(a, "y")).given(2), was(0, 9, queryOf(a)).saw(a + " 2 y"),
		}, nil, "missing"},
		{"a selection's hole", []*operation{
			was(0, 9, publish(a, "x")).given(1), was(0, 9, publish(b, "y")).given(1), was(0, 9, everything).saw(b + " 1 y 2"),
			was(10, 11, everything).saw(a+" 1 x 1", b+" 1 y 2"),
		}, nil, "missing"},
		{"half an APPEND", []*operation{
			was(0, 1, expecting("", -1, a+" x", b+" y")).lost(), was(2, 3, queryOf(a)).saw(a + " 1 x"), was(2, 3, queryOf(b)),
		}, nil, "half an APPEND"},
		{"half an APPEND, seen once", []*operation{
			was(0, 9, expecting("", -1, a+" x", b+" y")).given(1, 1), was(0, 9, everything).saw(a + " 1 x 1"), was(10, 11, everything).saw(a+" 1 x 1", b+" 1 y 2"),
		}, nil, "missing"},
		{"half a group, seen once", []*operation{
			was(0, 9, expecting("", -1, a+" x y")).given(2), was(0, 9, newest).saw(a + " 1 x"),
		}, nil, "half an APPEND"},
		{"a retry that was stored again", []*operation{
			was(0, 1, expecting("k", -1, a+" x")).given(1), was(2, 3, expecting("k", -1, a+" y")).given(2),
		}, nil, "both were stored"},
		{"positions against ids", []*operation{
			was(0, 9, publish(a, "x")).given(1), was(0, 9, publish(a, "y")).given(2), was(0, 9, everything).saw(a+" 2 y 1", a+" 1 x 2"),
		}, nil, "has position"},
		{"positions against the order of requests", []*operation{
			was(0, 1, publish(a, "x")).given(1), was(2, 3, publish(b, "y")).given(1), was(4, 5, everything).saw(b+" 1 y 1", a+" 1 x 2"),
		}, nil, "not linearizable"},
		{"another position", []*operation{
			was(0, 1, publish(a, "x")).given(1), was(2, 3, everything).saw(a + " 1 x 1"), was(4, 5, everything).saw(a + " 1 x 2"),
		}, nil, "and had 1"},
		{"too few ids", []*operation{was(0, 1, expecting("", -1, a+" x", b+" y")).given(1)}, nil, "2 groups, 1 ids"},
		{"INFO that tells of less", []*operation{
			was(0, 1, publish(a, "x")).given(1), was(2, 3, everything).saw(a + " 1 x 7"), was(4, 5, wire.Info{}).told(6),
		}, nil, "not linearizable"},
		{"STREAMS that tells of less", []*operation{was(0, 1, publish(a, "x")).given(1), was(2, 3, wire.Streams{})}, nil, "not linearizable"},
		{"a read that does not see what was sent before it", []*operation{sent, was(0, 9, queryOf(a)).behind(sent)}, nil, "missing"},
		{"requests that changed places", []*operation{
			late, was(0, 9, publish(a, "y")).given(1).behind(late), was(10, 11, everything).saw(a+" 1 y 1", a+" 2 x 2"),
		}, nil, "was sent before"},
		{"an unknown id that is known", []*operation{
			was(0, 1, publish(a, "x")).given(1), was(2, 3, queryOf(a)).refuse(wire.UnknownID, wire.Hex("id", wire.ID(1))),
		}, nil, "was there"},
		{"a refusal for no reason", []*operation{was(0, 1, publish(a, "x")).refuse(wire.Internal)}, nil, "refused"},

		{"a broadcast of what is not in the log", []*operation{was(0, 1, publish(a, "x")).lost(), was(8, 9, queryOf(a))}, []string{a + " 1 x"}, "missing"},
		{"a broadcast of what nobody wrote", nil, []string{a + " 1 x"}, "nobody wrote"},
		{"broadcasts in another order", []*operation{
			was(0, 1, publish(a, "x")).given(1), was(0, 1, publish(b, "y")).given(1), was(2, 3, everything).saw(a+" 1 x 1", b+" 1 y 2"),
		}, []string{b + " 1 y", a + " 1 x"}, "was broadcast after"},

		{"a delete", []*operation{
			was(0, 1, publish("d", "x")).given(1), was(2, 3, publish("d", "y")).given(2), was(4, 7, deleteTo(1)), was(5, 6, queryOf("d")).saw("d 1 x", "d 2 y"),
			was(8, 9, queryOf("d")).saw("d 2 y"), was(10, 11, deleteTo(2)), was(12, 13, expecting("", 0, "d z")).given(3), was(14, 15, queryOf("d")).saw("d 3 z"),
		}, nil, ""},
		{"a deleted event that is there", []*operation{
			was(0, 1, publish("d", "x")).given(1), was(2, 3, deleteTo(1)), was(4, 5, queryOf("d")).saw("d 1 x"),
		}, nil, "should not be"},
		{"more deleted than was asked for", []*operation{
			was(0, 1, publish("d", "x")).given(1), was(0, 1, publish("d", "y")).given(2), was(2, 3, deleteTo(1)), was(4, 5, queryOf("d")),
		}, nil, "missing"},
		{"ids that begin again after a delete", []*operation{
			was(0, 1, publish("d", "x")).given(1), was(2, 3, deleteTo(1)), was(4, 5, publish("d", "y")).given(1),
		}, nil, "names what two wrote"},
		{"a replacement", []*operation{
			was(0, 1, publish("d", "x")).given(1), was(2, 5, replace(1, "y")), was(3, 4, queryOf("d")).saw("d 1 x"), was(6, 7, queryOf("d")).saw("d 1 y"),
		}, nil, ""},
		{"the old data after a replacement", []*operation{
			was(0, 1, publish("d", "x")).given(1), was(2, 3, replace(1, "y")), was(4, 5, queryOf("d")).saw("d 1 x"),
		}, nil, "had been replaced"},
		{"the old data after the new", []*operation{
			was(0, 1, publish("d", "x")).given(1), was(2, 9, replace(1, "y")), was(3, 4, queryOf("d")).saw("d 1 y"), was(5, 6, queryOf("d")).saw("d 1 x"),
		}, nil, "had been replaced"},
		{"a replacement of what nobody saw", []*operation{
			was(0, 1, publish("d", "x")).lost(), was(2, 3, replace(1, "y")), was(4, 5, publish("d", "z")).given(2), was(6, 7, queryOf("d")).saw("d 1 y", "d 2 z"),
		}, nil, ""},
		{"a replacement of what nobody wrote", []*operation{
			was(2, 3, replace(1, "y")), was(4, 5, publish("d", "z")).given(2), was(6, 7, queryOf("d")).saw("d 1 y", "d 2 z"),
		}, nil, "never gave"},
		{"a replacement elsewhere", []*operation{
			was(0, 1, publish("d", "x")).given(1), was(0, 1, publish("d", "z")).given(2), was(2, 3, replace(1, "y")), was(4, 5, queryOf("d")).saw("d 1 x", "d 2 y"),
		}, nil, "has the data of"},

		{"a cursor", []*operation{
			was(0, 1, commit(3, false)), was(2, 3, commit(7, false)).lost(), was(4, 5, cursor).told(3), was(6, 7, cursor).told(7), was(8, 9, wire.Info{}).told(9),
		}, nil, ""},
		{"a cursor that fell", []*operation{
			was(0, 1, commit(3, false)).lost(), was(2, 3, cursor).told(3), was(4, 5, cursor).told(0), was(8, 9, wire.Info{}).told(9),
		}, nil, "not linearizable"},
		{"a cursor behind what was acknowledged", []*operation{
			was(0, 1, commit(3, false)), was(2, 3, cursor).told(0), was(8, 9, wire.Info{}).told(9),
		}, nil, "no COMMIT"},
		{"a cursor that was rewound", []*operation{
			was(0, 1, commit(3, false)), was(2, 3, commit(1, true)), was(4, 5, cursor).told(1), was(8, 9, wire.Info{}).told(9),
		}, nil, ""},
		{"a cursor that was not rewound", []*operation{
			was(0, 1, commit(3, false)), was(2, 3, commit(1, true)), was(4, 5, cursor).told(3), was(8, 9, wire.Info{}).told(9),
		}, nil, "an old one"},
		{"a WAIT that nobody reached", []*operation{was(0, 1, wire.Wait{Consumer: []byte("c"), ID: 2}).told(2)}, nil, "no COMMIT"},
		{"a WAIT that ended early", []*operation{
			was(0, 1, commit(3, false)), was(2, 3, wire.Wait{Consumer: []byte("c"), ID: 4}).told(3), was(8, 9, wire.Info{}).told(9),
		}, nil, "not reached"},
		{"a WAIT that missed it", []*operation{
			was(0, 1, commit(3, false)), was(2, 3, wire.Wait{Consumer: []byte("c"), ID: 2}).refuse(wire.Timeout), was(8, 9, wire.Info{}).told(9),
		}, nil, "was reached by"},
		{"a COMMIT of what was never given", []*operation{was(0, 1, wire.Commit{Consumer: []byte("c"), Stream: []byte(a), ID: 1})}, nil, "never gave"},
	} {
		h := &trace{kept: "kept/", operations: c.operations}
		for _, text := range c.broadcasts {
			h.broadcasts = append(h.broadcasts, broadcast{eventOfText(text), 5})
		}
		if err := h.check(); c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: want %q, have %v", c.name, c.want, err)
		}
	}
}
