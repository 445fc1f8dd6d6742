package main

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"gorewind/client"
	"gorewind/wire"
)

// An operation is a request, when it was under way, and what became of it.
type operation struct {
	request   wire.Request
	call, end time.Duration // since the run began
	after     *operation    // nil, or what was sent before it in its envelope without waiting
	fate      fate
	refusal   *wire.Error // also where an earlier try leaves the fate open

	ids     []uint64        // of PUBLISH and APPEND: as they were answered
	events  []client.Event  // of QUERY, with their tokens as data; of an open one those that came
	streams []client.Stream // of STREAMS
	value   uint64          // of CURSOR and WAIT the cursor, of INFO the position

	// The checker's, of a write:
	first []uint64      // by group, the id of its first event; 0 if nobody knows
	seen  time.Duration // when the first read ended that saw what it wrote
}

const forever = time.Duration(math.MaxInt64)

func (o *operation) String() string {
	return fmt.Sprintf("[%.300q from %v to %v, fate %d, %v, ids %d, value %d]", o.request.Frames(), o.call, o.end, o.fate, o.refusal, o.ids, o.value)
}

// by returns when it had surely taken effect.
func (o *operation) by() time.Duration {
	if o.fate == acknowledged {
		return min(o.end, o.seen)
	}
	return o.seen
}

// err returns the ERROR that it was answered, if it was.
func (o *operation) err() error {
	if o.refusal == nil {
		return nil
	}
	return o.refusal
}

// follows reports whether it was sent after another in the same envelope.
func (o *operation) follows(other *operation) bool {
	for before := o.after; before != nil; before = before.after {
		if before == other {
			return true
		}
	}
	return false
}

// groups returns what an operation appends.
func (o *operation) groups() []wire.Group {
	switch r := o.request.(type) {
	case wire.Publish:
		return []wire.Group{{Stream: r.Stream, Events: [][]byte{r.Data}}}
	case wire.Append:
		return r.Groups
	}
	return nil
}

// datum returns the data of an event that is named by a token without a colon.
func datum(token string, size int) []byte {
	return fmt.Appendf(nil, "%s.%d:%s", token, size, strings.Repeat("x", size))
}

// tokenOf returns what names an event's data, all of which it looks at.
func tokenOf(data []byte) (string, error) {
	token, rest, _ := strings.Cut(string(data), ":")
	size, _ := strconv.Atoi(token[strings.LastIndexByte(token, '.')+1:])
	if len(rest) != size || strings.Trim(rest, "x") != "" {
		return "", fmt.Errorf("%.100q is not what anybody wrote", data)
	}
	return token, nil
}

// A broadcast is an event that a subscriber heard of.
type broadcast struct {
	client.Event
	heard time.Duration
}

// A trace is what clients asked and were told, and when. As ids and positions tell
// the order of the writes, one pass over them shows whether that order explains
// every answer: a stream is a register of its last id, and the store of its last
// position.
type trace struct {
	kept       string     // the prefix of the streams that nobody erases from
	mu         sync.Mutex // protects operations while it is recorded
	operations []*operation
	broadcasts []broadcast
}

func (h *trace) add(o *operation) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, o)
}

// An entry is an event that is in the store, or was.
type entry struct {
	*operation // that appended it
	stream     *ledger
	id         uint64
	position   uint64    // 0 if nobody saw it with that
	time       time.Time // zero, too
}

// A ledger is what is known of a stream.
type ledger struct {
	name     string
	events   []*entry // by id, less 1; nil where nobody knows
	deletes  []*operation
	replaced map[uint64]bool // what nobody saw before that may be there
	adrift   int             // events of open operations that nobody saw
	may      reach           // how far deletes may have come, by when they were called
	must     reach           // how far they have surely come, by when they were answered
	items    []item          // of its last id
}

// lacks reports whether an id may have been given though nobody knows to what: it
// was erased before anybody saw it.
func (l *ledger) lacks(id uint64) bool {
	return l.adrift > 0 && (l.replaced[id] || l.may.before(forever) >= id)
}

// at returns the event with an id, nil if none is known.
func (l *ledger) at(id uint64) *entry {
	if id == 0 || id > uint64(len(l.events)) {
		return nil
	}
	return l.events[id-1]
}

// mayBeDeleted reports whether a DELETE that was called before a moment can have
// met the event.
func (e *entry) mayBeDeleted(moment time.Duration) bool { return e.stream.may.before(moment) >= e.id }

// A reach is how far deletes have come, by time, and rises with it.
type reach []deletion

type deletion struct {
	moment time.Duration
	upTo   uint64
}

// sort makes a reach of deletions in any order.
func (r reach) sort() {
	slices.SortFunc(r, func(a, b deletion) int { return cmp.Compare(a.moment, b.moment) })
	for i := 1; i < len(r); i++ {
		r[i].upTo = max(r[i].upTo, r[i-1].upTo)
	}
}

// before returns how far they have come before a moment.
func (r reach) before(moment time.Duration) (upTo uint64) {
	for _, at := range r {
		if at.moment >= moment {
			break
		}
		upTo = at.upTo
	}
	return upTo
}

// An item is a write or a read of a register whose values only rise.
type item struct {
	at        uint64 // twice the value, and one more for a read
	call, end time.Duration
	operation *operation
}

// readOf returns a read that saw exactly this value.
func readOf(value uint64, o *operation) item { return item{2*value + 1, o.call, o.end, o} }

// atLeast returns a read that shows that this value was there.
func atLeast(value uint64, o *operation, end time.Duration) item { return item{2*value + 1, 0, end, o} }

// linear checks that nothing ended before something began that comes before it.
func linear(items []item) error {
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.at, b.at) })
	var before item // of those that come before, the last to begin
	for rest := items; len(rest) > 0; {
		same := 1
		for same < len(rest) && rest[same].at == rest[0].at {
			same++
		}
		next := before
		for _, i := range rest[:same] {
			if i.end < before.call {
				return fmt.Errorf("not linearizable: %v is at %d/2 and had ended before %v began, at %d/2", i.operation, i.at, before.operation, before.at)
			}
			if i.call > next.call {
				next = i
			}
		}
		before, rest = next, rest[same:]
	}
	return nil
}

// A source is where data is from.
type source struct {
	*operation
	group, index int
}

// A datumRead is a read of an event's data.
type datumRead struct {
	*operation
	token string
}

type cursorName struct{ consumer, stream string }

// A checker checks a trace.
type checker struct {
	*trace
	sources map[string]source // by stream, colon, token
	streams map[string]*ledger
	order   []*entry // those with known positions, in that order
	info    []item   // of the store's last position
	stays   []item   // of the last position in streams that nobody erases from
	data    map[*entry][]datumRead
	cursors map[cursorName]*cursorTrace
	keys    map[string][]*operation // by first stream and key, those that were not refused
	errs    []error
}

// check returns what no order of the operations explains.
func (h *trace) check() error {
	c := &checker{
		trace: h, sources: make(map[string]source), streams: make(map[string]*ledger),
		data: make(map[*entry][]datumRead), cursors: make(map[cursorName]*cursorTrace),
		keys: make(map[string][]*operation),
	}
	c.index()
	for _, o := range h.operations {
		for _, e := range o.events {
			c.place(e, o.end)
		}
	}
	for _, b := range h.broadcasts {
		c.place(b.Event, b.heard)
	}
	c.fill()
	c.look()
	c.sort()
	for _, l := range c.streams {
		l.reckonDeletes()
	}
	for _, o := range h.operations {
		c.operation(o)
	}
	c.broadcasted()
	c.registers()
	return errors.Join(c.errs...)
}

// fail takes note of a violation. The first few tell enough.
func (c *checker) fail(format string, args ...any) {
	if len(c.errs) < 20 {
		c.errs = append(c.errs, fmt.Errorf(format, args...))
	}
}

func (c *checker) ledger(stream string) *ledger {
	l := c.streams[stream]
	if l == nil {
		l = &ledger{name: stream, replaced: make(map[uint64]bool)}
		c.streams[stream] = l
	}
	return l
}

// index finds where all data is from, and what the acknowledged ids name.
func (c *checker) index() {
	for _, o := range c.operations {
		o.seen = forever
		groups := o.groups()
		o.first = make([]uint64, len(groups))
		answered := o.fate == acknowledged && len(o.ids) == len(groups)
		if o.fate == acknowledged && !answered {
			c.fail("%d groups, %d ids: %v", len(groups), len(o.ids), o)
		}
		for g, group := range groups {
			for i, data := range group.Events {
				c.source(group.Stream, data, source{o, g, i})
			}
			if answered {
				o.first[g] = o.ids[g] + 1 - uint64(len(group.Events))
			}
		}
		switch r := o.request.(type) {
		case wire.Append:
			if len(r.Key) > 0 && o.fate != refused {
				c.keys[keyName(r)] = append(c.keys[keyName(r)], o)
			}
		case wire.Replace:
			c.source(r.Stream, r.Data, source{operation: o})
			if o.fate != refused {
				c.ledger(string(r.Stream)).replaced[r.ID] = true
			}
		case wire.Delete:
			if o.fate != refused {
				l := c.ledger(string(r.Stream))
				l.deletes = append(l.deletes, o)
			}
		}
	}
}

func keyName(a wire.Append) string { return fmt.Sprintf("%s:%s", a.Groups[0].Stream, a.Key) }

func (c *checker) source(stream, data []byte, from source) {
	token, err := tokenOf(data)
	if err != nil {
		panic(err) // it was made so
	}
	c.sources[string(stream)+":"+token] = from
}

// place finds the id of what was seen: a repetition or another id is a violation,
// and so is what was refused or not yet asked for.
func (c *checker) place(e client.Event, end time.Duration) {
	from, ok := c.sources[e.Stream+":"+string(e.Data)]
	if !ok {
		c.fail("nobody wrote %q, %d of %q", e.Data, e.ID, e.Stream)
		return
	}
	if from.fate == refused || from.call > end {
		c.fail("%d of %q was seen by %v and is of %v", e.ID, e.Stream, end, from.operation)
	}
	from.seen = min(from.seen, end)
	if r, ok := from.request.(wire.Replace); ok {
		if r.ID != e.ID {
			c.fail("%d of %q has the data of %v", e.ID, e.Stream, from.operation)
		}
		return
	}
	first := e.ID - uint64(from.index)
	if was := from.first[from.group]; was != 0 && was != first {
		c.fail("%q is %d of %q, and was %d", e.Data, e.ID, e.Stream, was+uint64(from.index))
	}
	from.first[from.group] = first
}

// fill fills the ledgers with what is placed.
func (c *checker) fill() {
	for _, o := range c.operations {
		groups := o.groups()
		for g, group := range groups {
			if o.fate == open && o.first[g] == 0 {
				c.ledger(string(group.Stream)).adrift += len(group.Events)
			}
		}
		if !slices.ContainsFunc(o.first, func(id uint64) bool { return id > 0 }) {
			continue
		}
		next := make(map[string]uint64)
		for g, group := range groups {
			l := c.ledger(string(group.Stream))
			if o.first[g] == 0 {
				if len(l.deletes)+len(l.replaced) == 0 {
					c.fail("half an APPEND: nothing of group %d of %v is there", g, o)
				}
				continue
			}
			if want := next[l.name]; want != 0 && want != o.first[g] {
				c.fail("group %d does not follow the one before in %v", g, o)
			}
			for i := range group.Events {
				c.enter(l, o, o.first[g]+uint64(i))
			}
			next[l.name] = o.first[g] + uint64(len(group.Events))
		}
		for name, id := range next {
			l := c.streams[name]
			l.items = append(l.items, item{2 * (id - 1), o.call, 0, o}) // its end is set once all is seen
		}
	}
}

func (c *checker) enter(l *ledger, o *operation, id uint64) {
	if id == 0 || id > 1<<20 {
		c.fail("id %d of %q in %v", id, l.name, o)
		return
	}
	for uint64(len(l.events)) < id {
		l.events = append(l.events, nil)
	}
	if was := l.events[id-1]; was != nil {
		c.fail("%d of %q names what two wrote: %v, %v", id, l.name, was.operation, o)
	}
	l.events[id-1] = &entry{operation: o, stream: l, id: id}
}

// look takes note of what each read tells of the events that it saw.
func (c *checker) look() {
	for _, o := range c.operations {
		for _, e := range o.events {
			if s := c.sighted(e, o.end); s != nil {
				c.data[s] = append(c.data[s], datumRead{o, string(e.Data)})
			}
		}
	}
	for _, b := range c.broadcasts {
		c.sighted(b.Event, b.heard)
	}
	for _, l := range c.streams {
		for i := range l.items {
			l.items[i].end = l.items[i].operation.by()
		}
	}
}

func (c *checker) sighted(e client.Event, end time.Duration) *entry {
	s := c.ledger(e.Stream).at(e.ID)
	if s == nil {
		return nil
	}
	s.seen = min(s.seen, end)
	if e.Position == 0 {
		return s
	}
	if s.position != 0 && (s.position != e.Position || !s.time.Equal(e.Time)) {
		c.fail("%d of %q has position %d, %v, and had %d, %v", e.ID, e.Stream, e.Position, e.Time, s.position, s.time)
	}
	if s.position == 0 {
		s.position, s.time = e.Position, e.Time
		c.order = append(c.order, s)
	}
	return s
}

// sort checks that positions rise with ids and frames, and times with positions.
func (c *checker) sort() {
	slices.SortFunc(c.order, func(a, b *entry) int { return cmp.Compare(a.position, b.position) })
	last := make(map[*ledger]*entry)
	for i, e := range c.order {
		if before := last[e.stream]; before != nil && before.id >= e.id {
			c.fail("%d of %q has position %d, and %d has %d", e.id, e.stream.name, e.position, before.id, before.position)
		}
		last[e.stream] = e
		if i > 0 && (e.position == c.order[i-1].position || e.time.Before(c.order[i-1].time)) {
			c.fail("position %d, %v, comes after %d, %v", e.position, e.time, c.order[i-1].position, c.order[i-1].time)
		}
		c.info = append(c.info, item{2 * e.position, e.call, e.by(), e.operation})
		if strings.HasPrefix(e.stream.name, c.kept) {
			c.stays = append(c.stays, item{2 * e.position, e.call, e.by(), e.operation})
		}
	}
}

// inTurn checks that what was sent in one envelope was done in that order.
func (c *checker) inTurn(o *operation) {
	position := c.position(o)
	for before := o.after; before != nil && position > 0; before = before.after {
		if c.position(before) > position {
			c.fail("%v was sent before %v", before, o)
		}
	}
}

// position returns that of the first event that an operation appended, 0 if that
// is not known.
func (c *checker) position(o *operation) uint64 {
	if len(o.first) == 0 {
		return 0
	}
	e := c.ledger(string(o.groups()[0].Stream)).at(o.first[0])
	if e == nil || e.operation != o {
		return 0
	}
	return e.position
}

// reckonDeletes finds what deletes may have met and what they surely have.
func (l *ledger) reckonDeletes() {
	for _, o := range l.deletes {
		upTo := o.request.(wire.Delete).UpTo
		least, most := upTo.ID, upTo.ID
		if !upTo.Given {
			most = uint64(len(l.events)) + 1<<20
			for _, e := range l.events {
				if e != nil && e.by() < o.call {
					least = e.id
				}
				if e != nil && o.fate == acknowledged && e.call > o.end {
					most = e.id - 1
					break
				}
			}
		}
		l.may = append(l.may, deletion{o.call, most})
		if o.fate == acknowledged {
			l.must = append(l.must, deletion{o.end, least})
		}
	}
	l.may.sort()
	l.must.sort()
}

// refusals are the codes with which a command may be refused. STOPPING may be
// for each.
var refusals = map[string][]wire.Code{
	wire.PUBLISH: {wire.TooLarge},
	wire.APPEND:  {wire.TooLarge, wire.Conflict, wire.KeyReused},
	wire.QUERY:   {wire.UnknownID},
	wire.REPLACE: {wire.TooLarge, wire.UnknownID},
	wire.DELETE:  {wire.Conflict, wire.UnknownID},
	wire.COMMIT:  {wire.UnknownID, wire.Behind},
	wire.WAIT:    {wire.Timeout, wire.Cancelled},
}

// operation checks one operation beside all others.
func (c *checker) operation(o *operation) {
	allowed := refusals[string(o.request.Frames()[0])]
	if o.fate == refused && o.refusal.Code != wire.Stopping && !slices.Contains(allowed, o.refusal.Code) {
		c.fail("refused: %v", o)
	}
	c.inTurn(o)
	switch r := o.request.(type) {
	case wire.Append:
		c.keyed(o, r)
		c.expectations(o, r)
		c.conflict(o, func(group int) wire.Group { return r.Groups[group] })
	case wire.Query:
		c.query(o, r)
		c.unknown(o, string(r.Stream), false)
	case wire.Streams:
		c.listed(o, r)
	case wire.Replace:
		c.replaced(o, r)
		c.unknown(o, string(r.Stream), false)
	case wire.Delete:
		c.conflict(o, func(int) wire.Group { return wire.Group{Stream: r.Stream, Expected: r.Expected} })
		c.unknown(o, string(r.Stream), true)
		if o.fate == acknowledged && r.UpTo.ID > 0 {
			c.had(r.Stream, r.UpTo.ID, o)
		}
	case wire.Commit:
		c.commit(o, r)
		c.unknown(o, string(r.Stream), true)
	case wire.Cursor:
		if o.fate == acknowledged {
			c.cursor(r.Consumer, r.Stream).read(o, o.value)
		}
	case wire.Wait:
		c.wait(o, r)
	case wire.Info:
		if o.fate == acknowledged {
			c.info = append(c.info, readOf(o.value, o))
		}
	}
}

// keyed checks that of the requests under a key one was stored.
func (c *checker) keyed(o *operation, a wire.Append) {
	others := slices.DeleteFunc(slices.Clone(c.keys[keyName(a)]), func(other *operation) bool {
		return other == o || other.call > o.end
	})
	switch {
	case o.fate == refused && o.refusal.Code == wire.KeyReused:
		if len(others) == 0 {
			c.fail("nobody used the key: %v", o)
		}
	case len(a.Key) > 0 && o.first[0] > 0:
		for _, other := range others {
			if other.first[0] > 0 {
				c.fail("both were stored: %v, %v", o, other)
			}
		}
	}
}

// expectations checks that what was appended met what it expected.
func (c *checker) expectations(o *operation, a wire.Append) {
	for g, group := range a.Groups {
		first := o.first[g]
		if !group.Expected.Given || first == 0 {
			continue
		}
		l, expected := c.ledger(string(group.Stream)), group.Expected.ID
		if expected > 0 && (first != expected+1 || l.must.before(o.call) >= expected) {
			c.fail("group %d begins with %d, and %d were deleted, in %v", g, first, l.must.before(o.call), o)
		}
		if expected == 0 && l.may.before(o.end) < first-1 {
			c.fail("group %d begins with %d, and at most %d were deleted, in %v", g, first, l.may.before(o.end), o)
		}
	}
}

// conflict checks that the last id that a CONFLICT tells was that, and was not
// expected.
func (c *checker) conflict(o *operation, group func(int) wire.Group) {
	told, ok := client.AsConflict(o.err())
	if !ok {
		return
	}
	g := group(told.Group)
	l := c.ledger(string(g.Stream))
	if told.Stream != l.name || !g.Expected.Given || g.Expected.ID == told.Last {
		c.fail("expected %v: %v", g.Expected, o)
	}
	c.lastRead(l, told.Last, o)
}

// lastRead takes note that a stream's last id was read, 0 if it held none.
func (c *checker) lastRead(l *ledger, last uint64, o *operation) {
	if last == 0 && len(l.deletes) > 0 {
		for _, e := range l.events {
			if e != nil && e.by() < o.call && !e.mayBeDeleted(o.end) {
				c.fail("%d of %q was there: %v", e.id, l.name, o)
			}
		}
		return
	}
	c.given(l, last, o)
	l.items = append(l.items, readOf(last, o))
	if e, next := l.at(last), l.at(last+1); e != nil && next != nil && e.operation == next.operation {
		c.fail("half an APPEND, %v, was seen by %v", e.operation, o)
	}
}

// given checks that an id of which an operation tells was given.
func (c *checker) given(l *ledger, id uint64, o *operation) {
	if id > 0 && l.at(id) == nil && !l.lacks(id) {
		c.fail("%q never gave %d: %v", l.name, id, o)
	}
}

// had takes note that a stream had given an id.
func (c *checker) had(stream []byte, id uint64, o *operation) {
	l := c.ledger(string(stream))
	c.given(l, id, o)
	l.items = append(l.items, atLeast(id, o, o.end))
}

// unknown checks that an id that is told to be unknown was not surely there, or
// with ever had not surely been there once.
func (c *checker) unknown(o *operation, stream string, ever bool) {
	if o.fate != refused || o.refusal.Code != wire.UnknownID {
		return
	}
	var id uint64
	for _, p := range o.refusal.Params {
		if p.Name == "id" {
			id, _ = strconv.ParseUint(p.Value, 16, 64)
		}
	}
	q, isQuery := o.request.(wire.Query)
	if id == 0 || stream == "" || isQuery && q.Match != wire.MatchName {
		c.fail("an id that is known: %v", o)
		return
	}
	if e := c.ledger(stream).at(id); e != nil && e.by() < o.call && (ever || !e.mayBeDeleted(o.end)) {
		c.fail("%d of %q was there: %v", id, stream, o)
	}
}

// listed checks an answer to STREAMS.
func (c *checker) listed(o *operation, r wire.Streams) {
	last := make(map[string]uint64)
	name := string(r.After)
	for _, s := range o.streams {
		if s.Name <= name || !strings.HasPrefix(s.Name, string(r.Prefix)) || s.Last == 0 {
			c.fail("%q comes after %q in %v", s.Name, name, o)
		}
		name = s.Name
		last[name] = s.Last
		c.ledger(name)
	}
	full := r.Limit > 0 && uint64(len(o.streams)) >= r.Limit
	if full && uint64(len(o.streams)) > r.Limit {
		c.fail("%d streams: %v", len(o.streams), o)
	}
	for stream, l := range c.streams {
		in := strings.HasPrefix(stream, string(r.Prefix)) && stream > string(r.After) && (!full && o.fate == acknowledged || stream <= name)
		if last[stream] > 0 || in && o.fate == acknowledged {
			c.lastRead(l, last[stream], o)
		}
	}
}

// replaced checks that an event was there for a REPLACE.
func (c *checker) replaced(o *operation, r wire.Replace) {
	if o.fate != acknowledged {
		return
	}
	c.had(r.Stream, r.ID, o)
	if c.ledger(string(r.Stream)).must.before(o.call) >= r.ID {
		c.fail("it was deleted: %v", o)
	}
}

// A queried is an answer to a QUERY beside what it could have.
type queried struct {
	wire.Query
	o         *operation
	from      []*entry // what it selects from, in order
	seen      map[*entry]bool
	low, high uint64 // numbers of events that it saw
	last      *entry
	cut       bool // it may end before its range does
}

// number returns what a query's bounds are compared with.
func (q *queried) number(e *entry) uint64 {
	if q.Match == wire.MatchName {
		return e.id
	}
	return e.position
}

func (c *checker) query(o *operation, r wire.Query) {
	q := &queried{Query: r, o: o, from: c.selected(r), seen: make(map[*entry]bool)}
	q.cut = o.fate != acknowledged || r.Follow || r.Limit > 0 && uint64(len(o.events)) >= r.Limit
	if r.Limit > 0 && uint64(len(o.events)) > r.Limit {
		c.fail("%d events: %v", len(o.events), o)
	}
	for i, e := range o.events {
		n := e.Position
		if r.Match == wire.MatchName {
			n = e.ID
		}
		if i > 0 && (r.Desc && n >= q.low || !r.Desc && n <= q.high) {
			c.fail("%d comes after %d to %d in %v", n, q.low, q.high, o)
		}
		if i == 0 {
			q.low, q.high = n, n
		}
		q.low, q.high = min(n, q.low), max(n, q.high)
		if s := c.ledger(e.Stream).at(e.ID); s != nil {
			q.seen[s] = true
			if n == q.high {
				q.last = s
			}
		}
	}
	for _, e := range q.from {
		c.met(q, e)
	}
	c.newest(q)
}

// selected returns the events of the streams that a query is of, in order.
func (c *checker) selected(r wire.Query) (from []*entry) {
	if r.Match == wire.MatchName {
		for _, e := range c.ledger(string(r.Stream)).events {
			if e != nil {
				from = append(from, e)
			}
		}
		return from
	}
	o := client.QueryOptions{Match: r.Match}
	for _, glob := range r.Also {
		o.Also = append(o.Also, string(glob))
	}
	matches := make(map[*ledger]bool)
	selection := selectionOf(string(r.Stream), o)
	for _, l := range c.streams {
		matches[l] = selection.Matches([]byte(l.name))
	}
	return slices.DeleteFunc(slices.Clone(c.order), func(e *entry) bool { return !matches[e.stream] })
}

// met checks that a query has an event or has it not, as it should.
func (c *checker) met(q *queried, e *entry) {
	n := q.number(e)
	timed := !q.Since.IsZero() || !q.Until.IsZero()
	unclear := timed && e.position == 0
	wanted := n > q.After.ID && (!q.UpTo.Given || n <= q.UpTo.ID) && (unclear ||
		(q.Since.IsZero() || !e.time.Before(q.Since)) && (q.Until.IsZero() || e.time.Before(q.Until)))
	if q.seen[e] {
		if !wanted || e.stream.must.before(q.o.call) >= e.id {
			c.fail("%d of %q, %v, should not be in %v", e.id, e.stream.name, e.time, q.o)
		}
		return
	}
	switch {
	case !wanted, unclear, e.mayBeDeleted(q.o.end):
	case q.cut && (len(q.o.events) == 0 || q.Desc && n < q.low || !q.Desc && n > q.high):
	case q.Consumer != nil && (len(q.o.events) == 0 || n < q.low):
	case e.by() < q.o.call, q.o.follows(e.operation), n < q.high, q.last != nil && q.last.operation == e.operation:
		c.fail("%d of %q, position %d, there since %v at the latest, is missing in the %d events, %d to %d, of %v",
			e.id, e.stream.name, e.position, e.by(), len(q.o.events), q.low, q.high, q.o)
	}
}

// newest takes note of what a query tells of the last event, and of its cursor.
func (c *checker) newest(q *queried) {
	if q.UpTo.Given || !q.Until.IsZero() {
		return
	}
	exact := !q.cut || q.Desc
	some := len(q.o.events) > 0
	if q.Match != wire.MatchName {
		if exact && some && string(q.Stream) == c.kept && len(q.Also) == 0 {
			c.stays = append(c.stays, readOf(q.high, q.o))
		}
		return
	}
	l := c.ledger(string(q.Stream))
	switch {
	case some && q.Consumer != nil && !q.Desc && q.Since.IsZero() && len(l.deletes) == 0:
		c.cursor(q.Consumer, q.Stream).read(q.o, q.low-1)
	case some || q.cut || q.Consumer != nil || !q.Since.IsZero() || q.Nearest || len(l.deletes) > 0 && q.After.ID > 0:
	default:
		c.lastRead(l, q.After.ID, q.o)
	}
	if some && exact {
		if l.may.before(q.o.end) <= q.high {
			c.lastRead(l, q.high, q.o)
		}
	}
}

// A cursorTrace is what is known of a cursor.
type cursorTrace struct {
	commits  []*operation // that were not refused
	reads    []cursorRead
	timeouts []*operation
}

type cursorRead struct {
	*operation
	value uint64
}

func (c *checker) cursor(consumer, stream []byte) *cursorTrace {
	name := cursorName{string(consumer), string(stream)}
	t := c.cursors[name]
	if t == nil {
		t = new(cursorTrace)
		c.cursors[name] = t
	}
	return t
}

func (t *cursorTrace) read(o *operation, value uint64) {
	t.reads = append(t.reads, cursorRead{o, value})
}

func (c *checker) commit(o *operation, r wire.Commit) {
	t := c.cursor(r.Consumer, r.Stream)
	if cursor, ok := client.AsBehind(o.err()); ok {
		if cursor <= r.ID || r.Rewind {
			c.fail("not behind: %v", o)
		}
		t.read(o, cursor)
	}
	if o.fate != refused {
		t.commits = append(t.commits, o)
	}
	if o.fate != acknowledged || r.ID == 0 {
		return
	}
	if len(r.Stream) == 0 {
		c.info = append(c.info, atLeast(r.ID, o, o.end))
		return
	}
	c.had(r.Stream, r.ID, o)
}

func (c *checker) wait(o *operation, r wire.Wait) {
	t := c.cursor(r.Consumer, r.Stream)
	if o.fate == acknowledged {
		if o.value < r.ID {
			c.fail("not reached: %v", o)
		}
		t.read(o, o.value)
	}
	if o.fate == refused && o.refusal.Code == wire.Timeout {
		t.timeouts = append(t.timeouts, o)
	}
}

// check checks that a cursor went as far as was committed, and back only by
// rewind: for a cursor that never goes back, that is the same as for a stream.
func (t *cursorTrace) check() error {
	var items []item
	writes := make(map[uint64]*item)
	forward := true
	for _, o := range t.commits {
		r := o.request.(wire.Commit)
		forward = forward && !r.Rewind
		w := writes[r.ID]
		if w == nil {
			w = &item{2 * r.ID, o.call, forever, o}
			writes[r.ID] = w
		}
		w.call = min(w.call, o.call)
		if o.fate == acknowledged {
			w.end = min(w.end, o.end)
			items = append(items, readOf(r.ID, o))
		}
	}
	for _, r := range t.reads {
		if err := t.explain(r); err != nil {
			return err
		}
		if w := writes[r.value]; w != nil {
			w.end = min(w.end, r.end)
		}
		items = append(items, readOf(r.value, r.operation))
	}
	if !forward {
		return nil
	}
	for _, o := range t.timeouts {
		for _, w := range t.commits {
			if w.fate == acknowledged && w.end < o.call && w.request.(wire.Commit).ID >= o.request.(wire.Wait).ID {
				return fmt.Errorf("%v was reached by %v", o, w)
			}
		}
	}
	for _, w := range writes {
		if w.end < forever {
			items = append(items, *w)
		}
	}
	return linear(items)
}

// explain finds a COMMIT whose value a read can have seen.
func (t *cursorTrace) explain(r cursorRead) error {
	fresh := func(since time.Duration) bool { // nothing else was surely committed after that and before the read
		return !slices.ContainsFunc(t.commits, func(o *operation) bool {
			return o.fate == acknowledged && o.call > since && o.end < r.call
		})
	}
	if r.value == 0 && fresh(-1) {
		return nil
	}
	for _, o := range t.commits {
		end := o.end
		if o.fate == open {
			end = forever
		}
		if o.request.(wire.Commit).ID == r.value && o.call < r.end && fresh(end) {
			return nil
		}
	}
	return fmt.Errorf("no COMMIT, or an old one, of the cursor %d that was seen by %v", r.value, r.operation)
}

// broadcasted checks that subscribers heard of events in the order of commits. What
// was replaced before it was sent is sent as it is then.
func (c *checker) broadcasted() {
	position := uint64(0)
	for _, b := range c.broadcasts {
		s := c.ledger(b.Stream).at(b.ID)
		if s == nil || s.position == 0 {
			continue // it was deleted before anybody saw more of it
		}
		if s.position <= position {
			c.fail("%d of %q, position %d, was broadcast after position %d", b.ID, b.Stream, s.position, position)
		}
		position = s.position
	}
}

// registers checks all that is a register.
func (c *checker) registers() {
	for _, l := range c.streams {
		lacking := 0
		for i, e := range l.events {
			if e != nil {
				continue
			}
			if lacking++; lacking > l.adrift || !l.lacks(uint64(i+1)) {
				c.fail("%q has no id %d", l.name, i+1)
			}
		}
		if err := linear(l.items); err != nil {
			c.fail("last id of %q: %w", l.name, err)
		}
	}
	for name, items := range map[string][]item{"position": c.info, "position of what is kept": c.stays} {
		if err := linear(items); err != nil {
			c.fail("%s: %w", name, err)
		}
	}
	for name, t := range c.cursors {
		if err := t.check(); err != nil {
			c.fail("cursor %q: %w", name, err)
		}
	}
	c.replacements()
}

// replacements checks that a read saw the data that was put there last.
func (c *checker) replacements() {
	puts := make(map[*entry][]*operation)
	for _, o := range c.operations {
		if r, ok := o.request.(wire.Replace); ok && o.fate != refused {
			if s := c.ledger(string(r.Stream)).at(r.ID); s != nil {
				puts[s] = append(puts[s], o)
			}
		}
	}
	for s, all := range puts {
		for _, r := range c.data[s] {
			from := c.sources[s.stream.name+":"+r.token]
			since := time.Duration(-1) // what was there first
			if _, ok := from.request.(wire.Replace); ok {
				since = from.by()
			}
			for _, o := range all {
				if o != from.operation && o.call > since && o.by() < r.call {
					c.fail("%d of %q had been replaced by %v before %v", s.id, s.stream.name, o, r.operation)
				}
			}
		}
	}
}

// The histories by hand have one stream for each letter; what is of kept/ stays.

// was returns an operation that was acknowledged.
func was(call, end int, r wire.Request) *operation {
	return &operation{request: r, call: time.Duration(call), end: time.Duration(end), fate: acknowledged}
}

// behind puts it behind another in one envelope.
func (o *operation) behind(other *operation) *operation {
	o.after = other
	return o
}

// lost leaves open what became of an operation.
func (o *operation) lost() *operation {
	o.fate = open
	return o
}

func (o *operation) refuse(code wire.Code, params ...wire.Param) *operation {
	o.fate, o.refusal = refused, wire.Errorf(code, "", "").With(params...)
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
