package leveldb

import (
	"fmt"
	"testing"

	"gorewind/store"
	"gorewind/store/leveldb/internal/record"
	"gorewind/store/storetest"
)

// TestCounters compares with Go's map, over many growths.
func TestCounters(t *testing.T) {
	r, _ := storetest.Rand(t)
	c, model := new(counters), make(map[string]record.Counter)
	for i := range 20_000 {
		name := []byte(fmt.Sprint(r.IntN(10_000)))
		at := c.find(name, hashStream(name))
		want, known := model[string(name)]
		if known != (at >= 0) || known && c.entries[at].Counter != want {
			t.Fatalf("%s: want %v, %v, have entry %d", name, want, known, at)
		}
		k := record.Counter{Number: uint64(i + 1), Last: r.Uint64()}
		if !known {
			at = c.insert(name, hashStream(name), k)
		}
		c.entries[at].Counter = k
		model[string(name)] = k
	}
	if len(c.entries) != len(model) {
		t.Errorf("want %d streams, have %d", len(model), len(c.entries))
	}
}

// TestCountersThatCollide: streams of one hash are told apart by their names.
func TestCountersThatCollide(t *testing.T) {
	c := new(counters)
	for i := range 100 {
		c.insert(fmt.Append(nil, i), 7, record.Counter{Number: uint64(i + 1)})
	}
	for i := range 100 {
		if at := c.find(fmt.Append(nil, i), 7); at < 0 || c.entries[at].Number != uint64(i+1) {
			t.Errorf("stream %d: have entry %d", i, at)
		}
	}
	if at := c.find([]byte("100"), 7); at >= 0 {
		t.Errorf("want none, have entry %d", at)
	}
}

// TestCountersAreForgotten: ids go on where the cache has let go of a stream, by
// way of the older generation or of the disk.
func TestCountersAreForgotten(t *testing.T) {
	d, err := OpenMemory(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for i := range uint64(4) {
		if id := storetest.Append(t, d, "a", "x"); id != i+1 {
			t.Fatalf("want id %d, have %d", i+1, id)
		}
		d.turn.Lock()
		d.streams.mu.Lock()
		if d.streams.old, d.streams.young = d.streams.young, new(counters); i == 2 {
			d.streams.old = new(counters)
		}
		d.streams.mu.Unlock()
		d.turn.Unlock()
		if n := len(storetest.Read(t, d, store.Range{Stream: []byte("a")})); n != int(i+1) {
			t.Fatalf("want %d events, have %d", i+1, n)
		}
	}
}
