package wire

import (
	"bytes"
	"strings"
	"testing"
)

func frames(parts ...string) [][]byte {
	out := make([][]byte, len(parts))
	for i, p := range parts {
		out[i] = []byte(p)
	}
	return out
}

func text(frames [][]byte) string { return string(bytes.Join(frames, []byte("|"))) }

const id7 = "\x00\x00\x00\x00\x00\x00\x00\x07"

// TestIDsSortBytewise is R5 of the ancestors' tests: their ids changed length
// at 256 and stopped to sort.
func TestIDsSortBytewise(t *testing.T) {
	last := ID(0)
	for n := uint64(1); n <= 5000; n++ {
		id := ID(n)
		back, ok := ParseID(id)
		if !ok || back != n || bytes.Compare(last, id) >= 0 {
			t.Fatalf("id %d: %x after %x, read as %d", n, id, last, back)
		}
		last = id
	}
}

func BenchmarkPublish(b *testing.B) {
	in := frames("PUBLISH", "stream", strings.Repeat("x", 100))
	b.ReportAllocs()
	for b.Loop() {
		_, body, err := Split(in)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := ParsePublish(body[1:]); err != nil {
			b.Fatal(err)
		}
	}
}
