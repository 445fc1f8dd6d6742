package datadir

import (
	"encoding/hex"
	"testing"
)

// TestHighwaterLayout pins what a slot has on disk, byte by byte.
func TestHighwaterLayout(t *testing.T) {
	const want = "0000000000000005" + "0000000000000006" + "6772776877303031" + "cf3aea99"
	if have := hex.EncodeToString(Highwater{5, 6}.encode()); have != want {
		t.Errorf("want %s, have %s", want, have)
	}
}

func FuzzHighwater(f *testing.F) {
	f.Add(Highwater{1, 2}.encode())
	f.Fuzz(func(t *testing.T, b []byte) { parseHighwater(b) })
}
