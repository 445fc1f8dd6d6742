package client

import (
	"context"
	"iter"
	"time"

	"gorewind/wire"
)

// A Bound is an id or a position. The zero value is no bound.
type Bound = wire.Bound

// Some returns the Bound n.
func Some(n uint64) Bound { return Bound{ID: n, Given: true} }

// A Match says how the stream of a Query or a Follow selects streams.
type Match = wire.Match

// A stream is a name, a prefix of names, or a glob.
const (
	MatchName   = wire.MatchName
	MatchPrefix = wire.MatchPrefix
	MatchGlob   = wire.MatchGlob
)

// QueryOptions select events. The zero value selects all events of one stream, in order.
type QueryOptions struct {
	// After is an id of the stream, exclusive; 0 is the beginning. UpTo is inclusive;
	// Some(0) selects nothing. With Match both are positions.
	After uint64
	UpTo  Bound

	Limit    uint64    // maximum number of events; 0 is no limit
	Desc     bool      // the last event first
	Since    time.Time // events at or after it; zero is no bound
	Until    time.Time // events before it
	Nearest  bool      // After and UpTo may be missing from the stream
	Consumer string    // start after the cursor of this consumer, instead of After
	Meta     bool      // include positions and times; always included with Match

	Match     Match
	Also      []string // globs that select further streams, with Match; at most 16
	Separator string   // of the parts of names in globs, one byte. Default: /

	// Store, if not empty, is the store that After is from; see Info.StoreID. It is for
	// callers that keep After longer than the Client.
	Store string

	// OnLive, if not nil, is called by Follow when the caller has every event stored so
	// far: when it has caught up, and again after 10 s without an event or after a
	// reconnect. It is called between events, on the goroutine that iterates.
	OnLive func()
}

// An Event is one stored event.
type Event struct {
	Stream   string
	ID       uint64    // in its stream, from 1, without a gap
	Position uint64    // in the whole store; 0 without QueryOptions.Meta
	Time     time.Time // when it was committed; zero without QueryOptions.Meta
	Data     []byte    // belongs to the caller
}

// Query yields the events of a stream or, with Match, of several streams in the order of their
// commits. It fixes its end soon after it starts: it yields every event stored before the call,
// and perhaps some stored right after it, no matter how many follow.
//
// An error is the last value; without one the answer is complete. Errors are BAD-OPTION,
// UNKNOWN-ID, BAD-RANGE, DAMAGED, OTHER-STORE and others of the server, ErrClosed, and that of
// ctx. When the connection breaks, Query continues over the next one.
//
// The caller may take its time. Up to about 6,000 events are buffered, and not much more than
// 4 MiB.
func (c *Client) Query(ctx context.Context, stream string, o QueryOptions) iter.Seq2[Event, error] {
	return c.events(ctx, stream, o, false)
}

// Follow yields what Query yields, and then each new event as it arrives, each once and in
// order, until the caller stops or Limit is reached. When the connection breaks, or the server
// is silent for Options.Timeout, Follow continues over a new connection after the last event.
// It has the errors of Query, and BAD-OPTION if UpTo, Until or Desc is set. The caller may
// pause: the events wait in the store.
//
// With Consumer, if no event has arrived yet, a new connection starts after the consumer's
// cursor at that time.
func (c *Client) Follow(ctx context.Context, stream string, o QueryOptions) iter.Seq2[Event, error] {
	return c.events(ctx, stream, o, true)
}

func (c *Client) events(ctx context.Context, stream string, o QueryOptions, follow bool) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		q, err := o.query(stream)
		if err != nil {
			yield(Event{}, err)
			return
		}
		if q.Store == "" {
			q.Store = c.store
		}
		q.Follow = follow
		for part, err := range c.parts(ctx, &pages{c, q}, o.Limit) {
			e, isEvent := part.(wire.Event)
			switch {
			case err != nil:
				yield(Event{}, err)
				return
			case isEvent:
				if !yield(newEvent(stream, e), nil) {
					return
				}
			case o.OnLive != nil:
				o.OnLive()
			}
		}
	}
}

// query returns the request, without a limit.
func (o *QueryOptions) query(stream string) (wire.Query, error) {
	q := wire.Query{
		Stream: []byte(stream), UpTo: o.UpTo,
		Desc: o.Desc, Since: o.Since, Until: o.Until, Nearest: o.Nearest, Meta: o.Meta,
		Match: o.Match, Store: o.Store,
	}
	if o.After > 0 {
		q.After = Some(o.After)
	}
	if o.Consumer != "" {
		q.Consumer = []byte(o.Consumer)
	}
	for _, glob := range o.Also {
		q.Also = append(q.Also, []byte(glob))
	}
	switch len(o.Separator) {
	case 0:
	case 1:
		q.Separator, q.HasSeparator = o.Separator[0], true
	default:
		return q, wire.Errorf(wire.BadOption, "give a single byte", "the separator has %d bytes", len(o.Separator))
	}
	return q, nil
}

func newEvent(stream string, e wire.Event) Event {
	if e.Meta == nil {
		return Event{Stream: stream, ID: e.ID, Data: e.Data}
	}
	return Event{string(e.Meta.Stream), e.Meta.ID, e.Meta.Position, e.Meta.Time, e.Data}
}

// pages are the pages of a QUERY.
type pages struct {
	client *Client
	q      wire.Query
}

// page implements source. Pages after the first set Nearest: the events that the bounds name may
// be erased by then.
func (p *pages) page(ctx context.Context, after wire.Reply, limit uint64) (wire.Request, error) {
	if p.q.Desc && p.q.Consumer != nil && !p.q.After.Given {
		if err := p.begin(ctx); err != nil {
			return nil, err
		}
	}
	q := p.q
	q.Limit = limit
	e, ok := after.(wire.Event)
	if !ok {
		return q, nil
	}
	q.Nearest = true
	if q.Desc {
		q.UpTo = Some(e.ID - 1)
		return q, nil
	}
	if !q.Follow && !q.UpTo.Given {
		end, err := p.end(ctx)
		if err != nil {
			return nil, err
		}
		p.q.UpTo, q.UpTo = end, end
	}
	if q.UpTo.Given && q.UpTo.ID <= e.ID {
		return nil, nil
	}
	q.After, q.Consumer = Some(e.ID), nil
	return q, nil
}

// begin fixes the lower bound of a backward query to the consumer's cursor. The consumer may
// move it before the query gets there.
func (p *pages) begin(ctx context.Context) error {
	stream := string(p.q.Stream)
	if p.q.Match != MatchName {
		stream = ""
	}
	cursor, err := p.client.Cursor(ctx, string(p.q.Consumer), stream)
	p.q.After, p.q.Consumer, p.q.Nearest = Some(cursor), nil, true
	return err
}

// end returns the last event at this time. Without it, a busy writer would make the answer
// endless.
func (p *pages) end(ctx context.Context) (Bound, error) {
	if p.q.Match != MatchName {
		info, err := p.client.Info(ctx)
		return Some(info.Position), err
	}
	newest := QueryOptions{Desc: true, Limit: 1, Store: p.q.Store}
	for e, err := range p.client.Query(ctx, string(p.q.Stream), newest) {
		return Some(e.ID), err
	}
	return Some(0), nil
}

// has implements source.
func (p *pages) has(r wire.Reply) bool {
	e, ok := r.(wire.Event)
	return ok && (e.Meta != nil || p.q.Match == MatchName && !p.q.Meta)
}

// follows implements source.
func (p *pages) follows() bool { return p.q.Follow }
