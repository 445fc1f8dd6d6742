package storetest

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"time"

	"gorewind/store"
)

// A generator makes operations that are likely to have an effect: few names, and
// ids and times near existing ones.
type generator struct {
	r     *rand.Rand
	m     *model
	keyed []store.Append // some requests with keys, to be repeated
}

var (
	modelStreams   = []string{"a", "a/", "a/b", "a/b/c", "a/c", "ab", "b", "b/c", "\x00", "\xff", "\xff\xff", "0"}
	modelConsumers = []string{"a", "a/", "ab", "\x00", "x"}
	modelKeys      = []string{"a", "b", "\x00", "ab"}
	modelPrefixes  = []string{"", "", "a", "a/", "b", "\xff", "none"}
	modelGlobs     = []string{"**", "**", "*", "a/*", "a/**", "*/*", "a*", "**c", "b", "\xff**", "none/*"}
)

func (g *generator) one(in int) bool { return g.r.IntN(in) == 0 }

func pick[T any](g *generator, from []T) T { return from[g.r.IntN(len(from))] }

func (g *generator) operation() operation {
	switch k := g.r.IntN(100); {
	case k < 45:
		return g.write()
	case k < 52:
		o := burst{g.write(), g.write()}
		for range g.r.IntN(20) {
			o = append(o, g.write())
		}
		return o
	case k < 90:
		return g.query()
	case k < 93:
		return g.tail()
	case k < 96:
		return list{[]byte(pick(g, modelPrefixes)), []byte(pick(g, append(modelStreams, "", "")))}
	default:
		return look{[]byte(pick(g, modelConsumers)), g.streamOrStore()}
	}
}

func (g *generator) write() write {
	switch k := g.r.IntN(100); {
	case k < 55:
		o := appends{g.makeAppend()}
		if g.one(5) {
			for range g.r.IntN(20) {
				o = append(o, g.makeAppend())
			}
		}
		return o
	case k < 70:
		return replace{g.stream(), g.id(), g.data()}
	case k < 82:
		return g.remove()
	default:
		return g.move()
	}
}

func (g *generator) makeAppend() store.Append {
	if g.one(10) && len(g.keyed) > 0 {
		return pick(g, g.keyed)
	}
	if name := g.stream(); g.one(200) {
		second := store.Group{Stream: name, Expected: store.Some(0), Events: [][]byte{g.data()}}
		return store.Append{Groups: []store.Group{{Stream: name, Events: second.Events}, second}}
	}
	var a store.Append
	seen := map[string]bool{}
	for range 1 + g.r.IntN(1+g.r.IntN(4)) {
		group := store.Group{Stream: g.stream()}
		for range 1 + g.r.IntN(1+g.r.IntN(6)) {
			group.Events = append(group.Events, g.data())
		}
		if !seen[string(group.Stream)] {
			group.Expected = g.expected(group.Stream)
		}
		seen[string(group.Stream)] = true
		a.Groups = append(a.Groups, group)
	}
	if g.one(5) {
		a.Key = []byte(pick(g, modelKeys))
		const kept = 50
		if len(g.keyed) < kept {
			g.keyed = append(g.keyed, a)
		} else {
			g.keyed[g.r.IntN(kept)] = a
		}
	}
	return a
}

// stream returns a stream's name, seldom an invalid one.
func (g *generator) stream() []byte {
	if g.one(200) {
		return nil
	}
	return []byte(pick(g, modelStreams))
}

func (g *generator) streamOrStore() []byte {
	if g.one(4) {
		return nil
	}
	return []byte(pick(g, modelStreams))
}

// data returns an event's data, mostly small.
func (g *generator) data() []byte {
	size := g.r.IntN(20)
	switch k := g.r.IntN(1000); {
	case k < 2:
		size = g.r.IntN(300_000)
	case k < 30:
		size = g.r.IntN(6000)
	case k < 60:
		return nil
	}
	return bytes.Repeat([]byte(fmt.Sprint(g.r.IntN(1e6), ".")), size/4+1)
}

// expected returns an expectation that is often met.
func (g *generator) expected(stream []byte) store.Optional {
	s := g.m.stream(stream)
	switch g.r.IntN(8) {
	case 0:
		return store.Some(0)
	case 1:
		return store.Some(g.idOf(s))
	case 2, 3:
		if s.last == s.deleted {
			return store.Some(0)
		}
		return store.Some(s.last)
	}
	return store.Optional{}
}

// id returns an id of any stream.
func (g *generator) id() uint64 { return g.idOf(g.m.stream([]byte(pick(g, modelStreams)))) }

// idOf returns an id of a stream, mostly of an existing event.
func (g *generator) idOf(s modelStream) uint64 {
	switch g.r.IntN(10) {
	case 0:
		return g.r.Uint64N(s.last + 3)
	case 1:
		return s.last
	case 2:
		return s.deleted + g.r.Uint64N(2)
	}
	return s.deleted + g.r.Uint64N(s.last-s.deleted+1)
}

// remove deletes mostly half of a stream, seldom all of it.
func (g *generator) remove() remove {
	o := remove{Stream: g.stream()}
	o.UpTo = store.Some(g.idOf(g.m.stream(o.Stream)))
	if g.one(10) {
		o.UpTo = store.Optional{}
	}
	if g.one(4) {
		o.Expected = g.expected(o.Stream)
	}
	return o
}

func (g *generator) move() move {
	o := move{Consumer: []byte(pick(g, modelConsumers)), Stream: g.streamOrStore(), Rewind: g.one(3)}
	if g.one(200) {
		o.Consumer = nil
	}
	if o.ID = g.idOf(g.m.stream(o.Stream)); len(o.Stream) == 0 {
		o.ID = g.position()
	}
	if g.one(10) {
		o.ID = 0
	}
	return o
}

// position returns the position of an event, or another. A position not given yet
// is far beyond the end, because a burst may take the next ones.
func (g *generator) position() uint64 {
	switch n := len(g.m.log); {
	case g.one(50):
		return g.m.last + g.r.Uint64N(2)<<32
	case g.one(20):
		return g.r.Uint64N(g.m.last + 1)
	case n > 0 && g.one(2):
		return g.m.log[n-1-g.r.IntN(min(n, 30))].Position
	case n > 0:
		return g.m.log[g.r.IntN(n)].Position
	}
	return 0
}

// time returns a time near an event's, or none.
func (g *generator) time() time.Time {
	if n := len(g.m.log); n > 0 && g.one(8) {
		return g.m.log[g.r.IntN(n)].Time.Add(time.Duration(g.r.IntN(3)-1) * time.Microsecond)
	}
	return time.Time{}
}

func (g *generator) query() query {
	o := query{Range: store.Range{Since: g.time(), Until: g.time(), Nearest: g.one(3), Backward: g.one(2)}}
	if g.one(4) {
		o.Limit = 1 + g.r.IntN(20)
	}
	if g.one(6) {
		o.Bytes = 1 + g.r.IntN(1000)
	}
	if g.one(4) {
		o.stop = 1 + g.r.IntN(2)
	}
	bound := g.position
	if g.one(2) {
		o.Stream = []byte(pick(g, modelStreams))
		bound = func() uint64 { return g.idOf(g.m.stream(o.Stream)) }
	} else {
		o.patterns = g.patterns()
		o.Select = o.patterns.selection()
	}
	if !g.one(4) {
		o.After = store.Some(bound())
	}
	if g.one(3) {
		o.UpTo = store.Some(bound())
		if o.UpTo.N < o.After.N && !g.one(5) {
			o.After, o.UpTo = o.UpTo, o.After
		}
	}
	return o
}

func (g *generator) patterns() (p Patterns) {
	if g.one(2) {
		p.First = pick(g, modelPrefixes)
	} else {
		p.First, p.Glob = pick(g, modelGlobs), true
	}
	const most = 16 // which every System accepts
	for len(p.Also) < most && g.one(3) {
		p.Also = append(p.Also, pick(g, modelGlobs))
	}
	return p
}

func (g *generator) tail() tail {
	o := tail{from: g.position()}
	for _, e := range g.m.log {
		if e.Position > o.from {
			o.n++
		}
	}
	return o
}
