// The example in Go appends COUNT events to a stream and queries the stream; then
// it follows it in the two ways that there are, while it appends COUNT more. See
// README.rst one up.
//
// usage: go run ./examples/go ROUTER PUB STREAM COUNT
package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"log"
	"os"
	"strconv"
	"syscall"
	"time"

	zmq "github.com/pebbe/zmq4"

	"gorewind/client"
)

type example struct {
	*client.Client // sends again what may be sent again, over another connection
	pub, stream    string
	silence        time.Duration // followers hear something every 10 s
	last           uint64        // id of the last event that append knows
	count          int           // of events that it appended
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 5 {
		log.Fatal("usage: client ROUTER PUB STREAM COUNT")
	}
	count, err := strconv.Atoi(os.Args[4])
	if err != nil {
		log.Fatal(err)
	}
	silence, err := time.ParseDuration(cmp.Or(os.Getenv("SILENCE"), "30") + "s")
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	c, err := client.Dial(ctx, client.Options{Endpoint: os.Args[1], Timeout: silence})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	x := &example{Client: c, pub: os.Args[2], stream: os.Args[3], silence: silence}
	if err := x.run(ctx, count); err != nil {
		log.Fatal(err)
	}
}

func (x *example) run(ctx context.Context, count int) error {
	for range count {
		if err := x.append(ctx); err != nil {
			return err
		}
	}
	for e, err := range x.Query(ctx, x.stream, client.QueryOptions{}) {
		if err != nil {
			return err
		}
		fmt.Printf("queried %d %s\n", e.ID, e.Data)
	}
	if err := x.live(ctx, "followed", count, x.Follow(ctx, x.stream, client.QueryOptions{})); err != nil {
		return err
	}
	return x.live(ctx, "subscribed", count, x.subscribe(ctx))
}

// append adds an event, on condition that it comes right behind the last that is
// known.
func (x *example) append(ctx context.Context) error {
	x.count++
	data := fmt.Appendf(nil, "go %d", x.count)
	key := rand.Text() // under it the event is stored once, however often it is sent
	for {
		ids, err := x.Append(ctx, client.Append{Key: key, Groups: []client.Group{
			{Stream: x.stream, Expected: client.Some(x.last), Events: [][]byte{data}},
		}})
		if conflict, ok := client.AsConflict(err); ok {
			x.last = conflict.Last // who decides by the events reads on to here first
			continue
		}
		if err != nil {
			return err
		}
		x.last = ids[0]
		fmt.Printf("published %d %s\n", x.last, data)
		return nil
	}
}

// live prints events, and appends one whenever what it appended last has come back.
func (x *example) live(ctx context.Context, verb string, count int, events iter.Seq2[client.Event, error]) error {
	end := x.count + count
	for e, err := range events {
		if err != nil {
			return err
		}
		fmt.Printf("%s %d %s\n", verb, e.ID, e.Data)
		if e.ID < x.last {
			continue
		}
		if x.count == end {
			break
		}
		if err := x.append(ctx); err != nil {
			return err
		}
	}
	return nil
}

// subscribe yields what Follow does, from broadcasts, of which some may be lost.
func (x *example) subscribe(ctx context.Context) iter.Seq2[client.Event, error] {
	return func(yield func(client.Event, error) bool) {
		s, err := zmq.NewSocket(zmq.SUB)
		if err != nil {
			yield(client.Event{}, err)
			return
		}
		defer s.Close()
		// It comes before the first Query, so that nothing is between them.
		err = errors.Join(s.SetRcvhwm(100_000), s.SetRcvtimeo(x.silence), s.SetSubscribe(x.stream), s.Connect(x.pub))
		if err != nil {
			yield(client.Event{}, err)
			return
		}
		for last := uint64(0); ; {
			for e, err := range x.Query(ctx, x.stream, client.QueryOptions{After: last, Nearest: true}) {
				if !yield(e, err) || err != nil {
					return
				}
				last = e.ID
			}
			for {
				message, err := s.RecvMessageBytes(0)
				if err != nil && zmq.AsErrno(err) == zmq.Errno(syscall.EAGAIN) {
					break // the newest may be lost
				}
				if err != nil {
					yield(client.Event{}, err)
					return
				}
				id := binary.BigEndian.Uint64(message[1])
				if string(message[0]) != x.stream || id <= last {
					continue
				}
				if id > last+1 {
					break // some were lost: the Query has them, and this one
				}
				last = id
				if !yield(client.Event{Stream: x.stream, ID: id, Data: message[2]}, nil) {
					return
				}
			}
		}
	}
}
