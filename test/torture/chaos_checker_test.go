package torture

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorewind/client"
	"gorewind/wire"
)

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
		answered := o.outcome == acknowledged && len(o.ids) == len(groups)
		if o.outcome == acknowledged && !answered {
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
			if len(r.Key) > 0 && o.outcome != refused {
				c.keys[keyName(r)] = append(c.keys[keyName(r)], o)
			}
		case wire.Replace:
			c.source(r.Stream, r.Data, source{operation: o})
			if o.outcome != refused {
				c.ledger(string(r.Stream)).replaced[r.ID] = true
			}
		case wire.Delete:
			if o.outcome != refused {
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
	if from.outcome == refused || from.call > end {
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
			if o.outcome == unknown && o.first[g] == 0 {
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
				if e != nil && o.outcome == acknowledged && e.call > o.end {
					most = e.id - 1
					break
				}
			}
		}
		l.may = append(l.may, deletion{o.call, most})
		if o.outcome == acknowledged {
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
	if o.outcome == refused && o.refusal.Code != wire.Stopping && !slices.Contains(allowed, o.refusal.Code) {
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
		if o.outcome == acknowledged && r.UpTo.ID > 0 {
			c.had(r.Stream, r.UpTo.ID, o)
		}
	case wire.Commit:
		c.commit(o, r)
		c.unknown(o, string(r.Stream), true)
	case wire.Cursor:
		if o.outcome == acknowledged {
			c.cursor(r.Consumer, r.Stream).read(o, o.value)
		}
	case wire.Wait:
		c.wait(o, r)
	case wire.Info:
		if o.outcome == acknowledged {
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
	case o.outcome == refused && o.refusal.Code == wire.KeyReused:
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
	if o.outcome != refused || o.refusal.Code != wire.UnknownID {
		return
	}
	var id uint64
	for _, p := range o.refusal.Params {
		if p.Name == "id" {
			id, _ = strconv.ParseUint(p.Value, 16, 64)
		}
	}
	if _, isCommit := o.request.(wire.Commit); isCommit && stream == "" && id > 0 {
		// TestChaos met one in an empty store, and took position 1 for a known id.
		if i := slices.IndexFunc(c.order, func(e *entry) bool { return e.position >= id && e.by() < o.call }); i >= 0 {
			c.fail("position %d was there: %v", c.order[i].position, o)
		}
		return
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
		in := strings.HasPrefix(stream, string(r.Prefix)) && stream > string(r.After) && (!full && o.outcome == acknowledged || stream <= name)
		if last[stream] > 0 || in && o.outcome == acknowledged {
			c.lastRead(l, last[stream], o)
		}
	}
}

// replaced checks that an event was there for a REPLACE.
func (c *checker) replaced(o *operation, r wire.Replace) {
	if o.outcome != acknowledged {
		return
	}
	c.had(r.Stream, r.ID, o)
	if c.ledger(string(r.Stream)).must.before(o.call) >= r.ID {
		c.fail("it was deleted: %v", o)
	}
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
		if r, ok := o.request.(wire.Replace); ok && o.outcome != refused {
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
