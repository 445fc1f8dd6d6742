package store_test

import (
	"context"
	"errors"
	"fmt"
	"log"

	"gorewind/store"
	"gorewind/store/leveldb"
)

// open returns a store in memory. One on disk is opened by leveldb.Open.
func open() store.Store {
	s, err := leveldb.OpenMemory(leveldb.Options{})
	if err != nil {
		log.Fatal(err)
	}
	return s
}

// add appends events to a stream.
func add(s store.Store, stream string, events ...string) store.Result {
	g := store.Group{Stream: []byte(stream)}
	for _, e := range events {
		g.Events = append(g.Events, []byte(e))
	}
	return appended(s, store.Append{Groups: []store.Group{g}})
}

// appended waits until an Append is durable.
func appended(s store.Store, a store.Append) store.Result {
	return store.Await(func(done func([]store.Result)) { s.Append([]store.Append{a}, done) })[0]
}

// A request takes effect only if the stream is where its writer believes it to
// be, and its key makes it safe to send it again.
func ExampleStore_append() {
	s := open()
	defer s.Close()
	open := store.Append{
		Key: []byte("4711"),
		Groups: []store.Group{
			{Stream: []byte("account/1"), Expected: store.Some(0), Events: [][]byte{[]byte("opened"), []byte("paid in 10")}},
			{Stream: []byte("audit"), Events: [][]byte{[]byte("account 1 opened")}},
		},
	}
	r := appended(s, open)
	fmt.Println(r.IDs, r.Err)

	// The answer got lost: the same request again.
	r = appended(s, open)
	fmt.Println(r.IDs, r.Err)

	// Somebody else who expects the stream to be empty.
	open.Key = []byte("4712")
	r = appended(s, open)
	var conflict *store.Conflict
	if errors.As(r.Err, &conflict) {
		fmt.Printf("%s is at %d\n", conflict.Stream, conflict.Last)
	}
	// Output:
	// [2 1] <nil>
	// [2 1] <nil>
	// account/1 is at 2
}

func ExampleStore_read() {
	s := open()
	defer s.Close()
	add(s, "account/1", "opened", "paid in 10", "paid out 3", "closed")

	// The last two events, the last one first.
	r := store.Range{Stream: []byte("account/1"), Backward: true, Limit: 2}
	for e, err := range s.Read(context.Background(), r) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.ID, string(e.Data))
	}

	// Those after the first, up to the third.
	r = store.Range{Stream: []byte("account/1"), After: store.Some(1), UpTo: store.Some(3)}
	for e, err := range s.Read(context.Background(), r) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.ID, string(e.Data))
	}
	// Output:
	// 4 closed
	// 3 paid out 3
	// 2 paid in 10
	// 3 paid out 3
}

// A selection reads several streams in the order in which they were written.
func ExampleSelection() {
	s := open()
	defer s.Close()
	add(s, "account/1", "opened")
	add(s, "account/1/card", "ordered")
	add(s, "account/2", "opened")
	add(s, "audit", "2 accounts")
	add(s, "account/1", "closed")

	accounts, err := store.Glob('/', []byte("account/*"))
	if err != nil {
		log.Fatal(err)
	}
	if err := accounts.Also('/', []byte("audit")); err != nil {
		log.Fatal(err)
	}
	for e, err := range s.Read(context.Background(), store.Range{Select: accounts}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s: %s\n", e.Stream, e.Data)
	}
	// Output:
	// account/1: opened
	// account/2: opened
	// audit: 2 accounts
	// account/1: closed
}

// A follower gets what there is and then what comes, each event once.
func ExampleStore_tail() {
	s := open()
	defer s.Close()
	add(s, "a", "one", "two")
	var position uint64 // of the last event that was handled
	for events, err := range s.Tail(context.Background(), position) {
		if err != nil {
			log.Fatal(err)
		}
		for _, e := range events {
			fmt.Printf("%s %d: %s\n", e.Stream, e.ID, e.Data)
			position = e.Position
		}
		fmt.Println("handled up to position", position)
		if events[len(events)-1].ID == 3 {
			break
		}
		add(s, "a", "three")
	}
	// Output:
	// a 1: one
	// a 2: two
	// handled up to position 2
	// a 3: three
	// handled up to position 3
}

// What must not be kept is replaced or deleted; ids go on as if it were there.
func ExampleStore_erase() {
	s := open()
	defer s.Close()
	stream := []byte("customer/7")
	add(s, "customer/7", "name: Jane", "moved", "left")

	err := store.Await(func(done func(error)) {
		s.Replace(store.Replace{Stream: stream, ID: 1, Data: []byte("name: -")}, done)
	})
	fmt.Println(err)
	for e := range s.Read(context.Background(), store.Range{Stream: stream, Limit: 1}) {
		fmt.Println(e.ID, string(e.Data))
	}

	err = store.Await(func(done func(error)) { s.Delete(store.Delete{Stream: stream}, done) })
	fmt.Println(err)
	fmt.Println(add(s, "customer/7", "came back").IDs)
	// Output:
	// <nil>
	// 1 name: -
	// <nil>
	// [4]
}

// A consumer goes on where it was.
func ExampleStore_cursor() {
	s := open()
	defer s.Close()
	consumer, stream := []byte("invoices"), []byte("orders")
	add(s, "orders", "1 book", "2 pens", "1 lamp")

	err := store.Await(func(done func(error)) {
		s.SetCursor(store.Cursor{Consumer: consumer, Stream: stream, ID: 2}, done)
	})
	if err != nil {
		log.Fatal(err)
	}

	at, err := s.Cursor(context.Background(), consumer, stream)
	if err != nil {
		log.Fatal(err)
	}
	// Nearest: by now the event may have been deleted.
	r := store.Range{Stream: stream, After: store.Some(at), Nearest: true}
	for e, err := range s.Read(context.Background(), r) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(e.ID, string(e.Data))
	}

	err = store.Await(func(done func(error)) {
		s.SetCursor(store.Cursor{Consumer: consumer, Stream: stream, ID: 1}, done)
	})
	fmt.Println(errors.Is(err, store.ErrBehind), err)
	// Output:
	// 3 1 lamp
	// true the cursor is at 2 already
}
