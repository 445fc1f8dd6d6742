package torture

import (
	"context"
	"fmt"
	"iter"
	"syscall"
	"testing"
	"time"

	"gorewind/client"
	"gorewind/store"
	"gorewind/store/storetest"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// TestModel compares the daemon with the model of a store, over the wire: P3 to P5
// and P7. The daemon is stopped and killed in turn, and started anew.
func TestModel(t *testing.T) {
	dir := t.TempDir()
	opened := 0
	storetest.Model(t, storetest.Operations(40_000), false, func() storetest.System {
		opened++
		return openRemote(t, dir, opened)
	})
}

// A remote is a daemon's store as Model sees it. Reads go through a client, and
// writes through it one by one, or in every second daemon one after the other
// through a DEALER that does not wait.
type remote struct {
	t       *testing.T
	d       *daemontest.Daemon
	c       *client.Client
	kill    bool // by Close
	pending chan pending
	ended   chan struct{} // closed when no write is under way any more
}

// A pending is a write that waits for its turn.
type pending struct {
	request wire.Request
	done    func(ids []uint64, err error)
}

func openRemote(t *testing.T, dir string, number int) *remote {
	s := &remote{t: t, d: daemontest.Start(t, "--data-dir", dir), kill: number%4 < 2}
	ctx, cancel := shortContext()
	defer cancel()
	var err error
	if s.c, err = client.Dial(ctx, client.Options{Endpoint: s.d.Router}); err != nil {
		t.Fatal(err)
	}
	s.pending, s.ended = make(chan pending, 64), make(chan struct{})
	write := s.writeSingly
	if number%2 == 0 {
		write = s.writeTogether
	}
	go func() { // ends after Close
		defer close(s.ended)
		write()
	}()
	return s
}

// shortContext returns a context for calls that should not take long.
func shortContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), time.Minute)
}

// Close implements storetest.System.
func (s *remote) Close() error {
	close(s.pending)
	<-s.ended
	if s.kill {
		s.d.Kill()
	} else {
		s.d.Stop(s.t, syscall.SIGTERM)
	}
	return s.c.Close()
}

// writeSingly sends the next write when the last is answered: those of different
// envelopes have no order.
func (s *remote) writeSingly() {
	for w := range s.pending {
		ids, err := s.call(w.request)
		w.done(ids, err)
	}
}

// writeTogether sends in one envelope whatever waits.
func (s *remote) writeTogether() {
	p := daemontest.Dial(s.t, s.d.Router)
	defer p.Close()
	var inFlight []pending
	for w := range s.pending {
		for more := true; more; {
			p.Request(w.request)
			inFlight = append(inFlight, w)
			select {
			case w, more = <-s.pending:
			default:
				more = false
			}
		}
		for _, w := range inFlight {
			reply, err := p.Reply()
			if err != nil {
				w.done(nil, err)
				continue
			}
			w.done(resultOf(w.request, reply))
		}
		inFlight = inFlight[:0]
	}
}

// resultOf returns the ids that an answer has for a write.
func resultOf(r wire.Request, a wire.Reply) ([]uint64, error) {
	var want wire.Reply
	switch r := r.(type) {
	case wire.Publish, wire.Append:
		switch a := a.(type) {
		case wire.Published:
			return []uint64{a.ID}, nil
		case wire.Appended:
			return a.IDs, nil
		}
	case wire.Replace:
		want = wire.Replaced{ID: r.ID}
	case wire.Delete:
		want = wire.Deleted{}
	case wire.Commit:
		want = wire.Committed{ID: r.ID}
	}
	if refused, ok := a.(*wire.Error); ok {
		return nil, refused
	}
	if a != want {
		return nil, fmt.Errorf("%T is answered by %#v", r, a)
	}
	return nil, nil
}

// call has the client write.
func (s *remote) call(r wire.Request) (ids []uint64, err error) {
	ctx, cancel := shortContext()
	defer cancel()
	switch r := r.(type) {
	case wire.Publish:
		var id uint64
		id, err = s.c.Publish(ctx, string(r.Stream), r.Data)
		ids = []uint64{id}
	case wire.Append:
		a := client.Append{Key: string(r.Key)}
		for _, g := range r.Groups {
			a.Groups = append(a.Groups, client.Group{Stream: string(g.Stream), Expected: g.Expected, Events: g.Events})
		}
		ids, err = s.c.Append(ctx, a)
	case wire.Replace:
		err = s.c.Replace(ctx, string(r.Stream), r.ID, r.Data)
	case wire.Delete:
		err = s.c.Delete(ctx, client.Delete{Stream: string(r.Stream), UpTo: r.UpTo, Expected: r.Expected})
	case wire.Commit:
		err = s.c.Commit(ctx, client.Commit{Consumer: string(r.Consumer), Stream: string(r.Stream), ID: r.ID, Rewind: r.Rewind})
	}
	return ids, err
}

// inContract returns what store calls a refusal.
func inContract(err error) error {
	if c, ok := client.AsConflict(err); ok {
		return &store.Conflict{Group: c.Group, Stream: []byte(c.Stream), Last: c.Last}
	}
	if cursor, ok := client.AsBehind(err); ok {
		return &store.Behind{Cursor: cursor}
	}
	for code, known := range map[wire.Code]error{
		wire.Malformed: store.ErrInvalid,
		wire.BadOption: store.ErrInvalid, // what follows an empty stream in an APPEND is one
		wire.UnknownID: store.ErrUnknownID,
		wire.BadRange:  store.ErrBadRange,
		wire.TooLarge:  store.ErrTooLarge,
		wire.KeyReused: store.ErrKeyReused,
	} {
		if client.IsCode(err, code) {
			return known
		}
	}
	return err
}

// bound is an Optional on the wire.
func bound(o store.Optional) wire.Bound { return wire.Bound{ID: o.N, Given: o.Given} }

// change queues a write that gives no id.
func (s *remote) change(r wire.Request, done func(error)) {
	s.pending <- pending{r, func(_ []uint64, err error) { done(inContract(err)) }}
}

// Append implements storetest.System.
func (s *remote) Append(reqs []store.Append, done func([]store.Result)) {
	results := make([]store.Result, 0, len(reqs))
	for _, a := range reqs {
		s.pending <- pending{appending(a), func(ids []uint64, err error) {
			results = append(results, store.Result{IDs: ids, Err: inContract(err)})
			if len(results) == len(reqs) {
				done(results)
			}
		}}
	}
}

// appending returns the request that is an Append: a PUBLISH if that says it all.
func appending(a store.Append) wire.Request {
	first := a.Groups[0]
	if len(a.Groups) == 1 && len(first.Events) == 1 && len(a.Key) == 0 && !first.Expected.Given {
		return wire.Publish{Stream: first.Stream, Data: first.Events[0]}
	}
	r := wire.Append{Key: a.Key}
	for _, g := range a.Groups {
		r.Groups = append(r.Groups, wire.Group{Stream: g.Stream, Expected: bound(g.Expected), Events: g.Events})
	}
	return r
}

// Replace implements storetest.System.
func (s *remote) Replace(r store.Replace, done func(error)) {
	s.change(wire.Replace{Stream: r.Stream, ID: r.ID, Data: r.Data}, done)
}

// Delete implements storetest.System.
func (s *remote) Delete(d store.Delete, done func(error)) {
	s.change(wire.Delete{Stream: d.Stream, UpTo: bound(d.UpTo), Expected: bound(d.Expected)}, done)
}

// SetCursor implements storetest.System.
func (s *remote) SetCursor(c store.Cursor, done func(error)) {
	s.change(wire.Commit{Consumer: c.Consumer, Stream: c.Stream, ID: c.ID, Rewind: c.Rewind}, done)
}

// Cursor implements storetest.System.
func (s *remote) Cursor(ctx context.Context, consumer, stream []byte) (uint64, error) {
	id, err := s.c.Cursor(ctx, string(consumer), string(stream))
	return id, inContract(err)
}

// Read implements storetest.System.
func (s *remote) Read(ctx context.Context, r store.Range) iter.Seq2[store.Event, error] {
	return s.query(ctx, string(r.Stream), r, client.QueryOptions{Meta: true})
}

// ReadPatterns implements storetest.Remote.
func (s *remote) ReadPatterns(ctx context.Context, p storetest.Patterns, r store.Range) iter.Seq2[store.Event, error] {
	o := client.QueryOptions{Match: client.MatchPrefix, Also: p.Also}
	if p.Glob {
		o.Match = client.MatchGlob
	}
	return s.query(ctx, p.First, r, o)
}

func (s *remote) query(ctx context.Context, stream string, r store.Range, o client.QueryOptions) iter.Seq2[store.Event, error] {
	o.After, o.UpTo, o.Nearest = r.After.N, bound(r.UpTo), r.Nearest
	o.Since, o.Until, o.Desc, o.Limit = r.Since, r.Until, r.Backward, uint64(r.Limit)
	return func(yield func(store.Event, error) bool) {
		size := 0
		for e, err := range s.c.Query(ctx, stream, o) {
			size += len(e.Data)
			if !yield(stored(e), inContract(err)) || r.Bytes > 0 && size >= r.Bytes {
				return
			}
		}
	}
}

func stored(e client.Event) store.Event {
	return store.Event{Stream: []byte(e.Stream), ID: e.ID, Position: e.Position, Time: e.Time, Data: e.Data}
}

// Tail implements storetest.System.
func (s *remote) Tail(ctx context.Context, from uint64) iter.Seq2[[]store.Event, error] {
	return func(yield func([]store.Event, error) bool) {
		for e, err := range s.c.Follow(ctx, "", client.QueryOptions{After: from, Match: client.MatchPrefix}) {
			if !yield([]store.Event{stored(e)}, inContract(err)) {
				return
			}
		}
	}
}

// Streams implements storetest.System.
func (s *remote) Streams(ctx context.Context, prefix, after []byte) iter.Seq2[store.Stream, error] {
	return func(yield func(store.Stream, error) bool) {
		for stream, err := range s.c.Streams(ctx, string(prefix), string(after)) {
			if !yield(store.Stream{Name: []byte(stream.Name), Last: stream.Last}, inContract(err)) {
				return
			}
		}
	}
}

// Info implements storetest.System.
func (s *remote) Info() store.Info {
	ctx, cancel := shortContext()
	defer cancel()
	i, err := s.c.Info(ctx)
	if err != nil {
		s.t.Error(err)
	}
	return store.Info{ID: i.Store, Generation: i.Generation, LastPosition: i.Position}
}
