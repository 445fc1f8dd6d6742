package server

import (
	"sync"

	"gorewind/server/internal/pack"
	"gorewind/wire"
)

const (
	chunkBytes     = 256 << 10 // of packed messages, about; at least one event
	selectionBytes = 2 << 20   // the same for a selection: with more events in a chunk, each costs fewer seeks
	maxChunkBytes  = 64 << 20  // of all chunks in memory; above that, reading waits
)

// A chunk is the next part of a task's answer, packed, with instructions for whoever
// fills it. It is handed over with the task: a reader has it from jobs until the reader
// posts; the hub has it from park until the hub posts or the loop takes the follower
// back; otherwise the loop has it. Only the owner may touch it.
type chunk struct {
	envelope pack.Envelope // of the task's lane; constant
	small    bool          // one event is enough

	packed []byte      // messages to send
	last   bool        // the answer ends with them
	failed *wire.Error // the ERROR that the answer ends with, or nil
	prompt bool        // they are live events from the hub
	epoch  uint64      // number of erasures before they were read
	charge int         // bytes that count in loop.inHand and conn.charged
}

// pack appends a message of the answer to b.
func (c *chunk) pack(b []byte, r wire.Reply) []byte {
	if e, ok := r.(*wire.Error); ok {
		c.failed = e
	}
	return c.envelope.Pack(b, r.Frames())
}

// chunks and selectionChunks recycle the memory of chunks.
var (
	chunks          = newPool(chunkBytes)
	selectionChunks = newPool(selectionBytes)
)

func newPool(size int) *sync.Pool {
	return &sync.Pool{New: func() any {
		b := make([]byte, 0, size+size/8)
		return &b
	}}
}

// newChunk returns memory for a chunk of a size, in bytes.
func newChunk(size int) []byte {
	pool := chunks
	if size > chunkBytes {
		pool = selectionChunks
	}
	return (*pool.Get().(*[]byte))[:0]
}

func recycleChunk(b []byte) {
	switch n := cap(b); {
	case n >= chunkBytes && n <= 2*chunkBytes:
		chunks.Put(&b)
	case n >= selectionBytes && n <= 2*selectionBytes:
		selectionChunks.Put(&b)
	}
}

// fit returns a chunk in memory that is not much larger than the chunk.
func fit(b []byte) []byte {
	if len(b) >= cap(b)/4 {
		return b
	}
	small := append([]byte(nil), b...)
	recycleChunk(b)
	return small
}
