package leveldb

import (
	"context"
	"fmt"
	"testing"

	"gorewind/store"
	"gorewind/store/storetest"
)

// TestP10ChunkOfReplacedEvents: a commit records the original size of its events,
// not of their replacements. A chunk of 16,384 seemingly small events once held all
// of them at once.
func TestP10ChunkOfReplacedEvents(t *testing.T) {
	d, err := OpenMemory(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const events = 18
	storetest.Append(t, d, "s", make([]string, events)...)
	large := string(make([]byte, store.MaxEvent))
	for id := range uint64(events) {
		replace(t, d, "s", id+1, large)
	}
	for _, backward := range []bool{false, true} {
		w := scanChunk{stretch: stretch{upTo: d.tip().Position, backward: backward}}
		found := 0
		for w.after < w.upTo {
			w.events, w.bytes = scanEvents, scanBytes
			read, reached, err := d.readScanChunk(t.Context(), nil, &w)
			if err != nil {
				t.Fatal(err)
			}
			if size := len(read) * store.MaxEvent; size > mergeBytes {
				t.Fatalf("backward %t: %d bytes are read at once", backward, size)
			}
			found += len(read)
			if backward {
				w.upTo = reached
			} else {
				w.after = reached
			}
		}
		if found != events {
			t.Errorf("backward %t: want %d events, have %d", backward, events, found)
		}
	}
}

// counted counts how often ctx.Err is called: once per chunk.
type counted struct {
	context.Context
	asked int
}

func (c *counted) Err() error {
	c.asked++
	return c.Context.Err()
}

// TestLimitPastMuchThatIsDeleted: a search for the first event once read chunks of
// one event, and parsed the commit again for each: 35 s for 100,000 deleted
// streams.
func TestLimitPastMuchThatIsDeleted(t *testing.T) {
	d, err := OpenMemory(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const streams = 20_000
	reqs := make([]store.Append, streams)
	for i := range reqs {
		reqs[i].Groups = []store.Group{{Stream: fmt.Append(nil, "s", i), Events: [][]byte{nil}}}
	}
	store.Await(func(done func([]store.Result)) { d.Append(reqs, done) })
	deleted := make(chan error, streams)
	for i := range reqs {
		d.Delete(store.Delete{Stream: reqs[i].Groups[0].Stream}, func(err error) { deleted <- err })
	}
	for range reqs {
		if err := <-deleted; err != nil {
			t.Fatal(err)
		}
	}
	storetest.Append(t, d, "left", "x")
	for _, backward := range []bool{false, true} {
		ctx := &counted{Context: t.Context()}
		found := 0
		for e, err := range d.Read(ctx, store.Range{Select: store.Prefix(nil), Limit: 1, Backward: backward}) {
			if err != nil {
				t.Fatal(err)
			}
			if string(e.Stream) == "left" {
				found++
			}
		}
		const chunks = 50
		if found != 1 || ctx.asked > chunks {
			t.Errorf("backward %t: found %d, want at most %d chunks, have %d", backward, found, chunks, ctx.asked)
		}
	}
}
