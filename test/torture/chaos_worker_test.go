package torture

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"gorewind/client"
	"gorewind/wire"
)

// A worker is a client that runs random operations, one after the other.
type worker struct {
	*era
	number int
	r      *rand.Rand
	by     requester
	made   int          // how many data
	keyed  []*operation // acknowledged, with a key
}

func (a *worker) run() {
	defer a.by.close()
	for !a.followRun.calm.Load() && !a.t.Failed() {
		a.act()
		<-time.After(time.Duration(a.r.IntN(3000)) * time.Microsecond)
	}
}

// act does something.
func (a *worker) act() {
	self, isItself := a.by.(*itself)
	switch n := a.r.IntN(100); {
	case n < 6:
		a.do(a.by, &operation{request: a.follow()})
	case n < 11:
		a.do(a.by, &operation{request: a.wait()})
	case n < 35:
		a.appendKeyed()
	case n < 45 && isItself:
		a.burst(self)
	default:
		a.do(a.by, &operation{request: a.brief()})
	}
}

// brief returns a request that is answered soon.
func (a *worker) brief() wire.Request {
	switch n := a.r.IntN(90); {
	case n < 20:
		return a.publish()
	case n < 30:
		return a.append()
	case n < 53:
		return a.query()
	case n < 58:
		return a.streams()
	case n < 66:
		return a.replace()
	case n < 69:
		return a.delete()
	case n < 79:
		return a.commit()
	case n < 85:
		return a.cursor()
	case n < 88:
		return wire.Info{}
	}
	return a.ping()
}

// burst asks for several things at once.
func (a *worker) burst(self *itself) {
	self.connect()
	all := make([]*operation, 2+a.r.IntN(10))
	var before *operation
	for i := range all {
		o := &operation{request: a.brief(), after: before}
		a.trace.add(o)
		o.call = a.now()
		self.peer.Request(o.request)
		all[i], before = o, o
	}
	for _, o := range all {
		a.record(o, self.answer(o), false)
	}
}

// one returns one of several.
func (a *worker) one(of ...[]string) string {
	all := slices.Concat(of...)
	return all[a.r.IntN(len(all))]
}

// data returns data that nothing else has.
func (a *worker) data() []byte {
	a.made++
	size := a.r.IntN(40)
	if a.r.IntN(100) == 0 {
		size = a.r.IntN(20_000)
	}
	return datum(fmt.Sprint(a.number, ".", a.made), size)
}

// id returns about the last id of a stream, or with spread one before it, or 0.
func (a *worker) id(stream string, spread uint64) uint64 {
	a.era.mu.Lock()
	defer a.era.mu.Unlock()
	last := a.ids[stream]
	return last - min(last, a.r.Uint64N(spread+1))
}

// at returns about the last position, or with spread one before it.
func (a *worker) at(spread uint64) uint64 {
	a.era.mu.Lock()
	defer a.era.mu.Unlock()
	return a.position - min(a.position, a.r.Uint64N(spread+1))
}

func (a *worker) publish() wire.Request {
	return wire.Publish{Stream: []byte(a.one(a.kept, a.erased)), Data: a.data()}
}

// expected returns what a writer may expect: mostly what is right, if nobody else
// was faster.
func (a *worker) expected(stream string) wire.Bound {
	switch a.r.IntN(8) {
	case 0:
		return client.Some(0)
	case 1:
		return client.Some(a.id(stream, 5))
	case 2, 3, 4:
		return client.Some(a.id(stream, 0))
	}
	return wire.Bound{}
}

func (a *worker) append() wire.Append {
	var r wire.Append
	used := make(map[string]bool)
	for range 1 + a.r.IntN(3) {
		stream := a.one(a.kept, a.erased)
		g := wire.Group{Stream: []byte(stream)}
		if !used[stream] {
			g.Expected = a.expected(stream)
		}
		used[stream] = true
		for range 1 + a.r.IntN(3) {
			g.Events = append(g.Events, a.data())
		}
		r.Groups = append(r.Groups, g)
	}
	return r
}

// appendKeyed appends under a key, several times over if need be: until it is
// answered, and perhaps once more long after.
func (a *worker) appendKeyed() {
	if len(a.keyed) > 0 && a.r.IntN(4) == 0 {
		a.repeat(a.keyed[a.r.IntN(len(a.keyed))])
		return
	}
	r := a.append()
	r.Key = fmt.Append(nil, a.number, ".", a.made)
	if a.r.IntN(30) == 0 && len(a.keyed) > 0 { // another's
		old := a.keyed[a.r.IntN(len(a.keyed))].request.(wire.Append)
		r.Key, r.Groups[0].Stream = old.Key, old.Groups[0].Stream
		r.Groups = r.Groups[:1]
	}
	o := &operation{request: r}
	a.do(a.by, o)
	for tries := 0; o.outcome == unknown && tries < 3; tries++ {
		a.record(o, a.by.ask(o), true)
	}
	if o.outcome == acknowledged {
		a.keyed = append(a.keyed, o)
	}
}

// repeat asks again what was acknowledged, and must get the same answer.
func (a *worker) repeat(o *operation) {
	again := &operation{request: o.request}
	err := a.by.ask(again)
	var told *wire.Error
	switch {
	case err == nil && !slices.Equal(again.ids, o.ids):
		a.t.Errorf("%v is answered again by %d", o, again.ids)
	case err == nil, errors.Is(err, errBroken):
	case errors.As(err, &told) && (told.Code == wire.Stopping || told.Code == wire.TooLarge):
	default:
		a.t.Errorf("%v is answered again by %v", o, err)
	}
}

// selection makes a query one of several streams.
func (a *worker) selection(q *wire.Query) {
	q.Match, q.Stream = wire.MatchPrefix, []byte(a.trace.kept)
	others := fmt.Append(nil, erasedPrefix, a.name, "/*")
	switch a.r.IntN(4) {
	case 0:
		q.Also = [][]byte{others}
	case 1:
		q.Match, q.Stream = wire.MatchGlob, others
		q.Also = [][]byte{fmt.Append(nil, "*/", a.name, "/", a.r.IntN(6))}
	}
}

func (a *worker) query() wire.Request {
	stream := a.one(a.kept, a.erased)
	q := wire.Query{Stream: []byte(stream), Meta: a.r.IntN(2) == 0}
	id := func(spread uint64) uint64 { return a.id(stream, spread) }
	if a.r.IntN(3) == 0 {
		a.selection(&q)
		id = a.at
	}
	switch a.r.IntN(6) {
	case 0, 1:
		if n := id(50); n > 0 {
			q.After = client.Some(n)
		}
	case 2:
		q.Consumer = []byte(a.consumer())
	}
	if a.r.IntN(5) == 0 {
		q.UpTo = client.Some(max(id(50), q.After.ID))
	}
	if q.Match == wire.MatchName && q.After.Given && !q.UpTo.Given && a.r.IntN(5) == 0 {
		q.After.ID += 3 // it may not have been given yet
	}
	q.Nearest = a.r.IntN(3) == 0
	q.Desc = a.r.IntN(3) == 0
	if a.r.IntN(3) == 0 {
		q.Limit = 1 + a.r.Uint64N(10)
	}
	ago := func() time.Time { return time.Now().Add(-time.Duration(a.r.Int64N(3e9))).Truncate(time.Microsecond) }
	if a.r.IntN(6) == 0 {
		q.Since = ago()
	}
	if a.r.IntN(6) == 0 {
		q.Until = ago()
	}
	return q
}

// follow returns a follower that is soon ended.
func (a *worker) follow() wire.Request {
	stream := a.one(a.kept, a.erased)
	q := wire.Query{Stream: []byte(stream), Follow: true, Nearest: true}
	if n := a.id(stream, 10); n > 0 {
		q.After = client.Some(n)
	}
	if a.r.IntN(3) == 0 {
		a.selection(&q)
		q.After = client.Some(a.at(50))
	}
	if a.r.IntN(2) == 0 {
		q.Limit = 1 + a.r.Uint64N(10)
	}
	return q
}

func (a *worker) streams() wire.Request {
	r := wire.Streams{Prefix: []byte(a.trace.kept)}
	if a.r.IntN(3) == 0 {
		r.Prefix = fmt.Append(nil, erasedPrefix, a.name, "/")
	}
	if a.r.IntN(2) == 0 {
		r.After = fmt.Append(nil, r.Prefix, a.r.IntN(5))
	}
	r.Limit = a.r.Uint64N(4)
	return r
}

func (a *worker) replace() wire.Request {
	stream := a.one(a.erased)
	return wire.Replace{Stream: []byte(stream), ID: max(1, a.id(stream, 6)), Data: a.data()}
}

func (a *worker) delete() wire.Request {
	stream := a.one(a.erased)
	d := wire.Delete{Stream: []byte(stream)}
	if a.r.IntN(4) > 0 {
		d.UpTo = client.Some(a.id(stream, 10))
	}
	if a.r.IntN(4) == 0 {
		d.Expected = a.expected(stream)
	}
	return d
}

// consumer returns a name. The last one's cursors go back, too.
func (a *worker) consumer() string {
	return fmt.Sprint(a.name, a.one([]string{" forward", " onward", backward}))
}

const backward = " backward"

// cursorOf returns the name of a cursor, and about where it is.
func (a *worker) cursorOf() (name cursorName, at uint64) {
	name = cursorName{a.consumer(), a.one(a.kept[:2], a.erased[:1], []string{""})}
	a.era.mu.Lock()
	defer a.era.mu.Unlock()
	return name, a.cursors[name]
}

func (a *worker) commit() wire.Request {
	name, at := a.cursorOf()
	last := a.at(0)
	if name.stream != "" {
		last = a.id(name.stream, 0)
	}
	c := wire.Commit{Consumer: []byte(name.consumer), Stream: []byte(name.stream)}
	c.ID = max(1, min(at+a.r.Uint64N(12), last)) // perhaps behind by now
	switch n := a.r.Uint64N(8); {
	case n == 0 && name.stream != "":
		c.ID = last + 1 // perhaps not given yet
	case n == 1:
		c.ID = max(1, at-min(at, 5))
	}
	if strings.HasSuffix(name.consumer, backward) && a.r.IntN(2) == 0 {
		c.Rewind, c.ID = true, a.r.Uint64N(min(c.ID, last)+1)
	}
	return c
}

func (a *worker) cursor() wire.Request {
	name, _ := a.cursorOf()
	return wire.Cursor{Consumer: []byte(name.consumer), Stream: []byte(name.stream)}
}

func (a *worker) wait() wire.Request {
	name, at := a.cursorOf()
	w := wire.Wait{Consumer: []byte(name.consumer), Stream: []byte(name.stream), ID: at + a.r.Uint64N(10)}
	w.Timeout = time.Duration(a.r.IntN(100)) * time.Millisecond
	if a.r.IntN(3) == 0 {
		w.Timeout = wire.MaxWait // it is cancelled
	}
	return w
}

func (a *worker) ping() wire.Request {
	return wire.Ping{Payload: [][]byte{a.data(), nil}}
}
