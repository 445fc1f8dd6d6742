package repair

import (
	"testing"

	"gorewind/store/leveldb/internal/record"
)

func TestSolve(t *testing.T) {
	value := []byte("what a record has besides")
	f := func(x uint64) uint64 { return record.Chain(x, 7, value) }
	for _, want := range []uint64{0, 1, 1 << 63, 0x123456789abcdef} {
		if x := solve(f, want); f(x) != want {
			t.Errorf("want %x, have %x", want, f(x))
		}
	}
}
