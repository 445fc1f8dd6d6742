package leveldb

import (
	"testing"

	"gorewind/store"
)

// TestTailKeepsLittleOfEmptyEvents: commits of empty events were once kept for
// ever, because only bytes of data counted.
func TestTailKeepsLittleOfEmptyEvents(t *testing.T) {
	d, err := OpenMemory(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	d.recent.join(+1)
	defer d.recent.join(-1)
	reqs := make([]store.Append, store.MaxCommitEvents)
	for i := range reqs {
		reqs[i] = store.Append{Groups: []store.Group{{Stream: []byte("s"), Events: [][]byte{nil}}}}
	}
	done := make(chan []store.Result, 1)
	for range 20 {
		d.Append(reqs, func(r []store.Result) { done <- r })
		if r := <-done; r[0].Err != nil {
			t.Fatal(r[0].Err)
		}
	}
	d.recent.mu.Lock()
	defer d.recent.mu.Unlock()
	kept := 0
	for _, c := range d.recent.commits {
		kept += len(c.events)
	}
	if most := 2 * recentBytes / 64; kept > most {
		t.Errorf("want at most about %d events kept, have %d", most, kept)
	}
}
