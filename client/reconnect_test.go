package client_test

import (
	"context"
	"fmt"
	"testing"

	"gorewind/client"
	"gorewind/wire"
)

// A server ends in the middle of an answer, and another one goes on.
func TestReconnect(t *testing.T) {
	const n = 20_000
	big := make([][]byte, n/2)
	fill := func(t *testing.T, c *client.Client) {
		for range 2 {
			if _, err := c.Append(patient(t), client.Append{Groups: []client.Group{{Stream: "a", Events: big}}}); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, follow := range []bool{false, true} {
		t.Run(fmt.Sprintf("follow=%v", follow), func(t *testing.T) {
			events := openMemory(t)
			router, stop := serve(t, anyPort, events)
			c := dial(t, router, 0)
			fill(t, c)
			read := c.Query
			if follow {
				read = c.Follow
			}
			id := uint64(0)
			for e, err := range read(patient(t), "a", client.QueryOptions{}) {
				if id++; err != nil || e.ID != id {
					t.Fatalf("want %d, have %d and %v", id, e.ID, err)
				}
				if id%7000 == 0 {
					stop()
					_, stop = serve(t, router, events)
				}
				if follow && id == n { // it has caught up, or is about to
					stop()
					_, stop = serve(t, router, events)
					publish(t, c, "a", "")
				}
				if follow && id == n+1 {
					break
				}
			}
			if !follow && id != n {
				t.Errorf("want %d events, have %d", n, id)
			}
		})
	}
}

// Live events come through restarts, each once.
func TestReconnectLive(t *testing.T) {
	events := openMemory(t)
	router, stop := serve(t, anyPort, events)
	c := dial(t, router, 0)
	const rounds = 5
	lives := make(chan struct{}, 1000)
	ids := make(chan uint64, 1000)
	ctx, cancel := context.WithCancel(patient(t))
	done := make(chan struct{})
	go func() { // ends with ctx
		defer close(done)
		o := client.QueryOptions{Match: client.MatchPrefix, OnLive: func() { lives <- struct{}{} }}
		for e, err := range c.Follow(ctx, "", o) {
			if err != nil {
				if ctx.Err() == nil {
					t.Error(err)
				}
				return
			}
			ids <- e.ID
		}
	}()
	for round := range uint64(rounds) {
		receive(t, lives)
		publish(t, c, "a", "x")
		if id := receive(t, ids); id != round+1 {
			t.Fatalf("want %d, have %d", round+1, id)
		}
		stop()
		_, stop = serve(t, router, events)
	}
	cancel()
	<-done
	if len(ids) > 0 {
		t.Errorf("%d events came twice", len(ids))
	}
}

// A keyed Append is stored once, however often the server ends under it.
func TestReconnectAppend(t *testing.T) {
	events := openMemory(t)
	router, stop := serve(t, anyPort, events)
	c := dial(t, router, 0)
	const appends = 300
	done := make(chan error, 1)
	at := make(chan int, appends)
	go func() { // ends with the last
		for i := range appends {
			ids, err := c.Append(patient(t), client.Append{
				Key: fmt.Sprint(i), Groups: []client.Group{{Stream: "a", Events: [][]byte{nil}}},
			})
			if err != nil || ids[0] != uint64(i+1) {
				done <- fmt.Errorf("append %d: %v, %v", i, ids, err)
				return
			}
			at <- i
		}
		done <- nil
	}()
	for i := range appends {
		select {
		case <-at:
		case err := <-done:
			t.Fatal(err)
		}
		if i%60 == 30 {
			stop()
			_, stop = serve(t, router, events)
		}
	}
	if err := receive(t, done); err != nil {
		t.Error(err)
	}
}

// What reads and has not begun waits for the server, and what writes too.
func TestCallsWaitForTheServer(t *testing.T) {
	events := openMemory(t)
	router, stop := serve(t, anyPort, events)
	c := dial(t, router, 0)
	stop()
	done := make(chan error, 2)
	go func() { done <- c.Ping(patient(t)) }() // both end when the server is there
	go func() {
		_, err := c.Publish(patient(t), "a", nil)
		for client.IsCode(err, wire.OutcomeUnknown) { // it was sent before the end of the connection was seen
			_, err = c.Publish(patient(t), "a", nil)
		}
		done <- err
	}()
	serve(t, router, events)
	for range 2 {
		if err := receive(t, done); err != nil {
			t.Error(err)
		}
	}
}
