package client_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"gorewind/client"
	"gorewind/server"
	"gorewind/store/leveldb"
	"gorewind/wire"
)

// run serves an empty store in memory, which a program need not do: it dials
// the endpoint of a server that runs.
func run() (endpoint string, stop func()) {
	events, err := leveldb.OpenMemory(leveldb.Options{})
	if err != nil {
		log.Fatal(err)
	}
	s, err := server.New(server.Options{Router: []string{anyPort}, Pub: []string{anyPort}})
	if err != nil {
		log.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, events) }() // ends with stop
	return s.RouterAddrs()[0], func() {
		cancel()
		if err := <-done; err != nil {
			log.Fatal(err)
		}
		if err := events.Close(); err != nil {
			log.Fatal(err)
		}
	}
}

func Example() {
	endpoint, stop := run()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := client.Dial(ctx, client.Options{Endpoint: endpoint})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for _, data := range []string{"opened", "credited 100"} {
		if _, err := c.Publish(ctx, "account/17", []byte(data)); err != nil {
			log.Fatal(err)
		}
	}
	for event, err := range c.Query(ctx, "account/17", client.QueryOptions{}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s %d: %s\n", event.Stream, event.ID, event.Data)
	}
	// Output:
	// account/17 1: opened
	// account/17 2: credited 100
}

// A decision is stored only if nothing has happened since it was made.
func ExampleClient_Append() {
	endpoint, stop := run()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := client.Dial(ctx, client.Options{Endpoint: endpoint})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	open := client.Append{
		Key:    "order 7", // repeated, it is stored once
		Groups: []client.Group{{Stream: "account/17", Expected: client.Some(0), Events: [][]byte{[]byte("opened")}}},
	}
	for range 2 {
		ids, err := c.Append(ctx, open)
		fmt.Println(ids, err)
	}
	open.Key = "order 8"
	_, err = c.Append(ctx, open)
	if conflict, ok := client.AsConflict(err); ok {
		fmt.Printf("%s is at %d already\n", conflict.Stream, conflict.Last)
	}
	// Output:
	// [1] <nil>
	// [1] <nil>
	// account/17 is at 1 already
}

// Selections are in the order of commits, and go on from a position.
func ExampleClient_Query_selection() {
	endpoint, stop := run()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := client.Dial(ctx, client.Options{Endpoint: endpoint})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for _, stream := range []string{"account/17", "customer/3", "account/18"} {
		if _, err := c.Publish(ctx, stream, []byte("opened")); err != nil {
			log.Fatal(err)
		}
	}
	o := client.QueryOptions{Match: client.MatchGlob}
	for event, err := range c.Query(ctx, "account/*", o) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(event.Stream, event.ID)
	}
	// Output:
	// account/17 1
	// account/18 1
}

// A consumer goes on where it was when it ran last.
func ExampleClient_Follow() {
	endpoint, stop := run()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := client.Dial(ctx, client.Options{Endpoint: endpoint})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for _, data := range []string{"a", "b", "c"} {
		if _, err := c.Publish(ctx, "mail", []byte(data)); err != nil {
			log.Fatal(err)
		}
	}
	for range 2 {
		o := client.QueryOptions{Consumer: "sender"}
		for event, err := range c.Follow(ctx, "mail", o) {
			if err != nil {
				log.Fatal(err)
			}
			fmt.Printf("send %s\n", event.Data)
			done := client.Commit{Consumer: "sender", Stream: "mail", ID: event.ID}
			if err := c.Commit(ctx, done); err != nil {
				log.Fatal(err)
			}
			break // the process ends here
		}
	}
	// Output:
	// send a
	// send b
}

func ExampleIsCode() {
	endpoint, stop := run()
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := client.Dial(ctx, client.Options{Endpoint: endpoint})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	for _, err := range c.Query(ctx, "account/17", client.QueryOptions{After: 5}) {
		fmt.Println(client.IsCode(err, wire.UnknownID))
	}
	// Output: true
}
