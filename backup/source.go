package backup

import (
	"context"
	"iter"

	"gorewind/client"
	"gorewind/store"
	"gorewind/wire"
)

// hasCommit reports whether a store has a commit with this chain at a position, and
// so the same log before it.
func hasCommit(ctx context.Context, from Source, position uint64, with chain) (bool, error) {
	for e, err := range from.Log(ctx, position-1, position) {
		return err == nil && e.Position == position && chain(e.Chain) == with, err
	}
	return false, nil
}

// Daemon is the store of a daemon, which must go on serving the same store.
type Daemon struct{ Client *client.Client }

// Identity implements Source.
func (d Daemon) Identity(ctx context.Context) (id store.Identity, position uint64, err error) {
	of := func(i client.StoreIdentity) {
		id, position = store.Identity{ID: i.ID, Generation: i.Generation, Secret: i.Secret}, i.Position
	}
	for _, err := range d.Client.Log(ctx, 0, client.LogOptions{UpTo: 1, OnStore: of}) {
		return id, position, explain(err)
	}
	return id, position, nil
}

// kindWords are the kinds of changes on the wire.
var kindWords = map[string]store.ChangeKind{
	wire.EventsAppended:   store.Appended,
	wire.EventReplaced:    store.Replaced,
	wire.EventsDeleted:    store.Deleted,
	wire.CursorMoved:      store.Moved,
	wire.RequestKeyed:     store.Keyed,
	wire.PositionsLost:    store.Gap,
	wire.PositionsOmitted: store.Omitted,
}

// Log implements Source.
func (d Daemon) Log(ctx context.Context, after, upTo uint64) iter.Seq2[store.Entry, error] {
	return func(yield func(store.Entry, error) bool) {
		if after >= upTo {
			return
		}
		for e, err := range d.Client.Log(ctx, after, client.LogOptions{UpTo: upTo}) {
			if !yield(entryOf(&e), explain(err)) {
				return
			}
		}
	}
}

// entryOf converts an entry of the wire.
func entryOf(w *wire.Entry) store.Entry {
	e := store.Entry{
		Position: w.Position, First: w.First, Time: w.Time, Bytes: w.Bytes, NextStream: w.Next, Chain: w.Chain,
		Changes: make([]store.Change, len(w.Changes)),
	}
	for i, c := range w.Changes {
		e.Changes[i] = store.Change{
			Kind: kindWords[c.Kind], Stream: c.Stream, Number: c.Number, Name: c.Name,
			First: c.First, Last: c.Last, Sum: c.Sum, IDs: c.IDs, Count: c.Count, Patch: c.Patch,
		}
	}
	return e
}

// Events implements Source.
func (d Daemon) Events(ctx context.Context, of *Selection, after, upTo uint64) iter.Seq2[store.Event, error] {
	o := client.QueryOptions{After: after, UpTo: client.Some(upTo), Nearest: true, Match: client.MatchPrefix}
	name := ""
	if of != nil {
		globs := of.Globs
		if o.Separator = of.Separator; of.Prefix != nil {
			name = *of.Prefix
		} else {
			o.Match, name, globs = client.MatchGlob, globs[0], globs[1:]
		}
		o.Also = globs
	}
	return d.query(ctx, name, o)
}

// Event implements Source.
func (d Daemon) Event(ctx context.Context, stream []byte, id uint64) (store.Event, bool, error) {
	o := client.QueryOptions{After: id - 1, UpTo: client.Some(id), Nearest: true, Meta: true}
	for e, err := range d.query(ctx, string(stream), o) {
		return e, err == nil, err
	}
	return store.Event{}, false, nil
}

func (d Daemon) query(ctx context.Context, name string, o client.QueryOptions) iter.Seq2[store.Event, error] {
	return func(yield func(store.Event, error) bool) {
		for e, err := range d.Client.Query(ctx, name, o) {
			if !yield(store.Event{Stream: []byte(e.Stream), ID: e.ID, Position: e.Position, Time: e.Time, Data: e.Data}, explain(err)) {
				return
			}
		}
	}
}

// explain turns a DAMAGED error that says where to continue into a store.Lost.
func explain(err error) error {
	if after, ok := client.AsDamaged(err); ok {
		return &store.Lost{After: after, Err: err}
	}
	return err
}
