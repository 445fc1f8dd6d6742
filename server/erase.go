package server

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// keptErasures is how many erasures are remembered. A chunk that was read before
// the oldest of them is read again, whatever it holds.
const keptErasures = 16_384

// erasures remembers what was replaced or deleted of late, so that no chunk that
// was read before is sent after the erasure was answered. A chunk carries now
// from before it was read: what was erased earlier is not in it.
//
// Anybody may call its methods.
type erasures struct {
	now  atomic.Uint64 // how many there have been
	mu   sync.Mutex    // protects last
	last []erasure     // that with the number n, from 0, at n modulo keptErasures
	seed maphash.Seed
}

// An erasure is of some events of a stream.
type erasure struct {
	stream uint64 // its hash: a chunk that is read again for no reason does no harm
	span
}

// A span is some ids of a stream.
type span struct{ first, last uint64 }

func (s span) overlaps(o span) bool { return o.first <= s.last && s.first <= o.last }

// with returns s enlarged to hold id.
func (s span) with(id uint64) span { return span{min(s.first, id), max(s.last, id)} }

func (e *erasures) hash(stream []byte) uint64 { return maphash.Bytes(e.seed, stream) }

// add is called when an erasure is in the store, before it is answered.
func (e *erasures) add(stream []byte, gone span) {
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

// since reports whether held is true for one of the erasures since there were n,
// or one of them is forgotten.
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
