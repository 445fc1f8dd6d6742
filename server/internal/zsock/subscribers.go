package zsock

import (
	"iter"
	"log/slog"
	"maps"
	"syscall"
	"time"
)

// Subscribers limits what libzmq holds of broadcasts for subscribers that do not read.
// PUB's high-water mark counts messages. It cannot be lowered while messages are large:
// libzmq's pipes would then take a subscriber for full that has read everything. So
// Subscribers counts large frames while libzmq holds them. When there are too many, it
// closes connections whose peer has not taken what the kernel holds for it for a while.
// Such a subscriber reconnects by itself and sees from the ids what it missed. The loop
// owns it.
type Subscribers struct {
	stalled map[int]int // by descriptor: how many looks in a row found the connection stalled
	Pinned  Peer        // counts the bytes of large frames that libzmq holds for all subscribers
	next    time.Time   // when to look again
}

// MaxPinned is how many bytes of large frames libzmq may hold for all subscribers,
// about.
const MaxPinned = 64 << 20

const (
	stalledLook  = 50 * time.Millisecond // time between looks
	stalledLooks = 4                     // a connection that is stalled so many times in a row is closed
	stalledFrom  = 64 << 10              // a connection is stalled if the kernel holds so many bytes for it
)

// NewSubscribers returns the subscribers of a new PUB.
func NewSubscribers() Subscribers {
	return Subscribers{stalled: make(map[int]int), Pinned: NewPeer()}
}

// Accepted is called with the descriptor of a new connection.
func (s *Subscribers) Accepted(fd int) { s.stalled[fd] = 0 }

// Ended is called with the descriptor of a connection that has ended.
func (s *Subscribers) Ended(fd int) { delete(s.stalled, fd) }

// Len returns the number of connections.
func (s *Subscribers) Len() int { return len(s.stalled) }

// All yields the descriptors of the connections.
func (s *Subscribers) All() iter.Seq[int] { return maps.Keys(s.stalled) }

// CloseStalled closes stalled connections if libzmq holds too much, and returns how
// many.
func (s *Subscribers) CloseStalled(log *slog.Logger) (cut int) {
	if s.Pinned.Unsent() <= MaxPinned {
		for fd := range s.stalled {
			s.stalled[fd] = 0
		}
		return 0
	}
	now := time.Now()
	if now.Before(s.next) {
		return 0
	}
	s.next = now.Add(stalledLook)
	for fd, looks := range s.stalled {
		if unsent(fd) < stalledFrom {
			s.stalled[fd] = 0
			continue
		}
		if s.stalled[fd] = looks + 1; looks+1 < stalledLooks {
			continue
		}
		s.stalled[fd] = 0
		if err := syscall.Shutdown(fd, syscall.SHUT_RDWR); err != nil {
			log.Warn("cannot cut off a subscriber that does not read", "error", err)
			continue
		}
		cut++
		log.Warn("cut off a subscriber that does not read; it will reconnect and miss events", "unsent", s.Pinned.Unsent())
	}
	return cut
}
