package client

import (
	"context"
	"iter"

	"gorewind/wire"
)

// An Entry is one commit as the log has it.
type Entry = wire.Entry

// A StoreIdentity says whose log it is.
type StoreIdentity = wire.StoreReply

// LogOptions say what is wanted of the log. The zero value wants all of it, up to
// the last commit there is.
type LogOptions struct {
	UpTo  uint64 // a position, inclusive; 0: the last when it is asked for
	Store string // as in QueryOptions

	// OnStore, if not nil, is called before the first entry, on the goroutine that
	// takes them.
	OnStore func(StoreIdentity)
}

// Log yields what happened in the store after a position: its commits, in order,
// without their events' data, which Query has as far as they are not erased. With
// CURVE it takes the right admin on all streams. It goes on over another connection
// as Query does, and its errors are the same.
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

// logPages are those of a LOG.
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
	case l.upTo == 0: // not known yet
	case w.After < l.upTo:
		w.Limit = min(limit, l.upTo-w.After) // each takes a position
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
