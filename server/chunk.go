package server

import (
	"sync"

	"gorewind/server/internal/pack"
	"gorewind/wire"
)

const (
	chunkOctets     = 256 << 10 // of packed messages, about; at least one event
	selectionOctets = 2 << 20   // of a selection's: the more events, the fewer seeks each costs
	maxChunkOctets  = 64 << 20  // of all chunks in memory: above it, reading waits
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
	chunks          = newPool(chunkOctets)
	selectionChunks = newPool(selectionOctets)
)

func newPool(octets int) *sync.Pool {
	return &sync.Pool{New: func() any {
		b := make([]byte, 0, octets+octets/8)
		return &b
	}}
}

// newChunk returns memory for a chunk of so many octets.
func newChunk(octets int) []byte {
	pool := chunks
	if octets > chunkOctets {
		pool = selectionChunks
	}
	return (*pool.Get().(*[]byte))[:0]
}

func recycleChunk(b []byte) {
	switch n := cap(b); {
	case n >= chunkOctets && n <= 2*chunkOctets:
		chunks.Put(&b)
	case n >= selectionOctets && n <= 2*selectionOctets:
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
