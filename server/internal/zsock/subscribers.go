package zsock

import (
	"iter"
	"log/slog"
	"maps"
	"syscall"
	"time"
)

// Subscribers bounds what libzmq keeps of broadcasts for subscribers that do not
// read. PUB's high-water mark counts messages, and cannot be lowered while
// messages are large: libzmq's pipes then take a subscriber for full that has
// read everything. So large frames are counted while libzmq has them, and when
// they are too many, connections are cut whose other side has long not taken
// what the kernel has for it. Such a subscriber reconnects by itself and sees
// from the ids what it missed. It is the loop's.
type Subscribers struct {
	stalled map[int]int // by descriptor of the connection: looks in a row at which it was behind
	Pinned  Peer        // counts the octets of large frames that libzmq has for all of them
	next    time.Time   // when to look again
}

// MaxPinned is how many octets of large frames libzmq may have for all subscribers,
// about.
const MaxPinned = 64 << 20

const (
	stalledLook  = 50 * time.Millisecond // how often connections are looked at
	stalledLooks = 4                     // so often in a row: it is cut
	stalledFrom  = 64 << 10              // octets that the kernel has of it
)

// NewSubscribers returns those of a PUB that has just been made.
func NewSubscribers() Subscribers {
	return Subscribers{stalled: make(map[int]int), Pinned: NewPeer()}
}

// Came is called with the descriptor of a new connection.
func (s *Subscribers) Came(fd int) { s.stalled[fd] = 0 }

// Ended is called with the descriptor of a connection that has ended.
func (s *Subscribers) Ended(fd int) { delete(s.stalled, fd) }

// Len returns how many there are.
func (s *Subscribers) Len() int { return len(s.stalled) }

// All yields the descriptors of their connections.
func (s *Subscribers) All() iter.Seq[int] { return maps.Keys(s.stalled) }

// Bound cuts stalled connections if need be, and returns how many.
func (s *Subscribers) Bound(log *slog.Logger) (cut int) {
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
			log.Warn("cannot cut a subscriber off that does not read", "error", err)
			continue
		}
		cut++
		log.Warn("cut a subscriber off that does not read", "unsent", s.Pinned.Unsent())
	}
	return cut
}
