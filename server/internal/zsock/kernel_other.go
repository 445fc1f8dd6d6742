//go:build !linux

package zsock

import (
	"time"

	"golang.org/x/sys/unix"
)

// poll waits for descriptors, for at most timeout unless that is negative. It rounds up
// to milliseconds.
func poll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	ms := -1
	if timeout >= 0 {
		ms = int((timeout + time.Millisecond - 1) / time.Millisecond)
	}
	return unix.Poll(fds, ms)
}

// dropAll does nothing here: connections may use up all descriptors except those
// reserved for the store.
func dropAll(int, bool) error { return nil }

// unsent returns 0: here, only the high-water mark limits a stalled subscriber.
func unsent(int) int { return 0 }
