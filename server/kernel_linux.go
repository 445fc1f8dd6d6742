package server

import (
	"time"

	"golang.org/x/sys/unix"
)

// poll waits for descriptors, at most for a time unless that is negative.
func poll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	if timeout < 0 {
		return unix.Ppoll(fds, nil, nil)
	}
	t := unix.NsecToTimespec(int64(timeout))
	return unix.Ppoll(fds, &t, nil)
}

// dropAll has the kernel drop every packet to a listening TCP socket, or none.
// It has no effect on a unix socket.
func dropAll(listener int, on bool) error {
	if !on {
		return unix.SetsockoptInt(listener, unix.SOL_SOCKET, unix.SO_DETACH_FILTER, 0)
	}
	drop := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K} // return 0 octets of the packet
	return unix.SetsockoptSockFprog(listener, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &drop})
}

// unsent returns how many octets the kernel has of a connection that the other
// side has yet to take.
func unsent(fd int) int {
	n, err := unix.IoctlGetInt(fd, unix.SIOCOUTQ)
	if err != nil {
		return 0
	}
	return n
}
