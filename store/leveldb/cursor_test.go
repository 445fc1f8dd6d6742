package leveldb

import (
	"testing"

	"gorewind/store"
)

// TestCursorAtAnEventOfItsCommit: a request sees the effects of earlier requests in
// the same commit.
func TestCursorAtAnEventOfItsCommit(t *testing.T) {
	d, err := OpenMemory(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	appended, whole, one := make(chan []store.Result, 1), make(chan error, 1), make(chan error, 1)
	d.turn.Lock() // until all of them wait
	d.Append([]store.Append{{Groups: []store.Group{{Stream: []byte("s"), Events: [][]byte{nil}}}}}, func(r []store.Result) { appended <- r })
	d.SetCursor(store.Cursor{Consumer: []byte("c"), ID: 1}, func(err error) { whole <- err })
	d.SetCursor(store.Cursor{Consumer: []byte("c"), Stream: []byte("s"), ID: 1}, func(err error) { one <- err })
	d.turn.Unlock()
	if r := <-appended; r[0].Err != nil {
		t.Fatal(r[0].Err)
	}
	if err := <-whole; err != nil {
		t.Errorf("in the whole store: %v", err)
	}
	if err := <-one; err != nil {
		t.Errorf("in the stream: %v", err)
	}
}
