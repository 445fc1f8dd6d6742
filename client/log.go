package client

import (
	"context"
	"iter"

	"gorewind/wire"
)

// An Entry is one commit of the log.
type Entry = wire.Entry

// A StoreIdentity identifies the store of a log.
type StoreIdentity = wire.StoreReply

// LogOptions select a part of the log. The zero value selects all of it, up to the last commit
// at the time of the call.
type LogOptions struct {
	UpTo  uint64 // a position, inclusive; 0: the last one
	Store string // as in QueryOptions

	// OnStore, if not nil, is called before the first entry, on the goroutine that iterates.
	OnStore func(StoreIdentity)
}

// Log yields the commits of the store after a position, in order, without the data of their
// events; Query yields the data of those not erased. With CURVE it needs the right admin on all
// streams. Like Query it continues over a new connection, and has the same errors.
func (c *Client) Log(ctx context.Context, after uint64, o LogOptions) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		l := &logPages{wire.Log{After: after, Store: o.Store}, o.UpTo}
		if o.Store == "" {
			l.request.Store = c.store
		}
		told := false
		for part, err := range c.parts(ctx, l, 0) {
			switch part := part.(type) {
			case wire.StoreReply:
				if l.upTo == 0 {
					l.upTo = part.Position
				}
				if !told && o.OnStore != nil {
					o.OnStore(part)
				}
				told = true
				continue
			case wire.Entry:
				if part.First > l.upTo || !yield(part, nil) {
					return
				}
			}
			if err != nil {
				yield(Entry{}, err)
				return
			}
		}
	}
}

// logPages are the pages of a LOG.
type logPages struct {
	request wire.Log
	upTo    uint64
}

// page implements source.
func (l *logPages) page(_ context.Context, after wire.Reply, limit uint64) (wire.Request, error) {
	w := l.request
	if e, ok := after.(wire.Entry); ok {
		w.After = e.Position
	}
	w.Limit = limit
	switch {
	case l.upTo == 0: // unknown yet
	case w.After < l.upTo:
		w.Limit = min(limit, l.upTo-w.After) // each entry takes at least one position
	case after != nil:
		return nil, nil
	}
	return w, nil
}

// has implements source.
func (*logPages) has(r wire.Reply) bool {
	switch r.(type) {
	case wire.StoreReply, wire.Entry:
		return true
	}
	return false
}

// follows implements source.
func (*logPages) follows() bool { return false }
