package leveldb

import (
	"testing"

	"gorewind/store"
	"gorewind/store/storetest"
)

// TestP10WindowOfReplacedEvents: a commit says how large its events were, and not
// those that they were replaced by. A window of 16,384 that look small held all of
// them at once.
func TestP10WindowOfReplacedEvents(t *testing.T) {
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
		w := window{upTo: d.tip().position, backward: backward}
		found := 0
		for w.after < w.upTo {
			w.events, w.octets = windowEvents, windowOctets
			read, reached, err := d.readWindow(t.Context(), nil, &w)
			if err != nil {
				t.Fatal(err)
			}
			if octets := len(read) * store.MaxEvent; octets > mergeOctets {
				t.Fatalf("backward %t: %d octets are read at once", backward, octets)
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
