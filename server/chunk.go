package server

import (
	"sync"

	"gorewind/server/internal/pack"
	"gorewind/wire"
)

const (
	chunkBytes     = 256 << 10 // of packed messages, about; at least one event
	selectionBytes = 2 << 20   // of a selection's: the more events, the fewer seeks each costs
	maxChunkBytes  = 64 << 20  // of all chunks in memory: above it, reading waits
)

// A chunk is the next part of a task's answer, packed, and what is asked of who makes it.
// It is handed over with the task: a reader has it from jobs until it posts, the hub from
// park until it posts or the loop takes the follower back, and otherwise the loop. Who
// has it may touch all of it, and nobody else any.
type chunk struct {
	envelope pack.Envelope // of the task's lane; does not change
	small    bool          // one event is enough

	packed []byte      // messages that are ready to be sent
	last   bool        // they end the answer
	failed *wire.Error // that they end it with, or nil
	prompt bool        // they are events that have just come
	epoch  uint64      // of the erasures before they were read
	charge int         // octets that count in loop.inHand and conn.octets
}

// pack appends a message of the answer.
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

// newChunk returns memory for a chunk of so many octets.
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

// fit returns a chunk in memory that is not much larger than it.
func fit(b []byte) []byte {
	if len(b) >= cap(b)/4 {
		return b
	}
	small := append([]byte(nil), b...)
	recycleChunk(b)
	return small
}
