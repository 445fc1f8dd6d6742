package server

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// keptErasures is how many erasures are remembered. A chunk that was read before the
// oldest of them is read again, whatever it holds.
const keptErasures = 16_384

// erasures remembers recent REPLACEs and DELETEs. Without it, a chunk that was read
// before an erasure could be sent after the erasure was answered. A chunk notes the
// number of erasures before it is read: what was erased earlier is not in it.
//
// Its methods may be called from any goroutine.
type erasures struct {
	now  atomic.Uint64 // number of erasures so far
	mu   sync.Mutex    // protects last
	last []erasure     // a ring: erasure n, counted from 0, is at n modulo keptErasures
	seed maphash.Seed
}

// An erasure is a range of events of a stream that was replaced or deleted.
type erasure struct {
	stream uint64 // hash of its name: a collision only makes a chunk be read again
	span
}

// A span is a range of ids of a stream, both ends included.
type span struct{ first, last uint64 }

func (s span) overlaps(o span) bool { return o.first <= s.last && s.first <= o.last }

// with returns s extended to id.
func (s span) with(id uint64) span { return span{min(s.first, id), max(s.last, id)} }

func (e *erasures) hash(stream []byte) uint64 { return maphash.Bytes(e.seed, stream) }

// record remembers an erasure. Call it after the erasure is stored and before it is
// answered.
func (e *erasures) record(stream []byte, gone span) {
	e.mu.Lock()
	defer e.mu.Unlock()
	x := erasure{e.hash(stream), gone}
	if n := e.now.Load(); n < keptErasures {
		e.last = append(e.last, x)
	} else {
		e.last[n%keptErasures] = x
	}
	e.now.Add(1)
}

// since reports whether held is true for an erasure after the first n, or whether one
// of those is forgotten.
func (e *erasures) since(n uint64, held func(erasure) bool) bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now.Load()
	if now-n > keptErasures {
		return true
	}
	for ; n < now; n++ {
		if held(e.last[n%keptErasures]) {
			return true
		}
	}
	return false
}
