package pack

import (
	"slices"
	"testing"
	"time"

	"gorewind/store"
	"gorewind/wire"
)

// TestPackingDoesNotAllocate for each event.
func TestPackingDoesNotAllocate(t *testing.T) {
	e := &store.Event{Stream: []byte("s"), ID: 1, Position: 2, Time: time.Now(), Data: []byte("x")}
	var env Envelope
	var s Stamp
	b := make([]byte, 0, 1000)
	s.of(e.Time)
	for name, pack := range map[string]func(){
		"event":  func() { env.Event(b, 1, e.Data) },
		"meta":   func() { env.Meta(b, 1, e, &s) },
		"stream": func() { env.Stream(b, e.Stream, 1) },
	} {
		if n := testing.AllocsPerRun(100, pack); n > 0 {
			t.Errorf("%s: %v allocations", name, n)
		}
	}
	want := wire.Event{ID: 7, Data: e.Data, Meta: &wire.Meta{Stream: e.Stream, ID: e.ID, Position: e.Position, Time: e.Time}}
	if have, want := env.Meta(nil, 7, e, new(Stamp)), env.Pack(nil, want.Frames()); !slices.Equal(want, have) {
		t.Errorf("want %q, have %q", want, have)
	}
}
