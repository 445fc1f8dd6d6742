package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"syscall"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/client"
	"gorewind/test/daemontest"
	"gorewind/wire"
)

// A requester sends an operation to a daemon and fills in the answer.
type requester interface {
	ask(*operation) error
	close()
}

// errBroken: no answer came from a daemon that has ended.
var errBroken = errors.New("the daemon ended")

// do runs an operation and records its outcome.
func (e *era) do(by requester, o *operation) {
	e.trace.add(o)
	o.call = e.now()
	e.record(o, by.ask(o), false)
}

// record records the outcome of an operation, or of a later try of it: a
// refusal leaves open whether the first took effect.
func (e *era) record(o *operation, err error, later bool) {
	o.end = e.now()
	var told *wire.Error
	what := "ok"
	switch {
	case err == nil:
		o.outcome = acknowledged
	case errors.As(err, &told):
		o.refusal, what = told, string(told.Code)
		if told.Code != wire.OutcomeUnknown && !later && !errors.As(err, new(retried)) {
			o.outcome = refused
		}
	case errors.Is(err, errBroken), errors.Is(err, context.DeadlineExceeded) && lasts(o.request):
		what = "open"
	default:
		e.t.Errorf("%v: %v", o, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.learn(o)
	e.chaos.mu.Lock()
	defer e.chaos.mu.Unlock()
	e.counts[fmt.Sprintf("%s %s", o.request.Frames()[0], what)]++
}

// lasts reports whether it is the client who ends a request.
func lasts(r wire.Request) bool {
	q, isQuery := r.(wire.Query)
	_, isWait := r.(wire.Wait)
	return isWait || isQuery && q.Follow
}

// learn keeps what later operations can be about.
func (e *era) learn(o *operation) {
	for g, id := range o.ids {
		stream := string(o.groups()[g].Stream)
		e.ids[stream] = max(e.ids[stream], id)
	}
	for _, s := range o.events {
		e.ids[s.Stream] = max(e.ids[s.Stream], s.ID)
		e.position = max(e.position, s.Position)
	}
	switch r := o.request.(type) {
	case wire.Commit:
		if o.outcome == acknowledged {
			e.cursors[cursorName{string(r.Consumer), string(r.Stream)}] = r.ID
		}
	case wire.Cursor:
		e.cursors[cursorName{string(r.Consumer), string(r.Stream)}] = o.value
	case wire.Info:
		e.position = max(e.position, o.value)
	}
}

// told takes note of which store a daemon says it has: it is always the same.
func (c *chaos) told(store string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.store == "" {
		c.store = store
	}
	if store != c.store {
		c.t.Errorf("the store is %s, and was %s", store, c.store)
	}
}

// addEvent adds an event that came, having looked at all of its data.
func (o *operation) addEvent(e client.Event) error {
	token, err := tokenOf(e.Data)
	e.Data = []byte(token)
	o.events = append(o.events, e)
	return err
}

// throughClient asks through package client.
type throughClient struct {
	*chaos
	conn *client.Client
	log  *[]client.Event // where events are kept with their data, if not nil
}

// close implements requester. Who dialled closes the client.
func (throughClient) close() {}

// ask implements requester.
func (p throughClient) ask(o *operation) (err error) {
	ctx, cancel := shortContext()
	defer cancel()
	if lasts(o.request) {
		ctx, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
		defer cancel()
	}
	switch r := o.request.(type) {
	case wire.Query:
		return p.query(ctx, o, r)
	case wire.Streams:
		for s, err := range p.conn.Streams(ctx, string(r.Prefix), string(r.After)) {
			if err != nil {
				return err
			}
			o.streams = append(o.streams, s)
			if uint64(len(o.streams)) == r.Limit {
				break
			}
		}
	case wire.Cursor:
		o.value, err = p.conn.Cursor(ctx, string(r.Consumer), string(r.Stream))
	case wire.Wait:
		o.value, err = p.conn.Wait(ctx, string(r.Consumer), string(r.Stream), r.ID)
	case wire.Info:
		var i client.Info
		if i, err = p.conn.Info(ctx); err == nil {
			p.told(i.StoreID())
			o.value = i.Position
		}
	case wire.Ping:
		return p.conn.Ping(ctx)
	default:
		var ids []uint64
		if ids, err = (&remote{c: p.conn}).call(r); err == nil {
			o.ids = ids
		}
		return p.again(r, err)
	}
	return err
}

// again returns what an error says, given that the client asks again by itself: of
// what was stored when the answer was lost, a later daemon may say that it takes
// no event of that size, and another cursor's owner may have gone on meanwhile.
func (throughClient) again(r wire.Request, err error) error {
	a, isAppend := r.(wire.Append)
	c, isCommit := r.(wire.Commit)
	if isAppend && len(a.Key) > 0 && client.IsCode(err, wire.TooLarge) || isCommit && !c.Rewind && client.IsCode(err, wire.Behind) {
		return retried{err}
	}
	return err
}

// retried is a refusal of what may have been stored before.
type retried struct{ error }

// Unwrap returns the refusal.
func (r retried) Unwrap() error { return r.error }

func (p throughClient) query(ctx context.Context, o *operation, q wire.Query) error {
	options := client.QueryOptions{
		After: q.After.ID, UpTo: q.UpTo, Limit: q.Limit, Desc: q.Desc, Since: q.Since, Until: q.Until,
		Nearest: q.Nearest, Consumer: string(q.Consumer), Meta: q.Meta, Match: q.Match,
	}
	for _, glob := range q.Also {
		options.Also = append(options.Also, string(glob))
	}
	ask := p.conn.Query
	if q.Follow {
		ask = p.conn.Follow
	}
	for e, err := range ask(ctx, string(q.Stream), options) {
		if err != nil {
			return err
		}
		if p.log != nil {
			*p.log = append(*p.log, e)
		}
		if err := o.addEvent(e); err != nil {
			return err
		}
	}
	return nil
}

// An itself speaks the protocol itself, over one connection to each daemon.
type itself struct {
	*chaos
	r     *rand.Rand
	peer  *daemontest.Peer
	round int64 // of the daemon that it is connected to
}

// close implements requester.
func (p *itself) close() {
	if p.peer != nil {
		p.peer.Close()
		p.peer = nil
	}
}

// connect connects to this daemon or, where that has ended, to the next.
func (p *itself) connect() {
	if p.peer != nil && p.round == p.chaos.round.Load() {
		return
	}
	p.close()
	p.round = p.chaos.round.Load()
	endpoints := *p.serving.Load()
	p.peer = daemontest.Dial(p.t, endpoints[p.r.IntN(len(endpoints))])
	if err := p.peer.SetRcvtimeo(50 * time.Millisecond); err != nil {
		p.t.Error(err)
	}
}

// ask implements requester.
func (p *itself) ask(o *operation) error {
	p.connect()
	p.peer.Request(o.request)
	return p.answer(o)
}

// answer waits for the answer to what was sent.
func (p *itself) answer(o *operation) error {
	if p.peer == nil {
		return errBroken
	}
	if w, ok := o.request.(wire.Wait); ok && w.Timeout == wire.MaxWait {
		p.peer.Request(wire.Cancel{})
	}
	for deadline, cancelled := time.Now().Add(20*time.Second), false; ; {
		reply, err := p.peer.Reply()
		switch {
		case err == nil:
		case zmq.AsErrno(err) != zmq.Errno(syscall.EAGAIN):
			p.close()
			return err
		case p.chaos.round.Load() != p.round:
			p.close()
			return errBroken
		case time.Now().After(deadline):
			p.close()
			return fmt.Errorf("no answer in 20 s: %w", err)
		default:
			continue
		}
		if done, err := p.take(o, reply); done || err != nil {
			return err
		}
		if _, live := reply.(wire.Live); live && !cancelled {
			p.peer.Request(wire.Cancel{})
			cancelled = true
		}
	}
}

// take takes a part of an answer, and reports whether it was the last.
func (p *itself) take(o *operation, reply wire.Reply) (done bool, err error) {
	if refused, ok := reply.(*wire.Error); ok {
		return true, refused
	}
	switch r := o.request.(type) {
	case wire.Query:
		switch a := reply.(type) {
		case wire.Event:
			return false, o.addEvent(eventOf(r, a))
		case wire.Live:
			return false, nil
		case wire.End:
			return true, nil
		}
	case wire.Streams:
		switch a := reply.(type) {
		case wire.StreamReply:
			o.streams = append(o.streams, client.Stream{Name: string(a.Name), Last: a.Last})
			return false, nil
		case wire.End:
			return true, nil
		}
	case wire.Cursor:
		a, ok := reply.(wire.CursorReply)
		o.value = a.ID
		return ok, mismatch(ok, o, reply)
	case wire.Wait:
		a, ok := reply.(wire.Reached)
		o.value = a.Cursor
		return ok, mismatch(ok, o, reply)
	case wire.Info:
		a, ok := reply.(wire.InfoReply)
		facts := make(map[string]string)
		for _, f := range a.Facts {
			facts[f.Name] = f.Value
		}
		p.told(facts["store"] + "." + facts["generation"])
		_, err := fmt.Sscan(facts["position"], &o.value)
		return ok, errors.Join(err, mismatch(ok, o, reply))
	case wire.Ping:
		a, ok := reply.(wire.Pong)
		ok = ok && slices.EqualFunc(a.Payload, r.Payload, slices.Equal)
		return ok, mismatch(ok, o, reply)
	default:
		o.ids, err = resultOf(r, reply)
		return true, err
	}
	return true, mismatch(false, o, reply)
}

func mismatch(ok bool, o *operation, reply wire.Reply) error {
	if ok {
		return nil
	}
	return fmt.Errorf("%v is answered by %q", o, reply.Frames())
}

// eventOf returns an event of an answer.
func eventOf(q wire.Query, a wire.Event) client.Event {
	if a.Meta == nil {
		return client.Event{Stream: string(q.Stream), ID: a.ID, Data: a.Data}
	}
	return client.Event{Stream: string(a.Meta.Stream), ID: a.Meta.ID, Position: a.Meta.Position, Time: a.Meta.Time, Data: a.Data}
}
