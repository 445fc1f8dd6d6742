package backup

import (
	"errors"
	"testing"

	"gorewind/store"
	"gorewind/wire"
)

// TestExplain: a daemon's errors say where to continue, as a store's do.
func TestExplain(t *testing.T) {
	var lost *store.Lost
	damaged := wire.Errorf(wire.Damaged, "go on", "it is damaged").With(wire.Hex("after", wire.ID(7)))
	if err := explain(damaged); !errors.As(err, &lost) || lost.After != 7 || !errors.Is(err, damaged) {
		t.Errorf("have %v", err)
	}
	if err := explain(wire.Errorf(wire.Damaged, "stop", "it is damaged")); errors.As(err, &lost) {
		t.Errorf("it does not say where to go on: %v", err)
	}
	if err := explain(nil); err != nil {
		t.Errorf("have %v", err)
	}
}
