package client

import (
	"context"
	"iter"
	"time"

	"gorewind/wire"
)

// A Bound is an id or a position, or none, which is the zero value.
type Bound = wire.Bound

// Some returns a Bound that is given.
func Some(n uint64) Bound { return Bound{ID: n, Given: true} }

// A Match says what the stream of a Query or a Follow is.
type Match = wire.Match

// What a stream is: its name, a prefix of names or a glob.
const (
	MatchName   = wire.MatchName
	MatchPrefix = wire.MatchPrefix
	MatchGlob   = wire.MatchGlob
)

// QueryOptions say which events are wanted, and how. The zero value wants all of
// one stream, the first first.
type QueryOptions struct {
	// After is an id of the stream, exclusive, and 0 the beginning. UpTo is
	// inclusive, and Some(0) selects nothing. With Match both are positions.
	After uint64
	UpTo  Bound

	Limit    uint64    // at most so many events; 0 is no limit
	Desc     bool      // the last event first
	Since    time.Time // events at or after it; zero is no bound
	Until    time.Time // events before it
	Nearest  bool      // it is no error that After or UpTo is not in the stream
	Consumer string    // begin after what it has committed, instead of After
	Meta     bool      // have the events' positions and times; Match has them always

	Match     Match
	Also      []string // globs that select streams besides, with Match; at most 16
	Separator string   // of the parts of names in globs, one octet. Default: /

	// Store, if not empty, is the store that After is from; see Info.StoreID. It is
	// of use to whoever kept After for longer than the Client.
	Store string

	// OnLive, if not nil, is called by Follow where the caller has every event
	// that there was at some moment: when it has caught up, and again after 10 s
	// without an event, or after a reconnect. It is called between events, on the
	// goroutine that takes them.
	OnLive func()
}

// An Event is one event as it is stored.
type Event struct {
	Stream   string
	ID       uint64    // in its stream, from 1, without a gap
	Position uint64    // in the whole store; 0 unless asked for, see QueryOptions.Meta
	Time     time.Time // when it was committed; zero unless asked for
	Data     []byte    // the caller's
}

// Query yields the events of a stream, or with Match of several in the order of
// their commits. Its end is fixed soon after it begins: it yields every event that
// there was when it was called, and perhaps some that came a moment later, however
// many are stored meanwhile.
//
// An error is the last thing that is yielded; without one the answer is complete.
// Errors are BAD-OPTION, UNKNOWN-ID, BAD-RANGE, DAMAGED, OTHER-STORE and others of
// the server, ErrClosed and that of ctx. When the connection breaks it goes on
// over the next.
//
// A caller may take all the time it likes: some 6,000 events are kept for it, and
// no more than about 4 MiB of them besides what the server sends until it has
// heard that this is enough.
func (c *Client) Query(ctx context.Context, stream string, o QueryOptions) iter.Seq2[Event, error] {
	return c.events(ctx, stream, o, false)
}

// Follow yields what Query does and then each new event as it comes, each once and
// in order, for as long as the caller wants, or until Limit. When the connection
// breaks, or when the server is not heard for Options.Timeout, it goes on over
// another from the last event. It ends with an error only where Query does, and
// with BAD-OPTION where UpTo, Until or Desc is set. A caller may stand still: the
// events wait in the store.
//
// Where Consumer is given and nothing has come yet, a new connection begins after
// what the consumer has committed by then.
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
		return q, wire.Errorf(wire.BadOption, "give one octet", "the separator has %d octets", len(o.Separator))
	}
	return q, nil
}

func newEvent(stream string, e wire.Event) Event {
	if e.Meta == nil {
		return Event{Stream: stream, ID: e.ID, Data: e.Data}
	}
	return Event{string(e.Meta.Stream), e.Meta.ID, e.Meta.Position, e.Meta.Time, e.Data}
}

// pages are those of a QUERY.
type pages struct {
	client *Client
	q      wire.Query
}

// page implements source. After the first page bounds are compared and not looked
// up: what they name may be erased by now.
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

// begin fixes where the first event is, which backward is the last to come: the
// consumer may commit before that.
func (p *pages) begin(ctx context.Context) error {
	stream := string(p.q.Stream)
	if p.q.Match != MatchName {
		stream = ""
	}
	cursor, err := p.client.Cursor(ctx, string(p.q.Consumer), stream)
	p.q.After, p.q.Consumer, p.q.Nearest = Some(cursor), nil, true
	return err
}

// end returns where the last event is: a writer who never pauses would make the
// answer endless.
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
