package torture

import (
	"slices"

	"gorewind/client"
	"gorewind/wire"
)

// A queryAnswer is the answer to a QUERY, and what it may contain.
type queryAnswer struct {
	wire.Query
	o         *operation
	from      []*entry // what it selects from, in order
	seen      map[*entry]bool
	low, high uint64 // numbers of events that it saw
	last      *entry
	cut       bool // it may end before its range does
}

// number returns what a query's bounds are compared with.
func (q *queryAnswer) number(e *entry) uint64 {
	if q.Match == wire.MatchName {
		return e.id
	}
	return e.position
}

func (c *checker) query(o *operation, r wire.Query) {
	q := &queryAnswer{Query: r, o: o, from: c.selected(r), seen: make(map[*entry]bool)}
	q.cut = o.outcome != acknowledged || r.Follow || r.Limit > 0 && uint64(len(o.events)) >= r.Limit
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
func (c *checker) met(q *queryAnswer, e *entry) {
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
func (c *checker) newest(q *queryAnswer) {
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
