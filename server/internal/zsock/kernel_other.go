//go:build !linux

package zsock

import (
	"time"

	"golang.org/x/sys/unix"
)

// poll waits for descriptors, at most for a time unless that is negative. It
// counts in milliseconds.
func poll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	ms := -1
	if timeout >= 0 {
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	return unix.Poll(fds, ms)
}

// dropAll would have the kernel drop what comes to a listening socket. Where it
// cannot, connections may take all descriptors but those kept for the store.
func dropAll(int, bool) error { return nil }

// unsent would say how much a connection's other side has yet to take. Where it
// cannot, a stalled subscriber is bounded by the high-water mark alone.
func unsent(int) int { return 0 }
