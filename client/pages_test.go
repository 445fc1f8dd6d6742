package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"gorewind/client"
	"gorewind/wire"
)

// A shelf is a fake with one stream of events of no data.
type shelf struct {
	events uint64
	asked  []wire.Query
}

func (s *shelf) answer(r request) bool {
	switch q := r.Request.(type) {
	case wire.Query:
		s.asked = append(s.asked, q)
		from, to := q.After.ID+1, s.events
		if q.UpTo.Given {
			to = min(to, q.UpTo.ID)
		}
		if q.Desc {
			for id, n := to, q.Limit; id >= from && n > 0; id, n = id-1, n-1 {
				r.reply(wire.Event{ID: id})
			}
		} else if to >= from {
			r.reply(eventsAfter(q.After.ID, min(q.Limit, to-from+1), nil)...)
		}
		if !q.Follow || q.Limit <= to-from+1 {
			r.reply(wire.End{})
		} else {
			r.reply(wire.Live{})
		}
		return true
	case wire.Cancel:
		return true
	}
	return false
}

func collect(t *testing.T, c *client.Client, o client.QueryOptions) (ids []uint64) {
	t.Helper()
	for e, err := range c.Query(patient(t), "a", o) {
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.ID)
	}
	return ids
}

func checkRun(t *testing.T, ids []uint64, first, last uint64) {
	t.Helper()
	id, step := first, uint64(1)
	if first > last {
		step = ^uint64(0)
	}
	for i, have := range ids {
		if have != id {
			t.Fatalf("event %d: want %d, have %d", i, id, have)
		}
		id += step
	}
	if id != last+step {
		t.Errorf("the last: want %d, have %d", last, id-step)
	}
}

func TestPages(t *testing.T) {
	s := &shelf{events: 10_000}
	f := serveFake(t, anyPort, s.answer)
	c := dial(t, f.endpoint, 0)
	checkRun(t, collect(t, c, client.QueryOptions{}), 1, 10_000)
	f.stop()
	if len(s.asked) < 4 {
		t.Fatalf("want pages, have %+v", s.asked)
	}
	if q := s.asked[1]; !q.Desc || q.Limit != 1 || q.After.Given {
		t.Errorf("the QUERY for the end: %+v", q)
	}
	after := s.asked[0].Limit
	for i, q := range s.asked[2:] {
		if q.After != client.Some(after) || q.UpTo != client.Some(10_000) || !q.Nearest || q.Limit == 0 || q.Limit > 5000 {
			t.Errorf("page %d: %+v", i+1, q)
		}
		after += q.Limit
	}
}

func TestPagesBackward(t *testing.T) {
	s := &shelf{events: 10_000}
	c := dial(t, serveFake(t, anyPort, s.answer).endpoint, 0)
	checkRun(t, collect(t, c, client.QueryOptions{Desc: true}), 10_000, 1)
	checkRun(t, collect(t, c, client.QueryOptions{Desc: true, After: 5, UpTo: client.Some(6000)}), 6000, 6)
}

// What a consumer commits while it reads backward does not make the answer short.
func TestPagesBackwardOfAConsumer(t *testing.T) {
	const n, cursor = 10_000, 10
	router, _ := serve(t, anyPort, openMemory(t))
	c := dial(t, router, 0)
	if _, err := c.Append(patient(t), client.Append{Groups: []client.Group{{Stream: "a", Events: make([][]byte, n)}}}); err != nil {
		t.Fatal(err)
	}
	for _, o := range []client.QueryOptions{
		{Desc: true, Consumer: "by name"},
		{Desc: true, Consumer: "all", Match: client.MatchPrefix},
	} {
		at := client.Commit{Consumer: o.Consumer, Stream: "a", ID: cursor}
		if o.Match != client.MatchName {
			at.Stream = ""
		}
		if err := c.Commit(patient(t), at); err != nil {
			t.Fatal(err)
		}
		var ids []uint64
		for e, err := range c.Query(patient(t), "a", o) {
			if err != nil {
				t.Fatal(err)
			}
			if ids = append(ids, e.ID); len(ids) == 1 {
				at.ID = n
				if err := c.Commit(patient(t), at); err != nil {
					t.Fatal(err)
				}
			}
		}
		checkRun(t, ids, n, cursor+1)
	}
}

func TestPagesWithinALimit(t *testing.T) {
	s := &shelf{events: 10_000}
	c := dial(t, serveFake(t, anyPort, s.answer).endpoint, 0)
	for _, limit := range []uint64{1, 4095, 4096, 4097, 8192, 10_000} {
		checkRun(t, collect(t, c, client.QueryOptions{Limit: limit}), 1, limit)
	}
	n := 0
	for e, err := range c.Follow(patient(t), "a", client.QueryOptions{After: 4000, Limit: 6000}) {
		if n++; err != nil || e.ID != uint64(4000+n) {
			t.Fatal(e.ID, err)
		}
	}
	if n != 6000 {
		t.Errorf("want 6000 events, have %d", n)
	}
}

// The end is fixed though events come faster than they are read.
func TestPagesEndUnderAWriter(t *testing.T) {
	s := &shelf{events: 5000}
	f := serveFake(t, anyPort, func(r request) bool {
		s.events += 5000
		return s.answer(r)
	})
	c := dial(t, f.endpoint, 0)
	ids := collect(t, c, client.QueryOptions{})
	checkRun(t, ids, 1, uint64(len(ids)))
	if len(ids) < 10_000 {
		t.Errorf("have %d events; there were more before it began", len(ids))
	}
}

// Who does not take its events is sent no more than a page, and holds up nobody.
func TestSlowConsumer(t *testing.T) {
	for _, follow := range []bool{false, true} {
		t.Run(fmt.Sprintf("follow=%v", follow), func(t *testing.T) {
			s := &shelf{events: 100_000}
			f := serveFake(t, anyPort, s.answer)
			c := dial(t, f.endpoint, 0)
			read := c.Query
			if follow {
				read = c.Follow
			}
			for _, err := range read(patient(t), "a", client.QueryOptions{}) {
				if err != nil {
					t.Fatal(err)
				}
				for range 3 { // the answers come after what was sent before
					if err := c.Ping(patient(t)); err != nil {
						t.Fatal(err)
					}
				}
				break
			}
			f.stop()
			limits := uint64(0)
			for _, q := range s.asked {
				if limits += q.Limit; q.Limit == 0 || limits > 5000 {
					t.Errorf("want one page and the first, have %+v", s.asked)
				}
			}
		})
	}
}

// Large events are bounded by their bytes: the first page with CANCEL, since nobody
// knew how large they are, and those after it because fewer are asked for.
func TestSlowConsumerOfLargeEvents(t *testing.T) {
	data := bytes.Repeat([]byte{'x'}, 64<<10)
	var first request
	cut := make(chan struct{}, 2)
	f := serveFake(t, anyPort, func(r request) bool {
		switch q := r.Request.(type) {
		case wire.Query:
			switch {
			case q.Desc:
				r.reply(wire.Event{ID: 250}, wire.End{})
			case q.After.ID == 0:
				first = r // it would go on
				r.reply(eventsAfter(0, 100, data)...)
			case q.Limit == 0 || q.Limit*uint64(len(data)) > 4<<20:
				t.Errorf("a page of %d events", q.Limit)
				r.reply(wire.End{})
			default:
				r.reply(eventsAfter(q.After.ID, min(q.Limit, 250-q.After.ID), data)...)
				r.reply(wire.End{})
			}
			return true
		case wire.Cancel:
			if r.envelope == first.envelope { // else it is for the one backward, if that is not known to have ended
				first.reply(wire.End{})
				cut <- struct{}{}
			}
			return true
		}
		return false
	})
	c := dial(t, f.endpoint, 0)
	var ids []uint64
	for e, err := range c.Query(patient(t), "a", client.QueryOptions{}) {
		if err != nil {
			t.Fatal(err)
		}
		if ids = append(ids, e.ID); e.ID == 1 {
			receive(t, cut) // without CANCEL nothing would come any more
		}
	}
	checkRun(t, ids, 1, 250)
}

// A caller who stops has the server stop too.
func TestCancel(t *testing.T) {
	type call func(context.Context, *client.Client) error
	var (
		query call = func(ctx context.Context, c *client.Client) error {
			for _, err := range c.Query(ctx, "a", client.QueryOptions{}) {
				return err
			}
			return nil
		}
		streams call = func(ctx context.Context, c *client.Client) error {
			for _, err := range c.Streams(ctx, "", "") {
				return err
			}
			return nil
		}
		wait    call = func(ctx context.Context, c *client.Client) error { _, err := c.Wait(ctx, "mail", "a", 1); return err }
		publish call = func(ctx context.Context, c *client.Client) error { _, err := c.Publish(ctx, "a", nil); return err }
	)
	for _, c := range []struct {
		name    string
		call    call
		cancels bool
		part    wire.Reply // has the call return, as a break does
	}{
		{"Query", query, true, nil},
		{"Query, break", query, true, wire.Event{ID: 1}},
		{"Streams", streams, true, nil},
		{"Streams, break", streams, true, wire.StreamReply{Name: []byte("a"), Last: 1}},
		{"Wait", wait, true, nil},
		{"Publish", publish, false, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked, cancelled := make(chan request, 1), make(chan request, 1)
			f := serveFake(t, anyPort, func(r request) bool {
				switch r.Request.(type) {
				case wire.Info, wire.Ping:
					return false
				case wire.Cancel:
					cancelled <- r
				default:
					if c.part != nil {
						r.reply(c.part)
					}
					asked <- r
				}
				return true
			})
			cl := dial(t, f.endpoint, 0)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			done := make(chan error, 1)
			go func() { done <- c.call(ctx, cl) }() // ends with ctx, or with the first part
			r := receive(t, asked)
			if c.part == nil {
				cancel()
			}
			if err := receive(t, done); (err == nil) != (c.part != nil) || err != nil && !errors.Is(err, context.Canceled) {
				t.Errorf("have %v", err)
			}
			if err := cl.Ping(patient(t)); err != nil { // after which a CANCEL has come
				t.Fatal(err)
			}
			if !c.cancels {
				if len(cancelled) > 0 {
					t.Error("CANCEL came")
				}
				return
			}
			if receive(t, cancelled).envelope != r.envelope {
				t.Error("CANCEL came in another envelope")
			}
		})
	}
}

// What was cancelled before it was sent is never sent.
func TestCancelUnsent(t *testing.T) {
	asked := 0
	f := serveFake(t, anyPort, func(request) bool { return false })
	c := dial(t, f.endpoint, 0)
	f.stop()
	ctx, cancel := context.WithTimeout(context.Background(), short)
	defer cancel()
	if _, err := c.Publish(ctx, "a", nil); err == nil {
		t.Fatal("nobody can have answered")
	}
	next := serveFake(t, f.endpoint, func(r request) bool {
		if _, ok := r.Request.(wire.Publish); ok {
			asked++
		}
		return false
	})
	if err := c.Ping(patient(t)); err != nil {
		t.Error(err)
	}
	next.stop()
	if asked > 0 {
		t.Error("it was sent")
	}
}

func TestStreamsPages(t *testing.T) {
	const streams = 9000
	name := func(i int) string { return fmt.Sprintf("s/%06d", i) }
	c := dial(t, serveFake(t, anyPort, func(r request) bool {
		q, ok := r.Request.(wire.Streams)
		if !ok {
			return false
		}
		n := q.Limit
		for i := range streams {
			if name(i) > string(q.After) && n > 0 {
				r.reply(wire.StreamReply{Name: []byte(name(i)), Last: uint64(i)})
				n--
			}
		}
		r.reply(wire.End{})
		return true
	}).endpoint, 0)
	n := 0
	for s, err := range c.Streams(patient(t), "s/", "") {
		if err != nil || s.Name != name(n) || s.Last != uint64(n) {
			t.Fatalf("stream %d: %+v, %v", n, s, err)
		}
		n++
	}
	if n != streams {
		t.Errorf("want %d, have %d", streams, n)
	}
}
