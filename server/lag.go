package server

import "sync/atomic"

// A reach is how far a query has come, for who looks at it from outside: its
// place is a reader's, the hub's or the loop's, by turns.
type reach struct {
	at  atomic.Uint64 // place.n
	end atomic.Uint64 // a follower's: the last that was there when it looked into the store
}

// Followers says how many there are, and how far the last of them is behind.
type Followers struct {
	Count     int
	Events    uint64 // of those who follow one stream
	Positions uint64 // of those who follow a selection
}

// Followers looks at the followers of a store whose last position is last. It
// takes the hub's lock and does not have the loop wait, save where it wants that
// lock: 20 ns for each follower, on the caller's processor, and a post would take
// as long on the loop's.
func (s *Server) Followers(last uint64) Followers { return s.loop.hub.lag(last) }

func (h *hub) lag(last uint64) (f Followers) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f.Count = len(h.followers)
	for q := range h.followers {
		switch at := q.reach.at.Load(); {
		case q.slot >= 0: // it waits: it has had everything
		case q.watch.selects != nil:
			f.Positions = max(f.Positions, last-min(at, last))
		default:
			end := max(q.watch.last, q.reach.end.Load())
			f.Events = max(f.Events, end-min(at, end))
		}
	}
	return f
}
