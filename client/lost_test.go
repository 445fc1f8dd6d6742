package client_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/client"
	"gorewind/wire"
)

const short = 300 * time.Millisecond

// deaf is a fake that hears nothing over its first connection once it has
// been asked for something that deafens reports.
func deaf(deafens func(request) bool, answer func(request) bool) func(request) bool {
	first, isDeaf := "", false
	return func(r request) bool {
		if first == "" {
			first = r.peer
		}
		if r.peer == first && (isDeaf || deafens(r)) {
			isDeaf = true
			return true
		}
		return answer(r)
	}
}

func TestSilenceRepeatsReads(t *testing.T) {
	isCursor := func(r request) bool { _, ok := r.Request.(wire.Cursor); return ok }
	f := serveFake(t, anyPort, deaf(isCursor, func(r request) bool {
		if isCursor(r) {
			r.reply(wire.CursorReply{ID: 7})
			return true
		}
		return false
	}))
	c := dial(t, f.endpoint, short)
	if have, err := c.Cursor(patient(t), "mail", "a"); err != nil || have != 7 {
		t.Errorf("want 7, have %d and %v", have, err)
	}
}

func TestSilenceLeavesAWriteUnknown(t *testing.T) {
	asked := 0
	f := serveFake(t, anyPort, deaf(func(r request) bool {
		_, ok := r.Request.(wire.Publish)
		return ok
	}, func(r request) bool {
		if _, ok := r.Request.(wire.Publish); ok {
			asked++
		}
		return false
	}))
	c := dial(t, f.endpoint, short)
	if _, err := c.Publish(patient(t), "a", nil); !client.IsCode(err, wire.OutcomeUnknown) {
		t.Errorf("want OUTCOME-UNKNOWN, have %v", err)
	}
	if err := c.Ping(patient(t)); err != nil {
		t.Errorf("over the next connection: %v", err)
	}
	f.stop()
	if asked > 0 {
		t.Error("the PUBLISH was sent again")
	}
}

func TestSilenceRepeatsAnAppendUnderItsKey(t *testing.T) {
	isAppend := func(r request) bool { _, ok := r.Request.(wire.Append); return ok }
	f := serveFake(t, anyPort, deaf(isAppend, func(r request) bool {
		if a, ok := r.Request.(wire.Append); ok {
			if string(a.Key) != "once" {
				t.Errorf("the key is %q", a.Key)
			}
			r.reply(wire.Appended{IDs: []uint64{3}})
		}
		return isAppend(r)
	}))
	c := dial(t, f.endpoint, short)
	a := client.Append{Key: "once", Groups: []client.Group{{Stream: "a", Events: [][]byte{nil}}}}
	if ids, err := c.Append(patient(t), a); err != nil || len(ids) != 1 || ids[0] != 3 {
		t.Errorf("want 3, have %v and %v", ids, err)
	}
}

// A restart of the server ended every program that commits. To go back is another
// matter: a repetition may take back what somebody else has committed since.
func TestSilenceRepeatsACommit(t *testing.T) {
	for _, rewind := range []bool{false, true} {
		isCommit := func(r request) bool { _, ok := r.Request.(wire.Commit); return ok }
		f := serveFake(t, anyPort, deaf(isCommit, func(r request) bool {
			if c, ok := r.Request.(wire.Commit); ok {
				r.reply(wire.Committed{ID: c.ID})
			}
			return isCommit(r)
		}))
		c := dial(t, f.endpoint, short)
		err := c.Commit(patient(t), client.Commit{Consumer: "mail", Stream: "a", ID: 3, Rewind: rewind})
		if !rewind && err != nil || rewind && !client.IsCode(err, wire.OutcomeUnknown) {
			t.Errorf("rewind %t: %v", rewind, err)
		}
	}
}

// A server that is busy but there keeps its connection: it answers PING.
func TestPingKeepsAConnection(t *testing.T) {
	peers, pings := make(map[string]bool), 0
	f := serveFake(t, anyPort, func() func(request) bool {
		var waiting func(...wire.Reply)
		return func(r request) bool {
			peers[r.peer] = true
			switch q := r.Request.(type) {
			case wire.Publish:
				waiting = r.reply
				return true
			case wire.Ping:
				r.reply(wire.Pong(q))
				if pings++; pings == 6 { // twice the timeout has passed
					waiting(wire.Published{ID: 1})
				}
				return true
			}
			return false
		}
	}())
	c := dial(t, f.endpoint, short)
	if id, err := c.Publish(patient(t), "a", nil); err != nil || id != 1 {
		t.Errorf("want 1, have %d and %v", id, err)
	}
	f.stop()
	if len(peers) != 1 {
		t.Errorf("want one connection, have %d", len(peers))
	}
}

// A follower of which neither events nor LIVE come is asked for again, from
// where it was, though the server answers PING.
func TestFollowWithoutLive(t *testing.T) {
	var asked []wire.Query
	f := serveFake(t, anyPort, func(r request) bool {
		q, ok := r.Request.(wire.Query)
		if ok {
			asked = append(asked, q)
			if len(asked) == 1 {
				r.reply(eventsAfter(0, 2, nil)...)
				r.reply(wire.Live{})
			} else {
				r.reply(eventsAfter(2, 1, nil)...)
			}
		}
		return ok
	})
	c := dial(t, f.endpoint, short)
	var ids []uint64
	lives := 0
	for e, err := range c.Follow(patient(t), "a", client.QueryOptions{OnLive: func() { lives++ }}) {
		if err != nil {
			t.Fatal(err)
		}
		if ids = append(ids, e.ID); len(ids) == 3 {
			break
		}
	}
	f.stop()
	if fmt.Sprint(ids) != "[1 2 3]" || lives != 1 {
		t.Errorf("want 1 2 3 and one LIVE, have %v and %d", ids, lives)
	}
	if len(asked) != 2 || asked[1].After != client.Some(2) || asked[1].Store != "5a.1" {
		t.Errorf("the second QUERY: %+v", asked)
	}
}

func TestStoppingRepeats(t *testing.T) {
	stopping := wire.Errorf(wire.Stopping, "ask again soon", "the server stops")
	for _, c := range []struct {
		name string
		call func(context.Context, *client.Client) error
		is   error
	}{
		{"Cursor", func(ctx context.Context, c *client.Client) error { _, err := c.Cursor(ctx, "mail", ""); return err }, nil},
		{"Append with a key", func(ctx context.Context, c *client.Client) error {
			_, err := c.Append(ctx, client.Append{Key: "k", Groups: []client.Group{{Stream: "a", Events: [][]byte{nil}}}})
			return err
		}, nil},
		{"Publish", func(ctx context.Context, c *client.Client) error { _, err := c.Publish(ctx, "a", nil); return err }, stopping},
	} {
		t.Run(c.name, func(t *testing.T) {
			first := ""
			f := serveFake(t, anyPort, func(r request) bool {
				if first == "" {
					first = r.peer
				}
				switch r.Request.(type) {
				case wire.Info, wire.Ping:
					return false
				}
				if r.peer == first {
					r.reply(stopping)
					return true
				}
				switch r.Request.(type) {
				case wire.Cursor:
					r.reply(wire.CursorReply{ID: 1})
				case wire.Append:
					r.reply(wire.Appended{IDs: []uint64{1}})
				}
				return true
			})
			err := c.call(patient(t), dial(t, f.endpoint, 0))
			if (err == nil) != (c.is == nil) || err != nil && err.Error() != c.is.Error() {
				t.Errorf("want %v, have %v", c.is, err)
			}
		})
	}
}

func TestAnotherStore(t *testing.T) {
	live := make(chan struct{}, 1)
	f := serveFake(t, anyPort, func(r request) bool {
		_, ok := r.Request.(wire.Query)
		if ok {
			r.reply(wire.Live{})
		}
		return ok
	})
	c := dial(t, f.endpoint, 0)
	failed := make(chan error, 1)
	go func() { // ends when the store is another
		for _, err := range c.Follow(context.Background(), "a", client.QueryOptions{OnLive: func() { live <- struct{}{} }}) {
			failed <- err
		}
	}()
	receive(t, live)
	f.stop()
	serveFake(t, f.endpoint, func(r request) bool {
		if _, ok := r.Request.(wire.Info); !ok {
			t.Errorf("the client sent %T to another store", r.Request)
		}
		greet(r, "5b")
		return true
	})
	if err := receive(t, failed); !client.IsCode(err, wire.OtherStore) {
		t.Errorf("Follow: want OTHER-STORE, have %v", err)
	}
	for _, err := range c.Query(patient(t), "a", client.QueryOptions{}) {
		if !client.IsCode(err, wire.OtherStore) {
			t.Errorf("Query: want OTHER-STORE, have %v", err)
		}
	}
	if _, err := c.Publish(patient(t), "a", nil); !client.IsCode(err, wire.OtherStore) {
		t.Errorf("Publish: want OTHER-STORE, have %v", err)
	}
}

func TestMalformedAnswers(t *testing.T) {
	publish := func(ctx context.Context, c *client.Client) error { _, err := c.Publish(ctx, "a", nil); return err }
	query := func(ctx context.Context, c *client.Client) error {
		for _, err := range c.Query(ctx, "a", client.QueryOptions{}) {
			if err != nil {
				return err
			}
		}
		return nil
	}
	follow := func(ctx context.Context, c *client.Client) error {
		for _, err := range c.Follow(ctx, "a", client.QueryOptions{}) {
			return err
		}
		return nil
	}
	for _, c := range []struct {
		name  string
		call  func(context.Context, *client.Client) error
		reply wire.Reply
	}{
		{"no frames", publish, raw{}},
		{"no word", publish, raw{[]byte("published"), wire.ID(1)}},
		{"short id", publish, raw{[]byte("PUBLISHED"), []byte("1")}},
		{"another command's", publish, wire.Deleted{}},
		{"an answer that is no part of one", query, wire.Published{ID: 1}},
		{"EVENT without data", query, raw{[]byte("EVENT"), wire.ID(1)}},
		{"LIVE without follow", query, wire.Live{}},
		{"END of follow", follow, wire.End{}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := serveFake(t, anyPort, func(r request) bool {
				switch r.Request.(type) {
				case wire.Info, wire.Ping:
					return false
				case wire.Cancel:
					return true
				}
				r.reply(c.reply)
				return true
			})
			cl := dial(t, f.endpoint, 0)
			if err := c.call(patient(t), cl); !errors.Is(err, wire.ErrReply) {
				t.Errorf("want ErrReply, have %v", err)
			}
			if err := cl.Ping(patient(t)); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// More events than were asked for are no answer either.
func TestTooManyEvents(t *testing.T) {
	f := serveFake(t, anyPort, func(r request) bool {
		q, ok := r.Request.(wire.Query)
		if ok {
			r.reply(eventsAfter(0, q.Limit+1, nil)...)
		}
		return ok
	})
	c := dial(t, f.endpoint, 0)
	n := 0
	for _, err := range c.Query(patient(t), "a", client.QueryOptions{Limit: 3}) {
		if err != nil && !errors.Is(err, wire.ErrReply) {
			t.Errorf("want ErrReply, have %v", err)
		}
		if err == nil {
			n++
		}
	}
	if n != 3 {
		t.Errorf("want 3 events before the error, have %d", n)
	}
}

func TestDialFails(t *testing.T) {
	f := serveFake(t, anyPort, func(request) bool { return true })
	free := serveFake(t, anyPort, func(request) bool { return true })
	free.stop()
	pub, err := zmq.NewSocket(zmq.PUB)
	if err != nil {
		t.Fatal(err)
	}
	defer pub.Close()
	if err := pub.Bind(anyPort); err != nil {
		t.Fatal(err)
	}
	broadcasts, err := pub.GetLastEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	mute, err := net.Listen("tcp", "127.0.0.1:0") // as a server that is full
	if err != nil {
		t.Fatal(err)
	}
	defer mute.Close()
	for _, c := range []struct{ name, endpoint, says string }{
		{"nobody listens", free.endpoint, "connection refused or host unreachable"},
		{"no answer", f.endpoint, "connected, but no answer"},
		{"not even a handshake", "tcp://" + mute.Addr().String(), "connected, but no answer: the server may be full"},
		{"where events are broadcast", broadcasts, "for something else"},
		{"no endpoint", "localhost", "give one such as"},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), short)
			defer cancel()
			_, err := client.Dial(ctx, client.Options{Endpoint: c.endpoint})
			if err == nil || !strings.Contains(err.Error(), c.says) || strings.Count(err.Error(), c.endpoint) != 1 {
				t.Errorf("want %q, and the endpoint once, have %v", c.says, err)
			}
		})
	}
}
